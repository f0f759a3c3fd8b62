"""Pre-training of `tam` on time-sync comments: emotional words and appearing times.

    python -m affectjax.main --config=configs/tam_pretrain.py --config.data.dir=DIR

Paper: Representation Learning through Multimodal Attention and Time-Sync Comments for Affective
Video Content Analysis (ACM MM 2022), sections 4.2 and 5.2: Adam at 1e-3, divided by ten every 50
of 200 epochs, 12 fusion layers, 8 decoder layers, 768 wide, 12,800 training clips with about 55
comments each. The paper reports no score of the pre-training itself, only what it does for
recognition (57.53 % on VideoEmotion-8, 61.00 % on Ekman-6). Its corpus is not public, so the only
scores of ours are on the built-in sample; the README holds them.
Hardware: made for accelerators; one step of the full size takes minutes on two CPU cores.

Variants, joined by commas after a colon (configs/tam_pretrain.py:small,random10):
    small                            a few minutes on a laptop; what runs where no data is given
    random10, random20, random30     masks that share of the words instead of the emotional ones
    word_only, time_only             one task alone
    word1_time2, word2_time1         the tasks weighted 1:2 and 2:1
    permuted                         control: comments of other clips, so the video tells nothing
    text_only                        floor: the same decoder with every modality hidden
"""

from affectjax import configlib

BASE = {
    "model": {"name": "tam", "modalities": {"image": 512, "motion": 2048, "audio": 128}},
    "examples": {"name": "tsc"},
    "words": {"min_count": 2, "cap": 30_000},
    "loss": {"word": 1.0, "time": 1.0},
    "optim": {
        "learning_rate": 1e-3,
        "schedule": "step",
        "decay": 0.1,
        "decay_every": 50.0,
        "warmup": 1000,
        "weight_decay": 0.005,
    },
    "train": {"batch": 8, "epochs": 200.0},
    "recipe": {"name": "single"},
}

VARIANTS = {
    "small": {
        "model": {
            "modalities": {"image": 32, "motion": 48, "audio": 16},
            "width": 64,
            "layers": 2,
            "ffn": 128,
            "decoder_layers": 1,
            "decoder_heads": 2,
        },
        "examples": {"tokens": 192, "comments": 24, "masked": 48},
        "words": {"min_count": 1, "cap": 2_000},
        "optim": {
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "warmup": 100,
            "weight_decay": 0.0,
        },
        "data": {"sample_size": "study"},
        "train": {"batch": 16, "epochs": 8.0, "checkpoint_every": 250},
    },
    "random10": {"examples": {"masking": "random10"}},
    "random20": {"examples": {"masking": "random20"}},
    "random30": {"examples": {"masking": "random30"}},
    "word_only": {"loss": {"time": 0.0}},
    "time_only": {"loss": {"word": 0.0}},
    "word1_time2": {"loss": {"time": 2.0}},
    "word2_time1": {"loss": {"word": 2.0}},
    "permuted": {"data": {"permute_comments": True}},
    "text_only": {"examples": {"hide": ("image", "motion", "audio")}},
}


def get_config(arg: str = ""):
    """The paper's settings with the variants named in `arg`."""
    return configlib.build(BASE, VARIANTS, arg)
