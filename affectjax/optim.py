"""Builds the optimiser and its learning-rate schedule from the config's plain values."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from affectjax import directions
from affectjax.errors import UserError
from affectjax.sharding import named_leaves, path_name

SCHEDULES = ("step", "constant", "cosine")


def build(
    params: Any,
    total_steps: int,
    steps_per_epoch: float,
    *,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    schedule: str = "step",
    decay: float = 0.1,
    decay_every: float = 50.0,
    warmup: int = 1000,
    weight_decay: float = 0.005,
    decoupled: bool = False,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    momentum: float = 0.9,
    clip: float = 0.0,
    rules: Sequence[tuple[str, float]] = (),
) -> tuple[optax.GradientTransformationExtraArgs, Callable[[Any], jax.Array]]:
    """(optimiser, learning rate by step) for parameters, or their shapes.

    schedule: "step" multiplies by `decay` every `decay_every` epochs, "cosine" falls to 0 at
    `total_steps`; each rises linearly over the first `warmup` steps. weight_decay: on every
    trained parameter, added to the gradient (L2), or `decoupled` from it (AdamW). clip: global
    norm of the trained parameters' gradients; 0 = off. momentum belongs to "sgd", b1, b2 and eps
    to "adam". rules: (regular expression on the path, learning-rate multiplier), first match
    wins; 0 freezes: no moments, an update of exactly zero. The optimiser's `update` takes `ok`;
    where that is False its state stays as it was.
    """
    scales = multipliers(params, rules)
    every = max(1, round(decay_every * steps_per_epoch)) if decay_every else 0
    rate = learning_rates(learning_rate, schedule, decay, every, warmup, total_steps)
    if optimizer == "adam":
        direction = directions.adam(b1, b2, eps)
    elif optimizer == "sgd":
        direction = directions.momentum(momentum) if momentum else optax.identity()
    else:
        raise UserError(f"Unknown optimizer {optimizer!r}", "optim.optimizer", "Use adam or sgd.")
    parts = [direction]
    if weight_decay:
        parts.insert(1 if decoupled else 0, optax.add_decayed_weights(weight_decay))
    if clip:  # before the decay joins in: it bounds what the data say
        parts.insert(0, optax.clip_by_global_norm(clip))
    trained = optax.chain(*parts)
    if not all(jax.tree.leaves(scales)):
        trained = optax.masked(trained, jax.tree.map(bool, scales))
    scheduled = directions.guarded(optax.scale_by_learning_rate(rate))
    return optax.chain(trained, _scale_by_path(scales), scheduled), rate


def learning_rates(
    learning_rate: float, schedule: str, decay: float, decay_steps: int, warmup: int, total: int
) -> Callable[[Any], jax.Array]:
    """step (from 0) -> learning rate of the update that leads to step + 1."""
    if schedule not in SCHEDULES:
        raise UserError(
            f"Unknown schedule {schedule!r}", "optim.schedule", f"Use one of {SCHEDULES}."
        )
    if schedule == "step" and decay_steps < 1:
        raise UserError("The learning rate decays every 0 steps", "optim.decay_every")

    def rate(step: Any) -> jax.Array:
        step = jnp.asarray(step, jnp.int32)
        value = jnp.float32(learning_rate)
        if schedule == "step":
            value *= jnp.float32(decay) ** (step // decay_steps).astype(jnp.float32)
        elif schedule == "cosine":
            done = (step - warmup) / max(total - warmup, 1)
            value *= 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(done, 0.0, 1.0)))
        if warmup:
            value *= jnp.minimum(1.0, (step + 1) / warmup)
        return value

    return rate


def multipliers(params: Any, rules: Sequence[tuple[str, float]]) -> Any:
    """params' tree with each leaf's learning-rate multiplier; every rule must decide something."""
    used = [False] * len(rules)
    for pattern, scale in rules:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"{pattern!r} is no regular expression: {error}", "optim.rules"
            ) from None
        if not scale >= 0:
            raise UserError(f"The multiplier of {pattern!r} is {scale}", "optim.rules", "Use >= 0.")

    def scale_of(path: Any, _: Any) -> float:
        for number, (pattern, scale) in enumerate(rules):
            if re.search(pattern, path_name(path)):
                used[number] = True
                return float(scale)
        return 1.0

    scales = jax.tree_util.tree_map_with_path(scale_of, params)
    for (pattern, _), hit in zip(rules, used):
        if not hit:
            known = list(named_leaves(params))
            raise UserError(
                f"The rule {pattern!r} decides over no parameter",
                "optim.rules",
                f"Parameters are named like {known[0]} and {known[-1]}; the first match wins.",
            )
    return scales


def _scale_by_path(scales: Any) -> optax.GradientTransformation:
    def scaled(update: jax.Array, scale: float) -> jax.Array:
        # Not 0 * update: what is frozen stays frozen when its gradient is not finite.
        return jnp.zeros_like(update) if scale == 0 else update if scale == 1 else scale * update

    return optax.stateless(lambda updates, _: jax.tree.map(scaled, updates, scales))
