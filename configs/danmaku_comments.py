"""Comment classifiers of `danmaku`: which emotions a time-sync comment expresses, yes or no each.

    python -m data_prep.build comment_corpus --comments=LABELLED.csv --out=DIR
    python -m affectjax.main --config=configs/danmaku_comments.py --config.data.dir=DIR

Paper: Predicting the Distribution of Emotions that Videos Evoke from Danmaku (MIRU 2022), section
3.4, Table 2: six binary classifiers, each a Chinese BERT-wwm fine-tuned on 8 of 10 parts of a
corpus of 19,000 labelled comments and 7,329 neutral ones, chosen by accuracy. Accuracy 93.7 (like),
94.4 (joy), 87.0 (surprise), 90.4 (fear), 87.5 (disgust) and 88.3 % (sadness); its AUC nearly equals
its accuracy, so it was probably that of hard decisions, which is the balanced accuracy. Ours gives
accuracy, balanced accuracy and the AUC of the scores. The corpus was never published.
Every other comment, neutral or of another emotion, is a negative. `bert` weighs both sides alike in
the loss, which is 1 : 1 without leaving negatives out; the base learns from comments as they come
and says how probable an emotion is where half of the comments have it (model.balance=scores), which
ranks better. What the paper does not state: Adam, 2e-5 with a
warm-up and cosine for BERT, 3 epochs, batch 32, 64 word pieces.

The base is a small encoder from scratch, hashed character n-grams, which takes any language without
a tokeniser and a laptop for a minute or two; one encoder has a head for each emotion, since six of
them would learn the same n-grams six times. Its step is chosen by the AUC, which goes on rising
when the accuracy at one half has peaked; networks of one emotion by the balanced accuracy, which is
the paper's accuracy on as many positives as negatives. On 9,000 short Chinese posts the AUC is
0.886 over the six, beside 0.884 of logistic regression on TF-IDF, at a balanced accuracy of 0.749
beside 0.805 (`python -m tests.studies.comments`).

Variants, joined by commas after a colon (configs/danmaku_comments.py:bert):
    bert       the paper's: six separate networks (recipe `each`), each chosen by its own balanced
               accuracy;
               starts from what `python -m affectjax.start_bert` writes of the converted weights,
               --config.train.init_from=DIR. Made for an accelerator.
    each       six separate networks of the small encoder
    small      the built-in sample's invented comments; what runs where no data is given
Other emotions: --config.model.outputs and --config.examples.values, as the corpus has them.
"""

from affectjax import configlib

EMOTIONS = ("like", "joy", "surprise", "fear", "disgust", "sadness")
SAMPLE = ("joy", "surprise", "tenderness", "fear", "sadness", "anger")

BASE = {
    "model": {"name": "danmaku_comments", "outputs": EMOTIONS},
    "examples": {"name": "comment_ngrams", "values": EMOTIONS},
    "optim": {
        "learning_rate": 1.0,  # over an eps far above the gradients: in effect plain descent, for
        "eps": 1e-2,  # Adam would move rare n-grams as far as common ones, and learn them by heart
        "schedule": "cosine",
        "warmup": 0,
        "weight_decay": 5e-5,
    },
    "train": {"batch": 256, "epochs": 10.0, "evaluate_every": 40, "checkpoint_every": 100_000},
    "data": {"validation_split": "validation", "sample_story": "comments"},
    "checkpoint": {"best": "auc"},
    "recipe": {"name": "single"},
}

EACH = {"checkpoint": {"best": "balanced_accuracy"}, "recipe": {"name": "each"}}

VARIANTS = {
    "bert": {
        "model": {"encoder": "bert", "dropout": 0.1, "balance": "loss"},
        "examples": {"name": "comment_pieces"},
        "optim": {"learning_rate": 2e-5, "warmup": 200, "weight_decay": 0.0, "eps": 1e-8},
        "train": {
            "batch": 32,
            "epochs": 3.0,
            "evaluate_every": 200,
            "init_new": ("^head/", "^statistics/"),
        },
        "words": {"cap": 21_128},  # those that it starts from; a plan counts with so many
        **EACH,
    },
    "each": EACH,
    "small": {
        "model": {"outputs": SAMPLE, "buckets": 8192},
        "examples": {"values": SAMPLE, "slots": 256},
        "train": {"batch": 64, "steps": 200, "evaluate_every": 50},
    },
}


def get_config(arg: str = ""):
    """The small encoder's settings with the variants named in `arg`."""
    return configlib.build(BASE, VARIANTS, arg)
