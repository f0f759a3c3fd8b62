"""Tables 1 to 5 of `lstc`, cell by cell as printed.

Video Affective Impact Prediction with Multi-Modal Fusion and Long-Short Temporal Context, under
double-blind review.
"""

from affectjax.tables import Column, Paper, Row, Table

CONFIG = "lstc"
LIRIS = ("mediaeval", "liris_accede")
OURS = "not a row of the paper"
FILMS = "MediaEval 2018"
CLIPS = "MediaEval 2015"


def _along(value: str, metric: str) -> Column:
    name = f"{value}, {metric.upper()} over all seconds"
    return Column(name, FILMS, LIRIS, value, metric, spread="groups")


def _classes(value: str) -> Column:
    return Column(f"{value}, accuracy", CLIPS, LIRIS, f"me15_{value}", spread="groups")


VALENCE = (_along("valence", "mse"), _along("valence", "pcc"))
AROUSAL = (_along("arousal", "mse"), _along("arousal", "pcc"))
BOTH = (*VALENCE, *AROUSAL)

MODALITIES = Table(
    "1",
    "modality-specific models",
    CONFIG,
    BOTH,
    (
        Row("Audio", (0.098, 0.264, 0.140, 0.172), "audio_only"),
        Row("Scene", (0.103, 0.192, 0.152, 0.140), "scene_only"),
        Row("Expression", (0.110, 0.150, 0.162, 0.061), "expression_only"),
        Row("Action", (0.132, 0.057, 0.156, 0.158), "action_only"),
    ),
    main="Audio",
)
VALENCE_FUSIONS = Table(
    "2, left",
    "combinations of modalities and fusions for valence, each clip by itself",
    CONFIG,
    VALENCE,
    (
        Row("Audio+Scene", (0.091, 0.348), "audio_scene"),
        Row("Audio+Scene+Expression", (0.089, 0.358), "audio_scene_expression"),
        Row("Baseline 1", (0.104, 0.284), "baseline1", "all trained at once"),
        Row("Baseline 2", (0.090, 0.300), "baseline2", "predictions averaged"),
    ),
    main="Audio+Scene+Expression",
)
AROUSAL_FUSIONS = Table(
    "2, right",
    "combinations of modalities and fusions for arousal, each clip by itself",
    CONFIG,
    AROUSAL,
    (
        Row("Audio+Action", (0.140, 0.293), "audio_action"),
        Row("Audio+Action+Scene", (0.138, 0.314), "audio_action_scene"),
        Row("Baseline 1", (0.148, 0.257), "baseline1", "all trained at once"),
        Row("Baseline 2", (0.142, 0.278), "baseline2", "predictions averaged"),
    ),
    main="Audio+Action+Scene",
)
CONTEXT = Table(
    "3, left",
    "number of clips that valence looks across",
    CONFIG,
    VALENCE,
    (
        Row("3", (0.073, 0.406), "clips3"),
        Row("4", (0.071, 0.444), ""),
        Row("5", (0.072, 0.419), "clips5"),
        Row("6", (0.077, 0.380), "clips6"),
        Row("1", (None, None), "intra", OURS),
    ),
    main="4",
)
AVERAGE = Table(
    "3, right",
    "decay of arousal's moving average",
    CONFIG,
    AROUSAL,
    (
        Row("0.96", (0.136, 0.400), "beta96"),
        Row("0.97", (0.136, 0.409), "beta97"),
        Row("0.98", (0.137, 0.419), ""),
        Row("0.99", (0.140, 0.427), "beta99"),
        Row("none", (None, None), "intra", OURS),
    ),
    main="0.98",
)
METHODS = Table(
    "4",
    "comparison with other methods",
    CONFIG,
    BOTH,
    (
        Row("CERTH-ITI", (0.117, 0.098, 0.138, 0.054)),
        Row("THUHCSI", (0.092, 0.305, 0.140, 0.087)),
        Row("Quan et al.", (0.115, 0.146, 0.171, 0.091)),
        Row("Yi et al.", (0.090, 0.301, 0.136, 0.175)),
        Row("GLA", (0.084, 0.278, 0.133, 0.351)),
        Row("Ko et al.", (0.102, 0.114, 0.149, 0.083)),
        Row("Ours", (0.071, 0.444, 0.137, 0.419), ""),
    ),
    main="Ours",
)
CLASSES = Table(
    "5",
    "comparison on MediaEval 2015",
    CONFIG,
    (_classes("valence"), _classes("arousal")),
    (
        Row("MIC-TJU", (0.420, 0.559)),
        Row("NII-UIT", (0.430, 0.559)),
        Row("ICL-TUM-PASSAU", (0.415, 0.557)),
        Row("Fudan-Huawei", (0.418, 0.488)),
        Row("TCS-ILAB", (0.357, 0.490)),
        Row("UMons", (0.373, 0.524)),
        Row("RFA", (0.330, 0.450)),
        Row("KIT", (0.385, 0.519)),
        Row("Ours", (0.459, 0.575), ""),
    ),
    main="Ours",
)

PAPER = Paper(
    "lstc",
    "Video Affective Impact Prediction with Multi-Modal Fusion and Long-Short Temporal Context",
    (MODALITIES, VALENCE_FUSIONS, AROUSAL_FUSIONS, CONTEXT, AVERAGE, METHODS, CLASSES),
)
