"""Distributions of evoked emotions, second by second, with `danmaku` (label distribution learning).

    python -m data_prep.build danmaku_ldl --videos=VIDEOS --lexicon=DUTIR.csv --out=DIR \
        --extractors=efficientnet,vggish --weights=weights
    python -m affectjax.main --config=configs/danmaku.py --config.data.dir=DIR

Paper: Predicting the Distribution of Emotions that Videos Evoke from Danmaku (MIRU 2022), section
4, Table 3: EfficientNet brought to 512 and VGGish of 128 at 1 Hz, a two-layer GRU a modality,
context gating, a mixture of eight experts, context gating, clamp, softmax; KL loss, dropout 0.3,
batch 16, learning rate 5e-4, 208 videos. The paper's KL with both modalities: 0.333. Its dataset
was never published; ours stands in the report of whoever has such videos.
Not stated there: GRUs of 256 forward in time, linear experts with a softmax over them every
second, Adam, sequences of 60 s, 100 epochs, 8 : 1 : 1 by video, validation choosing the epoch.
Clamp and softmax keep six classes within 0.069 and 0.352, so that the KL to a one-hot truth is
1.04 at the least; `softmax` and `renormalise` do not.
Hardware: a laptop CPU.

Variants, joined by commas after a colon (configs/danmaku.py:audio,softmax):
    audio, visual              one modality (Table 3)
    softmax, renormalise       other ways from the mixture's answers to a distribution
    sigmoid                    experts answer within 0 and 1, a softmax over them for each emotion
    experts1, experts4         other numbers of experts
    experts16
    ungated                    without the context gatings
    both_ways                  recurrence in both directions
    lowlevel                   picture, motion and sound of that extractor, which needs no weights
    small                      the built-in sample; what runs where no data is given
    rendered                   over `small`, for the sample rendered as twenty videos: nobody there
                               likes anything, which a clamp before the softmax cannot say

    python -m data_prep.sample --out=VIDEOS --size=quick --sources=20
    python -m data_prep.build danmaku_ldl --videos=VIDEOS --out=DIR --lexicon=sample \
        --tokeniser=whitespace --extractors=lowlevel --options='{"lag": 3, "least": 3}'
    python -m affectjax.main --config=configs/danmaku.py:small,rendered --config.data.dir=DIR
"""

from affectjax import configlib

GONE = configlib.REMOVED

EMOTIONS = ("like", "joy", "surprise", "fear", "disgust", "sadness")
LOWLEVEL = {"image": 32, "motion": 48, "audio": 16}

BASE = {
    "model": {
        "name": "danmaku",
        "modalities": {"efficientnet": 1280, "vggish": 128},
        "outputs": EMOTIONS,
        "project": {"efficientnet": 512},
    },
    "examples": {"name": "seconds"},
    "optim": {"learning_rate": 5e-4, "schedule": "constant", "warmup": 0, "weight_decay": 0.0},
    "train": {"batch": 16, "epochs": 100.0, "evaluate_every": 20},
    "data": {"validation_split": "validation", "sample_story": "distributions"},
    "checkpoint": {"best": "kl", "mode": "min"},
    "recipe": {"name": "repeat"},
}

VARIANTS = {
    "audio": {"model": {"modalities": {"efficientnet": GONE, "image": GONE, "motion": GONE}}},
    "visual": {"model": {"modalities": {"vggish": GONE, "audio": GONE}}},
    "softmax": {"model": {"adapt": "softmax", "bias": 0.0}},
    "renormalise": {"model": {"adapt": "renormalise"}},
    "sigmoid": {"model": {"expert": "sigmoid", "gates": "output", "bias": 0.0}},
    **{f"experts{n}": {"model": {"experts": n}} for n in (1, 4, 16)},
    "ungated": {"model": {"gating": False}},
    "both_ways": {"model": {"bidirectional": True}},
    "lowlevel": {
        "model": {
            "modalities": {"efficientnet": GONE, "vggish": GONE} | LOWLEVEL,
            "project": {"efficientnet": GONE},
        },
    },
    "small": {
        "model": {
            "modalities": {"efficientnet": GONE, "vggish": GONE} | LOWLEVEL,
            "project": {"efficientnet": GONE},
            "hidden": 32,
        },
        "optim": {"learning_rate": 3e-3},
        "train": {"steps": 300, "evaluate_every": 30, "checkpoint_every": 300},
        "data": {"validation_split": "", "validation": 0.2},
        "recipe": {"name": "single"},
    },
    "rendered": {
        "model": {"adapt": "softmax", "bias": 0.0, "dropout": 0.5},
        "optim": {"learning_rate": 1e-3},
        "train": {"steps": 90, "evaluate_every": 15},
    },
}


def get_config(arg: str = ""):
    """The paper's settings with the variants named in `arg`."""
    return configlib.build(BASE, VARIANTS, arg)
