"""Normalisation by the moments of every channel: stored ones, or the batch's with stored updated.

Parameters {"scale", "bias"} and statistics {"mean", "var"} are two trees of one shape, the Linen
collections "params" and "batch_stats". Defaults are torch's: its momentum 0.1 says how much of the
new batch enters, and what is stored is the unbiased variance.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.parameters import Leaf

COLLECTION = "batch_stats"
EPSILON = 1e-5
MOMENTUM = 0.1

Tree = Mapping[str, Any]


def batch_norm_tree(width: int) -> dict[str, Leaf]:
    """Shapes and initialisers of scale and bias."""
    return {
        "scale": Leaf((width,), initializers.ones),
        "bias": Leaf((width,), initializers.zeros),
    }


def statistics_tree(width: int) -> dict[str, Leaf]:
    """Shapes and first values of the stored moments."""
    return {
        "mean": Leaf((width,), initializers.zeros),
        "var": Leaf((width,), initializers.ones),
    }


def batch_norm(
    p: Tree,
    statistics: Tree,
    x: jax.Array,
    live: bool = False,
    epsilon: float = EPSILON,
    momentum: float = MOMENTUM,
) -> tuple[jax.Array, Tree]:
    """x [..., D] -> [..., D] and the statistics to keep, new ones if `live` uses the batch's own.

    Moments and the affine map are float32; with stored moments it fuses with what follows.
    """
    if live:
        wide = x.astype(jnp.float32)
        rows = tuple(range(x.ndim - 1))
        mean = wide.mean(rows)
        var = jnp.square(wide - mean).mean(rows)
        statistics = updated(statistics, mean, var, x.size // x.shape[-1], momentum)
    else:
        mean, var = statistics["mean"], statistics["var"]
    scale = p["scale"] * jax.lax.rsqrt(var + epsilon)
    y = x.astype(jnp.float32) * scale + (p["bias"] - mean * scale)
    return y.astype(x.dtype), statistics


def updated(
    statistics: Tree, mean: jax.Array, var: jax.Array, count: int, momentum: float
) -> dict[str, jax.Array]:
    """Running moments after a batch of `count` rows a channel."""
    new = {"mean": mean, "var": var * (count / max(count - 1, 1))}
    new = jax.lax.stop_gradient(new)
    return {k: (1 - momentum) * statistics[k] + momentum * new[k] for k in new}


class Variables(nn.Module):
    """Declares trees {"params", "batch_stats"} under its own path and returns their arrays.

    Called again with `new`, it puts these in as statistics, where the collection may change.
    """

    params: Tree
    batch_stats: Tree

    @nn.compact
    def __call__(self, new: Tree | None = None) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {"params": {}, COLLECTION: {}}
        for name in dict.fromkeys([*self.params, *self.batch_stats]):
            learned, stored = self.params.get(name), self.batch_stats.get(name)
            if isinstance(learned, Mapping) or isinstance(stored, Mapping):
                child = Variables(learned or {}, stored or {}, name=name)
                inner = child(None if new is None else new.get(name, {}))
                for kind, arrays in inner.items():
                    if arrays:
                        found[kind][name] = arrays
            elif stored is None:
                found["params"][name] = self.param(name, learned.init, learned.shape, jnp.float32)
            else:
                start = lambda leaf=stored: leaf.init(None, leaf.shape, jnp.float32)  # noqa: E731
                variable = self.variable(COLLECTION, name, start)
                if new is not None and name in new and self.is_mutable_collection(COLLECTION):
                    variable.value = new[name]
                found[COLLECTION][name] = variable.value
        return found
