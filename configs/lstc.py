"""Valence or arousal along films with `lstc`: clips, then the context across clips.

    python -m affectjax.main --config=configs/lstc.py:valence --config.data.dir=DIR
    python -m affectjax.main --config=configs/lstc.py:arousal --config.data.dir=DIR

Paper: Video Affective Impact Prediction with Multi-Modal Fusion and Long-Short Temporal Context
(under double-blind review), sections 3 and 4, Tables 1 to 5. Clips of ten rows, one a second;
two-layer bidirectional LSTMs for each modality, trained one modality after the other (the recipe
`progressive`); for valence LSTMs over 4 clips, for arousal a moving average of decay 0.98. The
paper on MediaEval 2018: valence MSE 0.071 and PCC 0.444, arousal 0.137 and 0.419. Its films may not
be passed on; ours stands in the report of whoever has them (`python -m data_prep.build
liris_accede` reads them). Not stated there: 128 units a direction, dropout 0.3, Adam at 1e-3 and
1e-4 for LSTMs that go on, batch 32, at most 60 epochs; 10 of the 54 films choose the epoch of every
stage and the order of the modalities. Hardware: trains on a laptop CPU; `small` takes some minutes.

Variants, joined by commas after a colon, in any order (configs/lstc.py:arousal,beta96):
    valence, arousal                 the value; each brings its own modalities and context
    me15_valence, me15_arousal       MediaEval 2015: three classes of single clips (Table 5)
    audio_only, scene_only           one modality, clips by themselves (Table 1)
    expression_only, action_only
    audio_scene, audio_action        these alone, clips by themselves (Table 2)
    audio_scene_expression, audio_action_scene
    baseline1                        all modalities trained at once (Table 2)
    baseline2                        each by itself, predictions averaged (Table 2)
    intra                            clips by themselves: no context across them
    clips3, clips4, clips5, clips6   how many clips the LSTMs see (Table 3)
    beta96, beta97, beta98, beta99   the moving average's decay (Table 3)
    small                            the sample's films; what runs where no data is given
    tuned                            with small: layers for action there too

Rows of action are the means of OpenPose's trunk over places (`--extractors=openpose`); the paper's
added layers bring them to 128, learn in a stage of their own and then stay. Rows that such layers
made already, and any others that are to be read as they are: --config.model.tuned.action=0.
"""

from affectjax import configlib

FACES, ACTIONS = ("audio", "scene", "expression"), ("audio", "action", "scene")
WIDTHS = {"audio": 128, "scene": 512, "expression": 3072, "action": 128}
NARROW = {"audio": 16, "scene": 24, "expression": 32, "action": 16}  # the sample's
TUNED = ("action",)
ALONE = {"model": {"clips": 1, "beta": 0.0}}
SEEDS = {"recipe": {"at_once": True}}

BASE = {
    "model": {"name": "lstc", "modalities": {}, "outputs": ("valence",), "clips": 4},
    "examples": {"name": "films"},
    "loss": {"target": 1.0},
    "optim": {"learning_rate": 1e-3, "schedule": "constant", "warmup": 0, "weight_decay": 0.0},
    "train": {"batch": 32, "epochs": 60.0, "evaluate_every": 250, "patience": 8},
    "data": {"validation": 10 / 54},
    "checkpoint": {"best": "loss/target", "mode": "min"},
    "recipe": {"name": "progressive", "times": 5},
}


def mediaeval15(outputs: tuple[str, ...]) -> dict:
    """Classes of clips of 8 to 12 seconds, which are records of their own."""
    return {
        "model": {
            **ALONE["model"],
            "task": "classes",
            "outputs": outputs,
            "segments": 12,
        },
        "examples": {"name": "clips", "segment_seconds": 1.0},
        "checkpoint": {"best": "accuracy", "mode": "max"},
    }


# Variant -> its modalities; of those named the last one here decides.
MODALITIES = {
    "valence": FACES,
    "arousal": ACTIONS,
    "me15_valence": FACES,
    "me15_arousal": ACTIONS,
    **{f"{m}_only": (m,) for m in WIDTHS},
    "audio_scene": ("audio", "scene"),
    "audio_action": ("audio", "action"),
    "audio_scene_expression": FACES,
    "audio_action_scene": ACTIONS,
}
# What stands later is laid over what stands earlier, whatever the order on the command line.
VARIANTS = {
    "valence": {},
    "arousal": {"model": {"outputs": ("arousal",), "clips": 1, "beta": 0.98}},
    "me15_valence": mediaeval15(("negative", "neutral", "positive")),
    "me15_arousal": mediaeval15(("calm", "neutral", "active")),
    **{f"{m}_only": ALONE | SEEDS for m in WIDTHS},
    "audio_scene": ALONE,
    "audio_action": ALONE,
    "audio_scene_expression": ALONE,
    "audio_action_scene": ALONE,
    "baseline1": ALONE | SEEDS,
    "baseline2": {"model": {**ALONE["model"], "fusion": "late"}} | SEEDS,
    "intra": ALONE,
    **{f"clips{n}": {"model": {"clips": n}} for n in range(3, 7)},
    **{f"beta{n}": {"model": {"beta": n / 100}} for n in range(96, 100)},
    "tuned": {},
    "small": {
        "model": {"hidden": 16, "width": 16, "inter_hidden": 16},
        "data": {"sample_story": "films", "validation": 0.25},
        "train": {"batch": 16, "steps": 150, "evaluate_every": 30, "patience": 0,
                  "checkpoint_every": 150},
        "recipe": {"times": 1},
    },
}  # fmt: skip


def get_config(arg: str = ""):
    """The paper's settings with the variants named in `arg`."""
    given = [name for name in (arg or "").split(",") if name]
    ordered = [name for name in VARIANTS if name in given]
    unknown = [name for name in given if name not in VARIANTS]
    widths = NARROW if "small" in given else WIDTHS
    names = [MODALITIES[name] for name in MODALITIES if name in given] or [FACES]
    model = BASE["model"] | {"modalities": {m: widths[m] for m in names[-1]}}
    if "small" not in given or "tuned" in given:
        model["tuned"] = {m: widths[m] for m in TUNED if m in names[-1]}
    return configlib.build(BASE | {"model": model}, VARIANTS, ",".join(ordered + unknown))
