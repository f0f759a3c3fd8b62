"""Tables 1 to 5 of `vaanet`, cell by cell as printed, and its ablations on extracted features.

An End-to-End Visual-Audio Attention Network for Emotion Recognition in User-Generated Videos,
AAAI 2020.
"""

from affectjax.tables import Column, Paper, Row, Table, by_class, ekman6, videoemotion8

CONFIG = "vaanet"
VE8 = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
EK6 = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
ATTRIBUTES = "trained on other data too"
FEATURES = (
    "Both networks as they come, and only what follows them is trained, on features of their last "
    "maps: not the paper's protocol, and a minute's training instead of a day's."
)
AVERAGE = (
    "The last column is the share of all videos, which the paper calls the average; the mean "
    "over the classes stands in runs.csv as `balanced_accuracy`."
)
FULL = "VS+VCW+VT+AT"
NOTHING = (None,) * 9

VIDEOEMOTION8, EKMAN6 = videoemotion8("VE-8", ""), ekman6("E-6")
VARIANTS = {"AT": "at", "VS": "vs", "VS+VCW": "vs_vcw", "VS+VCW+VT": "vs_vcw_vt", FULL: ""}

ATTENTIONS_VE8 = {
    "AT": (11.3, 3.0, 19.1, 46.1, 46.1, 42.4, 74.7, 10.7, 41.4),
    "VS": (45.4, 27.9, 44.8, 59.5, 49.1, 51.0, 65.1, 35.6, 51.7),
    "VS+VCW": (46.2, 25.9, 42.8, 63.2, 50.9, 40.2, 67.5, 45.2, 52.6),
    "VS+VCW+VT": (55.6, 30.8, 37.5, 60.4, 57.7, 50.0, 65.2, 34.6, 53.6),
    FULL: (48.2, 24.1, 33.3, 55.9, 55.9, 52.5, 77.1, 35.6, 54.5),
}
ATTENTIONS_EK6 = {
    "AT": (32.4, 14.1, 38.5, 28.1, 63.9, 46.5, 37.2),
    "VS": (59.9, 44.8, 49.7, 46.2, 35.3, 62.5, 50.8),
    "VS+VCW": (58.4, 52.6, 49.2, 46.3, 44.0, 65.1, 53.4),
    "VS+VCW+VT": (57.1, 53.1, 48.0, 57.0, 38.7, 65.0, 54.5),
    FULL: (55.1, 50.6, 45.7, 53.7, 50.3, 68.9, 55.3),
}
LOSSES = {
    ("VS+VCW+VT", "CE"): (51.9, 52.0),
    ("VS+VCW+VT", "PCCE"): (53.6, 54.5),
    (FULL, "CE"): (53.9, 54.6),
    (FULL, "PCCE"): (54.5, 55.3),
}


def _variant(attentions: str, *more: str) -> str:
    return ",".join(filter(None, (*more, VARIANTS[attentions])))


def _attentions(
    number: str, dataset: str, column: Column, classes: tuple[str, ...], printed: dict, frames: bool
) -> Table:
    """Attentions one after another, class by class; from frames, or on features with no numbers."""
    how = ("frames",) if frames else ()
    rows = tuple(
        Row(name, numbers if frames else NOTHING[: len(numbers)], _variant(name, *how))
        for name, numbers in printed.items()
    )
    title = f"different attentions on {dataset}" + ("" if frames else ", on features")
    columns = by_class(column, classes)
    note = AVERAGE if frames else f"{FEATURES} {AVERAGE}"
    return Table(number, title, CONFIG, columns, rows, main=FULL, note=note)


def _losses(number: str, frames: bool) -> Table:
    """Cross-entropy and the loss of polarity."""
    how = ("frames",) if frames else ()
    rows = tuple(
        Row(
            f"{attentions}, {loss}",
            numbers if frames else (None, None),
            _variant(attentions, *how, *(["ce"] if loss == "CE" else [])),
        )
        for (attentions, loss), numbers in LOSSES.items()
    )
    title = "cross-entropy (CE) and polarity-consistent cross-entropy (PCCE)"
    note = "" if frames else FEATURES
    title += "" if frames else ", on features"
    columns = (VIDEOEMOTION8, EKMAN6)
    return Table(number, title, CONFIG, columns, rows, main=f"{FULL}, PCCE", note=note)


METHODS_VE8 = Table(
    "1",
    "comparison with other methods on VE-8",
    CONFIG,
    (VIDEOEMOTION8,),
    (
        Row("SentiBank", (35.5,), note=ATTRIBUTES),
        Row("E-MDBM", (40.4,)),
        Row("ITE", (44.7,), note=ATTRIBUTES),
        Row("V.+Au.+At.", (46.1,), note=ATTRIBUTES),
        Row("CFN", (50.4,), note=ATTRIBUTES),
        Row("V.+Au.+At.+E-MDBM", (51.1,), note=ATTRIBUTES),
        Row("Kernelized", (49.7,)),
        Row("Kernelized+SentiBank", (52.5,), note=ATTRIBUTES),
        Row("VAANet", (54.5,), "frames"),
    ),
    main="VAANet",
)
METHODS_EK6 = Table(
    "2",
    "comparison with other methods on E-6",
    CONFIG,
    (EKMAN6,),
    (
        Row("ITE", (51.2,), note=ATTRIBUTES),
        Row("CFN", (51.8,), note=ATTRIBUTES),
        Row("Kernelized", (54.4,)),
        Row("VAANet", (55.3,), "frames"),
    ),
    main="VAANet",
)

PAPER = Paper(
    "vaanet",
    "An End-to-End Visual-Audio Attention Network for Emotion Recognition in User-Generated "
    "Videos, AAAI 2020",
    (
        METHODS_VE8,
        METHODS_EK6,
        _attentions("3", "VE-8", VIDEOEMOTION8, VE8, ATTENTIONS_VE8, True),
        _attentions("4", "E-6", EKMAN6, EK6, ATTENTIONS_EK6, True),
        _losses("5", True),
        _attentions("3, features", "VE-8", VIDEOEMOTION8, VE8, ATTENTIONS_VE8, False),
        _attentions("4, features", "E-6", EKMAN6, EK6, ATTENTIONS_EK6, False),
        _losses("5, features", False),
    ),
)
