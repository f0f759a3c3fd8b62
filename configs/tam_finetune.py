"""Recognition with `tam`: fine-tuning after pre-training on comments, and training from scratch.

    python -m affectjax.main --config=configs/tam_finetune.py:ve8 --config.data.dir=DIR
    python -m affectjax.main --config=configs/tam_finetune.py:ve8,scratch --config.data.dir=DIR

Paper: Representation Learning through Multimodal Attention and Time-Sync Comments for Affective
Video Content Analysis (ACM MM 2022), sections 5.2 and 5.3, Tables 1 to 6. Fine-tuning: Adam, 1e-5
for projections and fusion, 1e-4 for the fresh head, 50 epochs. From scratch: 1e-4, weight decay
0.005, 100 epochs. Batch 8 and 64 segments; on MediaEval batch 16, 16 segments and 20 epochs either
way, for the paper gives 20 there and 50 for fine-tuning without saying which holds for both. 15 %
of the training set choose the epoch: by accuracy, on MediaEval 2016 by correlation.
The paper's accuracy: VideoEmotion-8 57.53 % after pre-training and 56.04 % from scratch, Ekman-6
61.00 % and 60.64 %. None of its datasets is freely redistributable; ours stands in the report of
whoever has them. Hardware: made for accelerators; `small` takes a minute on a laptop.

Fine-tuning starts from `.runs/tam_pretrain/export`, where configs/tam_pretrain.py leaves it;
--config.train.init_from=DIR names another.

Variants, joined by commas after a colon, in any order (configs/tam_finetune.py:ve8,joint):
    ve8, ek6                         VideoEmotion-8 on its ten splits, Ekman-6 with five seeds
    me15_valence, me15_arousal       MediaEval 2015, three classes each
    me16_valence, me16_arousal       MediaEval 2016, regression
    small                            the sample's labelled clips; what runs where no data is given
    scratch                          no pre-training; Table 4's first row, "w/o TSC" in 5 and 6
    random10, random20, random30     after the pre-training that configs/tam_pretrain.py calls so,
    word_only, time_only             from .runs/tam_pretrain-<variant>/export (Tables 3 and 4)
    word1_time2, word2_time1
All that follow train from scratch, as the paper's Tables 1, 2 and 5 do:
    image, motion, audio             one modality (Table 1)
    image_motion, image_audio, motion_audio
    simple, divide, joint            other fusions (Table 2), with eight heads
    inner, cross                     one of the two attentions alone (Table 2)
    gmu, tensor, mult                fusions that the paper does not have, with eight heads
    heads8                           the paper's module with eight heads, as the others have them
    dagger                           action, scene and object features, TAM† of Table 5
"""

from affectjax import configlib

GONE = configlib.REMOVED
SCRATCH = {
    "optim": {"rules": ()},
    "train": {"init_from": GONE, "init_new": (), "init_drop": (), "epochs": 100.0},
}
VE8 = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
EK6 = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
SAMPLE = ("joy", "surprise", "tenderness", "fear", "sadness", "anger")

BASE = {
    "model": {
        "name": "tam_emotion",
        "modalities": {"image": 512, "motion": 2048, "audio": 128},
        "outputs": VE8,
    },
    "examples": {"name": "clips"},
    "loss": {"target": 1.0},
    "optim": {
        "learning_rate": 1e-4,
        "rules": (("^(project|fusion)/", 0.1),),
        "schedule": "constant",
        "warmup": 0,
        "weight_decay": 0.005,
    },
    "train": {
        "batch": 8,
        "epochs": 50.0,
        "evaluate_every": 80,  # about an epoch
        "init_from": ".runs/tam_pretrain/export",
        "init_new": ("^head/",),
        "init_drop": ("^decoder/",),
    },
    "data": {"validation": 0.15},
    "checkpoint": {"best": "accuracy"},
    "recipe": {"name": "single"},
}


def scratch(**model) -> dict:
    """A variant that changes the model and trains from scratch."""
    return SCRATCH | {"model": model}


