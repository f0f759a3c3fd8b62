"""One weight a segment: a score of each segment, mixed over all of them, through a ReLU.

The mixing matrix has a row and a column for each of the T segments, so T is fixed. Its bias starts
at 1, or a stream whose scores all start below zero would never learn.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.parameters import Leaf


def temporal_tree(width: int, segments: int) -> dict[str, Any]:
    """Shapes and initialisers of the score and of the mixing over T segments."""
    mix = dense_tree(segments, segments) | {"bias": Leaf((segments,), initializers.ones)}
    return {"score": dense_tree(width, 1, bias=False), "mix": mix}


def temporal_attention(p: Mapping[str, Any], x: jax.Array, there: jax.Array) -> jax.Array:
    """x [B, T, C], there [B, T] -> float32 [B, T], zero where nothing is: ReLU(W1 W2 x + b)."""
    score = dense(p["score"], x)[..., 0].astype(jnp.float32)
    mixed = dense(p["mix"], jnp.where(there, score, 0.0))
    return jnp.where(there, jax.nn.relu(mixed), 0.0)


def weighted_sum(weights: jax.Array, x: jax.Array) -> jax.Array:
    """weights float32 [B, T], x [B, T, C] -> float32 [B, C]."""
    return jnp.einsum("bt,btc->bc", weights.astype(x.dtype), x, preferred_element_type=jnp.float32)


def normalised(weights: jax.Array, there: jax.Array) -> jax.Array:
    """weights [B, T] -> [B, T] from 0 at the least to 1 at the largest of the segments there.

    The largest is 1 to the bit. Where all are equal nothing stands out, and all are 0.
    """
    top = jnp.where(there, weights, -jnp.inf).max(-1, keepdims=True)
    least = jnp.where(there, weights, jnp.inf).min(-1, keepdims=True)
    span = jnp.where(top > least, top - least, 1.0)
    rise = jnp.where(there & (top > least), weights - jnp.where(there, least, 0.0), 0.0)
    below = jnp.minimum(rise / span, 1 - 2**-24)  # what is nearly the largest may not round to it
    return jnp.where(there & (top > least) & (weights == top), 1.0, below)


def mean_curve(attention: Mapping[str, jax.Array], there: Mapping[str, jax.Array]) -> jax.Array:
    """{m: [B, T]} -> [B, T]: the mean of the normalised attention of the streams that are there."""
    total = sum(normalised(a, there[m]) for m, a in attention.items())
    streams = sum(t.any(-1, keepdims=True).astype(jnp.float32) for t in there.values())
    return total / jnp.maximum(streams, 1.0)
