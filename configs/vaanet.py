"""Recognition with `vaanet`: attention over space, channels and time, and a loss of polarity.

    python -m affectjax.main --config=configs/vaanet.py --config.data.dir=DIR

Paper: An End-to-End Visual-Audio Attention Network for Emotion Recognition in User-Generated Videos
(AAAI 2020), Tables 1 to 5: t = 10 segments of 16 frames through a 3-D ResNet-101, MFCC through a
ResNet-18, Adam at 2e-4, batch 32, 150 epochs. The paper's accuracy: VideoEmotion-8 54.5 % over ten
splits, Ekman-6 55.3 %. Neither dataset is freely redistributable; ours stands in the report of
whoever has them. The base trains on extracted features: maps of the last convolution, 16 cells of
2,048 channels a row, and 512 numbers of sound; `frames` trains both networks too. The
penalty of the loss is 0.5, which the paper does not state; 15 % of the training set choose the
epoch. Networks that start from published weights:

    python -m affectjax.convert resnet3d resnet-101-kinetics.pth --out=weights/resnet3d
    python -m affectjax.convert resnet resnet18-f37072fd.pth --out=weights/resnet18
    ... --config=configs/vaanet.py:frames "--config.train.init_from_weights=(('sight', \
        'weights/resnet3d'), ('sound', 'weights/resnet18'))" \
        "--config.train.init_new=('^sound/net/net/stem/conv',)"

The stem of the sound network is new: it reads one channel of MFCC through a window of 7 x 1, as the
authors' code has it, and ImageNet's reads three of a picture. The batch norm of sight keeps the
statistics stored there (model.norms=stored), or normalises by the batch in training and moves them
(live); that of the sound network is live unless it is frozen.
Hardware: features of this size train on a laptop CPU; `small` takes under a minute.

Variants, joined by commas after a colon (configs/vaanet.py:ekman6,vs,ce):
    ekman6                           the official split, five seeds; VideoEmotion-8 is the default
    at                               sound alone, with its temporal attention (Tables 3 and 4)
    vs, vs_vcw, vs_vcw_vt            picture alone, with one, two and all three attentions;
                                     each of these four also with `frames`
    ce                               plain cross-entropy (Table 5)
    printed                          the attentions' softmax as printed, not brought to mean 1
    pooled                           features pooled over space: 2,048 numbers a row
    of_cten                          on the features of configs/cten.py, 2,048 numbers each
    frames                           from JPEG frames and MFCC, both networks trained
    frozen                           as `frames`, the 3-D network left as it starts
    release                          as the authors' code has it, from frames and MFCC
    tiny                             as `frames`, small enough for a CPU, for the rendered sample
    detection                        scores intervals too; the dataset must have them
    small                            the built-in sample; what runs where no data is given
    small,space                      its stories of one cell among sixteen, for spatial attention
"""

from affectjax import configlib

GONE = configlib.REMOVED

VE8 = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
EK6 = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
SAMPLE = ("joy", "surprise", "tenderness", "fear", "sadness", "anger")

BASE = {
    "model": {
        "name": "vaanet",
        "modalities": {"motion": 16 * 2048, "audio": 512},
        "outputs": VE8,
        "positive": ("anticipation", "joy", "surprise", "trust"),
    },
    "examples": {"name": "snippets"},
    "optim": {"learning_rate": 2e-4, "schedule": "constant", "warmup": 0, "weight_decay": 0.0},
    "train": {"batch": 32, "epochs": 150.0, "evaluate_every": 20},
    "data": {"validation": 0.15},
    "checkpoint": {"best": "accuracy"},
    "recipe": {"name": "splits"},
}


def sight(**model) -> dict:
    """A variant without sound, whether that comes as features or not."""
    return {
        "model": {"modalities": {"audio": GONE}, "sound": GONE, **model},
        "examples": {"mfcc": GONE},
    }


