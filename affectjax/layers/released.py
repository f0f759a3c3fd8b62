"""Parts of the networks as their authors released them, which differ from the printed equations.

Attention scores pass a batch norm of one channel and a tanh before they are mixed. Batch norm uses
the stored statistics, or with `live` the batch's own; then it answers with those to store.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.attention import attend, einsum
from affectjax.layers.batch_norm import batch_norm, batch_norm_tree, statistics_tree
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.parameters import Leaf

Tree = Mapping[str, Any]
NON_LOCAL = 256  # inner width of a non-local block
HEADS = 8
KAIMING = initializers.variance_scaling(2.0, "fan_out", "normal")


def score_tree(width: int, entries: int, bias: bool) -> dict[str, Any]:
    """An attention over `entries`, each seen as a vector of `width`."""
    score = {"kernel": Leaf((width, 1), KAIMING)}
    mix = dense_tree(entries, entries, bias)
    if bias:
        mix["bias"] = Leaf((entries,), initializers.ones)
    return {"score": score, "norm": batch_norm_tree(1), "mix": mix}


def score_statistics() -> dict[str, Any]:
    """Stored moments of a normed score."""
    return {"norm": statistics_tree(1)}


def scores(p: Tree, stored: Tree, x: jax.Array, live: bool) -> tuple[jax.Array, Tree]:
    """x [..., E, width] -> float32 [..., E] and the statistics to store."""
    seen, new = batch_norm(p["norm"], stored["norm"], dense(p["score"], x), live)
    return dense(p["mix"], jnp.tanh(seen[..., 0])).astype(jnp.float32), {"norm": new}


def normed_tree(inputs: int, outputs: int) -> dict[str, Any]:
    """A dense layer and its batch norm."""
    return {"dense": dense_tree(inputs, outputs), "norm": batch_norm_tree(outputs)}


def normed_statistics(outputs: int) -> dict[str, Any]:
    """Stored moments of a normed product."""
    return {"norm": statistics_tree(outputs)}


def normed(p: Tree, stored: Tree, x: jax.Array, live: bool) -> tuple[jax.Array, Tree]:
    """x [..., in] -> [..., out] and the statistics to store."""
    y, new = batch_norm(p["norm"], stored["norm"], dense(p["dense"], x), live)
    return y, {"norm": new}


def non_local_tree(width: int) -> dict[str, Any]:
    """Shapes and initialisers of a non-local block."""
    inner = {name: dense_tree(width, NON_LOCAL) for name in ("theta", "phi", "g")}
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
    return {name: dense_tree(width, width) for name in ("q", "k", "v", "o")}


def rectified_attention(p: Tree, q: jax.Array, kv: jax.Array, there: jax.Array) -> jax.Array:
    """q and kv [B, T, C], there [B, T] of the keys -> [B, T, C]; ReLU after every projection."""
    query, key, value = (jax.nn.relu(dense(p[n], x)) for n, x in (("q", q), ("k", kv), ("v", kv)))
    found = jax.nn.relu(dense(p["o"], attend(query, key, value, there, HEADS)))
    return jnp.where(there.any(-1)[:, None, None], found, jnp.zeros_like(found))


def mean_over(weights: jax.Array, x: jax.Array) -> jax.Array:
    """weights float32 [B, T], x [B, T, C] -> float32 [B, C], divided by T whoever is there."""
    return einsum("bt,btc->bc", weights.astype(x.dtype), x) / x.shape[1]
