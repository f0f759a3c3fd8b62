"""Recognition and detection with `cten`: keyframes erased, so that the context is learned too.

    python -m affectjax.main --config=configs/cten.py --config.data.dir=DIR

Paper: Weakly Supervised Video Emotion Detection and Prediction via Cross-Modal Temporal Erasing
Network (CVPR 2023), sections 3 and 4, Tables 1 to 3, Figure 3: T = 10 segments, frozen 3-D
ResNet-101 and ResNet-50 features of width 2048, SGD at 2e-4, batch 32, theta 0.7. The paper's
accuracy: VideoEmotion-8 57.3 % over ten splits, Ekman-6 58.2 %, CAER 80.1 %; mAP at tIoU 0.3 on
Ekman-6 40.1 %. None of these datasets is freely redistributable; ours stands in the report of
whoever has them. Not stated there: momentum 0.9, weight decay 5e-4, 100 epochs, standardised
features; 15 % of the training set choose the epoch, on CAER its own validation part. A video's
vector is the mean over its segments: as a sum, at these widths and this learning rate, the loss
left all bounds within 30 steps.
Frozen networks mean something from published weights alone:

    python -m affectjax.convert resnet3d resnet-101-kinetics.pth --out=weights/resnet3d
    python -m affectjax.convert resnet resnet50-0676ba61.pth --out=weights/resnet
    ... --config=configs/cten.py:frames "--config.train.init_from_weights=(('sight', \
        'weights/resnet3d'), ('sound', 'weights/resnet'))"

Their batch norm keeps the statistics stored there (model.norms=stored), or normalises by the batch
in training and moves them (live).
Hardware: features of this size train on a laptop CPU; `small` takes under a minute.

Variants, joined by commas after a colon (configs/cten.py:ekman6,visual,erasing_off):
    ekman6, caer, caer6              other datasets; VideoEmotion-8 is the default
    detection                        scores intervals too; the dataset must have them
    visual, audio                    one modality (Table 2)
    intra_off, inter_off             without one of the correlations (Table 2)
    erasing_off                      one look, no erasing (Table 2)
    theta00, theta01, theta02        theta from 0 to 1 in tenths (Figure 3)
    theta03, theta04, theta05
    theta06, theta07, theta08
    theta09, theta10
    erase_mean, erase_stream         key by the mean of both streams, or by each for itself
    erase2, erase3                   erasings one after another
    sum                              a video's vector as the sum over its segments
    untrimmed, step_by_step          localisers beside it, on the picture alone (Table 3):
    coactivity, outer_inner          UntrimmedNets, step-by-step erasion, W-TALC, AutoLoc
    frames                           from JPEG frames and MFCC, both networks frozen
    unfrozen                         as `frames`, both networks trained
    resample                         as `frames`; erases by sampling anew from what is kept
    release                          as the authors' code has it, on features of both networks
    release_frames                   the same from frames and filter banks, with its re-sampling
    tiny                             as `unfrozen`, small enough for a CPU, for the rendered sample
    small                            the built-in sample; what runs where no data is given
"""

from affectjax import configlib

GONE = configlib.REMOVED

VE8 = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
EK6 = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
CAER = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
SAMPLE = ("joy", "surprise", "tenderness", "fear", "sadness", "anger")

BASE = {
    "model": {"name": "cten", "modalities": {"motion": 2048, "audio": 2048}, "outputs": VE8},
    "examples": {"name": "snippets"},
    "optim": {
        "optimizer": "sgd",
        "learning_rate": 2e-4,
        "momentum": 0.9,
        "schedule": "constant",
        "warmup": 0,
        "weight_decay": 5e-4,
    },
    "train": {"batch": 32, "epochs": 100.0, "evaluate_every": 20},
    "data": {"validation": 0.15},
    "checkpoint": {"best": "accuracy"},
    "recipe": {"name": "splits"},
}


def localiser(method: str) -> dict:
    """A variant of another model, that reads the picture alone as the literature's do."""
    return {"model": {"name": "localiser", "method": method, "modalities": {"audio": GONE}}}


FRAMES = {
    "model": {
        "modalities": {"motion": GONE, "audio": GONE},
        "sight": {"depth": 101, "normalisation": "kinetics-0-255"},
        "sound": {"depth": 50},
        "frozen": ("sight", "sound"),
    },
    "examples": {"frames": 16, "mfcc": 32},
    "optim": {"rules": (("^(sight|sound)/", 0.0),)},
    "train": {"workers": 8},
}
SMALL = {"block": "basic", "blocks": (1, 1, 1), "width": 8}
TRAINED = {"model": FRAMES["model"] | {"frozen": ()}, "optim": {"rules": ()}}
RELEASE = {"form": "release", "standardise": False, "segments": 16}
CAER_SPLIT = {"data": {"validation": 0.0, "validation_split": "validation"}}
THIRDS = {"whole": 1 / 3, "key": 1 / 3, "left": 1 / 3}