def after(variant: str) -> dict:
    """A variant that starts from another pre-training."""
    return {"train": {"init_from": f".runs/tam_pretrain-{variant}/export"}}


def mediaeval(outputs: tuple, evaluate_every: int, **sections) -> dict:
    """MediaEval's own sizes; its films are the groups that validation keeps whole."""
    return {
        "model": {"outputs": outputs, "segments": 16, **sections.pop("model", {})},
        "train": {"batch": 16, "epochs": 20.0, "evaluate_every": evaluate_every},
        "recipe": {"name": "repeat"},
        **sections,
    }


def regression(name: str) -> dict:
    """MediaEval 2016."""
    return mediaeval(
        (name,),
        520,
        model={"task": "values"},
        examples={"values": ("valence", "arousal")},
        checkpoint={"best": "pcc"},
    )


# What stands later is laid over what stands earlier, whatever the order on the command line.
VARIANTS = {
    "scratch": SCRATCH,
    "image": scratch(modalities={"motion": GONE, "audio": GONE}),
    "motion": scratch(modalities={"image": GONE, "audio": GONE}),
    "audio": scratch(modalities={"image": GONE, "motion": GONE}),
    "image_motion": scratch(modalities={"audio": GONE}),
    "image_audio": scratch(modalities={"motion": GONE}),
    "motion_audio": scratch(modalities={"image": GONE}),
    "simple": scratch(fusion="simple", heads=8),
    "divide": scratch(fusion="divide", heads=8),
    "joint": scratch(fusion="joint", heads=8),
    "inner": scratch(fusion="inner"),
    "cross": scratch(fusion="cross"),
    "gmu": scratch(fusion="gmu", heads=8),
    "tensor": scratch(fusion="tensor", heads=8),
    "mult": scratch(fusion="mult", heads=8),
    "heads8": scratch(heads=8),
    "dagger": scratch(
        modalities={
            **dict.fromkeys(("image", "motion", "audio"), GONE),
            "action": 2048,
            "scene": 512,
            "object": 2048,
        }
    ),
    "random10": after("random10"),
    "random20": after("random20"),
    "random30": after("random30"),
    "word_only": after("word_only"),
    "time_only": after("time_only"),
    "word1_time2": after("word1_time2"),
    "word2_time1": after("word2_time1"),
    "ve8": {"model": {"outputs": VE8}, "recipe": {"name": "splits"}},
    "ek6": {
        "model": {"outputs": EK6},
        "train": {"evaluate_every": 88},
        "recipe": {"name": "repeat"},
    },
    "me15_valence": mediaeval(("negative", "neutral", "positive"), 326),
    "me15_arousal": mediaeval(("calm", "neutral", "active"), 326),
    "me16_valence": regression("valence"),
    "me16_arousal": regression("arousal"),
    "small": {
        "model": {
            "modalities": {"image": 32, "motion": 48, "audio": 16},
            "outputs": SAMPLE,
            "task": "classes",
            "segments": 64,
            "width": 64,
            "layers": 2,
            "ffn": 128,
        },
        "optim": {"learning_rate": 1e-3, "schedule": "cosine", "weight_decay": 0.0},
        "data": {"sample_size": "study", "train": "labelled"},
        "train": {"batch": 16, "steps": 600, "evaluate_every": 60, "checkpoint_every": 300},
        "examples": {"values": ()},
        "checkpoint": {"best": "accuracy"},
        "recipe": {"name": "single"},
    },
}


def get_config(arg: str = ""):
    """The paper's settings with the variants named in `arg`."""
    given = [name for name in (arg or "").split(",") if name]
    ordered = [name for name in VARIANTS if name in given]
    unknown = [name for name in given if name not in VARIANTS]
    config = configlib.build(BASE, VARIANTS, ",".join(ordered + unknown))
    if config.model.task == "values" and config.train.init_from:
        config.train.init_new += ("standardise_target/",)  # of the values, not of comments
    return config