SOUND = {"depth": 18, "channels": 1, "stem": (7, 1), "stem_stride": (2, 1), "normalisation": "none"}
SMALL = {"block": "basic", "blocks": (1, 1, 1), "width": 8}
FRAMES = {
    "model": {
        "modalities": {"motion": GONE, "audio": GONE},
        "sight": {"depth": 101, "normalisation": "kinetics-0-255"},
        "sound": SOUND,
    },
    "examples": {"frames": 16, "mfcc": 32},
    "train": {"workers": 8},
}

VARIANTS = {
    "ekman6": {
        "model": {"outputs": EK6, "positive": ("joy", "surprise")},
        "recipe": {"name": "repeat"},
    },
    "at": {
        "model": {"modalities": {"motion": GONE}, "sight": GONE},
        "examples": {"frames": GONE},
    },
    "vs": sight(channel=False, temporal=False),
    "vs_vcw": sight(temporal=False),
    "vs_vcw_vt": sight(),
    "ce": {"model": {"penalty": 0.0}},
    "printed": {"model": {"attention": "printed"}},
    "pooled": {
        "model": {"modalities": {"motion": 2048}, "cells": 1, "spatial": False},
    },
    "of_cten": {
        "model": {"modalities": {"motion": 2048, "audio": 2048}, "cells": 1, "spatial": False},
    },
    "frames": FRAMES,
    "frozen": FRAMES
    | {
        "model": FRAMES["model"] | {"frozen": ("sight",)},
        "optim": {"rules": (("^sight/", 0.0),)},
    },
    "release": FRAMES
    | {
        "model": FRAMES["model"]
        | {
            "form": "release",
            "frozen": ("sight",),
            "norms": "live",
            "sight": {"depth": 101, "normalisation": "less-100"},
            "sound_segments": 16,
        },
        "examples": FRAMES["examples"]
        | {"division": "count", "augment": "release", "mfcc_crop": "first", "mfcc_segments": 16},
        "optim": {"rules": (("^sight/", 0.0),)},
        "train": FRAMES["train"] | {"epochs": 100.0},
    },
    "tiny": FRAMES
    | {
        "model": FRAMES["model"]
        | {
            "outputs": SAMPLE,
            "positive": ("joy", "surprise", "tenderness"),
            "segments": 4,
            "cells": 9,
            "sight": SMALL | {"normalisation": "kinetics-0-255"},
            "sound": SOUND | SMALL,
            "norms": "live",  # what starts from random numbers has no statistics worth storing
        },
        "examples": {"frames": 8, "frame_size": 48, "mfcc": 32, "mfcc_rows": 512},
        "optim": {"learning_rate": 1e-3},
        "train": {"batch": 8, "steps": 100, "evaluate_every": 0, "workers": 2},
        "data": {"validation": 0.0},
        "checkpoint": {"best": ""},
        "recipe": {"name": "single"},
    },
    "detection": {"examples": {"truths": 3}},
    "small": {
        "model": {
            "modalities": {"motion": 48, "audio": 16},
            "outputs": SAMPLE,
            "positive": ("joy", "surprise", "tenderness"),
            "cells": 1,
            "spatial": False,
        },
        "optim": {"learning_rate": 3e-3, "schedule": "cosine"},
        "examples": {"rows": "mean", "truths": 3},
        "data": {"sample_story": "keyframes", "sample_size": "large"},
        "train": {"steps": 1000, "evaluate_every": 100, "checkpoint_every": 500},
        "recipe": {"name": "single"},
    },
    "space": {
        "model": {"modalities": {"motion": 192, "audio": 16}, "cells": 16, "spatial": True},
        "optim": {"learning_rate": 2e-3},
        "data": {"sample_story": "space", "sample_size": "study"},
        "train": {"steps": 600, "evaluate_every": 60, "checkpoint_every": 300},
    },
}


def get_config(arg: str = ""):
    """The paper's settings with the variants named in `arg`."""
    return configlib.build(BASE, VARIANTS, arg)