VARIANTS = {
    "ekman6": {"model": {"outputs": EK6}, "recipe": {"name": "repeat"}},
    "caer": CAER_SPLIT
    | {
        "model": {"outputs": CAER},
        "train": {"evaluate_every": 290},
        "recipe": {"name": "repeat"},
    },
    "caer6": CAER_SPLIT
    | {
        "model": {"outputs": tuple(name for name in CAER if name != "Neutral")},
        "train": {"evaluate_every": 250},
        "recipe": {"name": "repeat"},
    },
    "detection": {"examples": {"truths": 3}},
    "visual": {"model": {"modalities": {"audio": GONE}, "inter": False}},
    "audio": {"model": {"modalities": {"motion": GONE}, "inter": False}},
    "intra_off": {"model": {"intra": False}},
    "inter_off": {"model": {"inter": False}},
    "erasing_off": {"model": {"erase": "none"}},
    **{f"theta{n:02d}": {"model": {"threshold": n / 10}} for n in range(11)},
    "erase_mean": {"model": {"erase": "mean"}},
    "erase_stream": {"model": {"erase": "stream"}},
    "erase2": {"model": {"iterations": 2}},
    "erase3": {"model": {"iterations": 3}},
    "sum": {"model": {"pooling": "sum"}},
    "untrimmed": localiser("attention"),
    "step_by_step": localiser("erasing"),
    "coactivity": localiser("coactivity"),
    "outer_inner": localiser("contrast"),
    "frames": FRAMES,
    "unfrozen": FRAMES | TRAINED,
    "resample": FRAMES
    | {
        "model": FRAMES["model"] | {"resample": 16},
        "examples": FRAMES["examples"] | {"frames": 32, "looks": True},
    },
    "release": {
        "model": {"modalities": {"audio": 512}} | RELEASE,
        "optim": {"optimizer": "adam"},
        "loss": THIRDS,
    },
    "release_frames": {
        "model": FRAMES["model"]
        | RELEASE
        | {
            "sight": {"depth": 101, "normalisation": "less-100"},
            "sound": {"depth": 18, "channels": 1, "normalisation": "none"},
            "sound_size": 0,
            "frozen": ("sight",),
            "norms": "live",
            "resample": 16,
        },
        "examples": {
            "frames": 32,
            "looks": True,
            "division": "count",
            "augment": "release",
            "mfcc": 128,
            "mfcc_rows": 1600,
            "mfcc_crop": "first",
        },
        "optim": {"optimizer": "adam", "rules": (("^sight/", 0.0),)},
        "train": FRAMES["train"],
        "loss": THIRDS,
    },
    "tiny": FRAMES
    | {
        "model": TRAINED["model"]
        | {
            "outputs": SAMPLE,
            "segments": 4,
            "sight": SMALL | {"normalisation": "kinetics-0-255"},
            "sound": SMALL | {"channels": 1, "normalisation": "none"},
            "sound_size": 48,
            "norms": "live",  # what starts from random numbers has no statistics worth storing
        },
        "examples": {"frames": 8, "frame_size": 48, "mfcc": 32, "mfcc_rows": 512},
        "optim": {"optimizer": "adam", "learning_rate": 1e-3, "rules": ()},
        "train": {"batch": 8, "steps": 100, "evaluate_every": 0, "workers": 2},
        "data": {"validation": 0.0},
        "checkpoint": {"best": ""},
        "recipe": {"name": "single"},
    },
    "small": {
        "model": {
            "modalities": {"motion": 48, "audio": 16},
            "projection": 32,
            "outputs": SAMPLE,
        },
        "optim": {"optimizer": "adam", "learning_rate": 3e-3, "schedule": "cosine"},
        "examples": {"rows": "mean", "truths": 3},
        "data": {
            "sample_story": "keyframes",
            "sample_size": "large",
            "validation": 0.15,
            "validation_split": "",
        },
        "train": {"steps": 1000, "evaluate_every": 100, "checkpoint_every": 500},
        "recipe": {"name": "single"},
    },
}


def get_config(arg: str = ""):
    """The paper's settings with the variants named in `arg`."""
    return configlib.build(BASE, VARIANTS, arg)
