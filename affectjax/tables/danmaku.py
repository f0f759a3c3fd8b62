"""Tables 2 and 3 of `danmaku`, cell by cell as printed.

Predicting the distribution of emotions that videos evoke from Danmaku, MIRU 2022. Its Table 1
compares the sizes of datasets and has nothing to rerun.
"""

from affectjax.tables import OURS, Column, Paper, Row, Table

EMOTIONS = ("like", "joy", "surprise", "fear", "disgust", "sadness")
COMMENTS = "the paper's labelled comments"
VIDEOS = "the paper's 208 videos"


def _of_comments(name: str, metric: str) -> tuple[Column, ...]:
    return tuple(
        Column(f"{k}, {name}", COMMENTS, ("comment",), "", f"{metric}/{k}", decimals=4)
        for k in EMOTIONS
    )


def _of_videos(name: str, metric: str, decimals: int = 3) -> Column:
    return Column(name, VIDEOS, ("danmaku",), "", metric, decimals=decimals)


CLASSIFIERS = Table(
    "2",
    "accuracy and AUC of the comment classifiers",
    "danmaku_comments",
    (*_of_comments("balanced accuracy", "balanced_accuracy"), *_of_comments("AUC", "auc")),
    (
        Row(
            "Chinese BERT-wwm",
            (
                *(0.9366, 0.9444, 0.8700, 0.9036, 0.8754, 0.8833),
                *(0.9365, 0.9380, 0.8709, 0.9039, 0.8758, 0.8738),
            ),
            "bert",
        ),
        Row("a small encoder from scratch", (None,) * 12, "", OURS),
    ),
    main="Chinese BERT-wwm",
    note="The AUC printed nearly equals the accuracy, as that of hard decisions does on as many "
    "comments with an emotion as without, so our balanced accuracy stands beside the paper's "
    "accuracy. Our AUC is of the scores. To say no always has 0.5 of both.",
)

MODALITIES = Table(
    "3",
    "modalities from which distributions are predicted",
    "danmaku",
    (
        _of_videos("Chebyshev (lower is better)", "chebyshev"),
        _of_videos("Clark (lower is better)", "clark"),
        _of_videos("Canberra (lower is better)", "canberra"),
        _of_videos("Cosine (higher is better)", "cosine", 4),
        _of_videos("Intersection (higher is better)", "intersection"),
        _of_videos("KL (lower is better)", "kl"),
    ),
    (
        Row("Audio", (0.225, 1.060, 2.187, 0.8183, 0.696, 0.348), "audio"),
        Row("Visual", (0.236, 1.063, 2.205, 0.8114, 0.685, 0.363), "visual"),
        Row("Audio + Visual", (0.220, 1.055, 2.148, 0.8566, 0.710, 0.333), ""),
        Row("softmax without clamp", (None,) * 6, "softmax", OURS),
        Row("clamp, divided by the sum", (None,) * 6, "renormalise", OURS),
        Row("sigmoid experts, gates by emotion", (None,) * 6, "sigmoid", OURS),
        Row("one expert", (None,) * 6, "experts1", OURS),
        Row("four experts", (None,) * 6, "experts4", OURS),
        Row("sixteen experts", (None,) * 6, "experts16", OURS),
        Row("no context gating", (None,) * 6, "ungated", OURS),
    ),
    main="Audio + Visual",
    note="The floor `mean` is what always predicting the training part's mean distribution scores.",
)

PAPER = Paper(
    "danmaku",
    "Predicting the distribution of emotions that videos evoke from Danmaku",
    (CLASSIFIERS, MODALITIES),
)
