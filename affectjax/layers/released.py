"""Parts of the networks as their authors released them, which differ from the printed equations.

Attention scores pass a batch norm of one channel and a tanh before they are mixed. Batch norm uses
the stored statistics, or with `live` the batch's own; then it answers with those to store. Dense
layers start as PyTorch's do, and what was a convolution over one step from Kaiming's normal law.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.attention import attend, einsum
from affectjax.layers.batch_norm import batch_norm, batch_norm_tree, statistics_tree
from affectjax.layers.dense import dense
from affectjax.layers.parameters import Leaf

Tree = Mapping[str, Any]
NON_LOCAL = 256  # inner width of a non-local block
HEADS = 8
KAIMING = initializers.variance_scaling(2.0, "fan_out", "normal")


def torch_tree(inputs: int, outputs: int, bias: bool = True) -> dict[str, Leaf]:
    """A dense layer whose every number is drawn evenly from within 1 / sqrt(inputs) of 0."""
    limit = inputs**-0.5

    def even(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    tree = {"kernel": Leaf((inputs, outputs), even)}
    return tree | {"bias": Leaf((outputs,), even)} if bias else tree


def convolution_tree(inputs: int, outputs: int, bias: bool = True) -> dict[str, Leaf]:
    """A convolution over one step."""
    return torch_tree(inputs, outputs, bias) | {"kernel": Leaf((inputs, outputs), KAIMING)}


def score_tree(width: int, entries: int, opened: bool) -> dict[str, Any]:
    """An attention over `entries`, each seen as a vector of `width`; `opened` ones start at 1."""
    mix = torch_tree(entries, entries, bias=opened)
    if opened:
        mix["bias"] = Leaf((entries,), initializers.ones)
    score = convolution_tree(width, 1, bias=False)
    return {"score": score, "norm": batch_norm_tree(1), "mix": mix}


def score_statistics() -> dict[str, Any]:
    """Stored moments of a normed score."""
    return {"norm": statistics_tree(1)}


def scores(p: Tree, stored: Tree, x: jax.Array, live: bool) -> tuple[jax.Array, Tree]:
    """x [..., E, width] -> float32 [..., E] and the statistics to store."""
    seen, new = batch_norm(p["norm"], stored["norm"], dense(p["score"], x), live)
    return dense(p["mix"], jnp.tanh(seen[..., 0])).astype(jnp.float32), {"norm": new}


def heard_tree(width: int, entries: int) -> dict[str, Any]:
    """An attention over stretches of sound, which starts as PyTorch's layers do throughout."""
    score = {"score": torch_tree(width, 1, bias=False), "mix": torch_tree(entries, entries)}
    return score | {"norm": batch_norm_tree(1)}


def normed_tree(inputs: int, outputs: int, layer: Callable[..., Any] = torch_tree) -> Tree:
    """A dense layer and its batch norm."""
    return {"dense": layer(inputs, outputs), "norm": batch_norm_tree(outputs)}


def normed_statistics(outputs: int) -> dict[str, Any]:
    """Stored moments of a normed product."""
    return {"norm": statistics_tree(outputs)}


def normed(p: Tree, stored: Tree, x: jax.Array, live: bool) -> tuple[jax.Array, Tree]:
    """x [..., in] -> [..., out] and the statistics to store."""
    y, new = batch_norm(p["norm"], stored["norm"], dense(p["dense"], x), live)
    return y, {"norm": new}


def non_local_tree(width: int) -> dict[str, Any]:
    """Shapes and initialisers of a non-local block."""
    inner = {name: torch_tree(width, NON_LOCAL) for name in ("theta", "phi", "g")}
    return inner | {
        "out": normed_tree(NON_LOCAL, width),
        "alpha": Leaf((1,), initializers.zeros),
    }


def non_local(
    p: Tree, stored: Tree, x: jax.Array, there: jax.Array, live: bool
) -> tuple[jax.Array, Tree]:
    """x [B, T, C], there [B, T] -> BN(W S g) + alpha x, zero where nothing is; statistics."""
    q, k, v = (dense(p[name], x) for name in ("theta", "phi", "g"))
    found = attend(q, k, v, there, 1)
    y, new = normed(p["out"], stored["out"], found, live)
    y = y + p["alpha"].astype(x.dtype) * x
    return jnp.where(there[..., None], y, jnp.zeros_like(y)), {"out": new}


def rectified_tree(width: int) -> dict[str, Any]:
    """Shapes and initialisers of attention through ReLUs."""
    return {name: torch_tree(width, width) for name in ("q", "k", "v", "o")}


def rectified_attention(p: Tree, q: jax.Array, kv: jax.Array, there: jax.Array) -> jax.Array:
    """q and kv [B, T, C], there [B, T] of the keys -> [B, T, C]; ReLU after every projection."""
    query, key, value = (jax.nn.relu(dense(p[n], x)) for n, x in (("q", q), ("k", kv), ("v", kv)))
    found = jax.nn.relu(dense(p["o"], attend(query, key, value, there, HEADS)))
    return jnp.where(there.any(-1)[:, None, None], found, jnp.zeros_like(found))


def mean_over(weights: jax.Array, x: jax.Array) -> jax.Array:
    """weights float32 [B, T], x [B, T, C] -> float32 [B, C], divided by T whoever is there."""
    return einsum("bt,btc->bc", weights.astype(x.dtype), x) / x.shape[1]
