"""What numbers a config may hold: checked before a run touches anything."""

import math

from affectjax.configlib import flatten
from affectjax.errors import UserError

# Key -> (least, most); a fraction below one is (0, BELOW_ONE). None: no limit.
BELOW_ONE = math.nextafter(1.0, 0.0)
LARGE = 2**31 - 1
BOUNDS = {
    "train.batch": (1, 2**20),
    "train.micro_batches": (1, 2**20),
    "train.epochs": (0, None),
    "train.steps": (0, LARGE),
    "train.seed": (0, LARGE),
    "train.ema": (0, BELOW_ONE),
    "train.log_every": (1, LARGE),
    "train.evaluate_every": (0, LARGE),
    "train.checkpoint_every": (1, LARGE),
    "train.patience": (0, LARGE),
    "train.bad_limit": (0, LARGE),
    "train.workers": (0, 256),
    "train.stuck_after": (0, LARGE),
    "checkpoint.keep": (1, LARGE),
    "checkpoint.timeout": (1, LARGE),
    "data.validation": (0, BELOW_ONE),
    "data.validation_seed": (0, LARGE),
    "data.apart": (0.0, 1.0),
    "data.per_class": (0, LARGE),
    "data.per_class_seed": (0, LARGE),
    "data.permute_seed": (0, LARGE),
    "data.sample_seed": (0, LARGE),
    "model.width": (1, 2**20),
    "model.heads": (1, 2**10),
    "model.decoder_heads": (1, 2**10),
    "model.layers": (0, 2**10),
    "model.decoder_layers": (1, 2**10),
    "model.ffn": (1, 2**20),
    "model.segments": (1, 2**20),
    "model.max_words": (1, 2**10),
    "model.dropout": (0, BELOW_ONE),
    "model.smoothing": (0, BELOW_ONE),
    "model.clips": (1, 2**10),
    "model.inter_hidden": (1, 2**20),
    "model.inter_layers": (1, 2**10),
    "model.beta": (0, BELOW_ONE),
    "examples.least": (0, 1),
    "examples.segment_seconds": (1e-3, 3600),
    "examples.comment_lag": (-3600, 3600),
    "examples.max_words": (1, 2**10),
    "words.min_count": (1, LARGE),
    "words.cap": (1, LARGE),
    "recipe.times": (1, LARGE),
    "recipe.first": (0, LARGE),
    "recipe.finetune": (0, None),
    "optim.learning_rate": (0, None),
    "optim.decay": (0, None),
    "optim.warmup": (0, LARGE),
    "optim.weight_decay": (0, None),
    "optim.b1": (0, BELOW_ONE),
    "optim.b2": (0, BELOW_ONE),
    "optim.eps": (0, None),
    "optim.momentum": (0, BELOW_ONE),
    "optim.clip": (0, None),
}


def check(config) -> None:
    """A number out of its bounds, or not finite, is an error that names its key."""
    flat = flatten(config)
    for key, value in flat.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        least, most = BOUNDS.get(key, (0, None) if key.startswith("loss.") else (None, None))
        # an infinite learning rate or count of epochs is as wrong as one that is no number
        if not math.isfinite(value):
            raise UserError(f"{key} is {value}", mend="Give a finite number.")
        if (least is not None and value < least) or (most is not None and value > most):
            span = f"at least {least}" if most is None else f"from {least} to {most}"
            raise UserError(
                f"{key} is {value}", mend=f"It goes {span}." if most else f"Use {span}."
            )
    losses = [value for key, value in flat.items() if key.startswith("loss.")]
    if losses and not any(losses):
        raise UserError("every task of `loss` has weight 0", mend="Give one of them a weight.")
    if not flat["train.steps"] and not flat["train.epochs"]:
        raise UserError("train.steps and train.epochs are both 0", mend="Say how long to train.")
    for rule in flat.get("optim.rules", ()):
        pair = isinstance(rule, list) and len(rule) == 2
        if not (pair and isinstance(rule[0], str) and isinstance(rule[1], (int, float))):
            raise UserError(
                f"optim.rules holds {rule!r}", mend="Give pairs: (('pattern', multiplier), ...)."
            )
