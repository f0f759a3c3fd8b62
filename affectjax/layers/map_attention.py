"""Which cells and which channels of a feature map count: two softmax attentions and the pooled map.

A softmax over thousands of channels makes every one of them tiny. Weights here have the mean 1 (the
softmax times the number of its entries), unless they are asked for as `printed`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.layers.attention import einsum
from affectjax.layers.dense import dense, dense_tree


def map_tree(cells: int, channels: int, spatial: bool = True, channel: bool = True) -> dict:
    """Each attention scores its entries and mixes the scores by a full matrix; no biases."""
    sizes = {}
    if spatial:
        sizes["spatial"] = (channels, cells)
    if channel:
        sizes["channel"] = (cells, channels)
    return {
        name: {
            "score": dense_tree(seen, 1, bias=False),
            "mix": dense_tree(entries, entries, bias=False),
        }
        for name, (seen, entries) in sizes.items()
    }


def pooled_map(p: Mapping[str, Any], x: jax.Array, printed: bool = False) -> jax.Array:
    """x [R, m, n], m cells of n channels -> [R, n], the mean over the weighted map's cells.

    An attention whose parameters `p` lacks is uniform. The channels' scores are of the map that the
    cells' weights have already shaped.
    """
    cells = x.shape[1]
    if "spatial" in p:
        score = dense(p["spatial"]["score"], x)[..., 0]
        weights = _attention(dense(p["spatial"]["mix"], score), printed)
    else:
        weights = jnp.ones(x.shape[:2], jnp.float32)
    # Both readings of the weighted map in one product; the map itself is never made.
    readings = [jnp.full((cells,), 1.0 / cells)]
    if "channel" in p:
        readings.append(p["channel"]["score"]["kernel"][:, 0])
    lenses = weights[:, None] * jnp.stack(readings)
    seen = einsum("rlm,rmn->rln", lenses.astype(x.dtype), x)
    mean = seen[:, 0]
    if "channel" in p:
        mixed = dense(p["channel"]["mix"], seen[:, 1].astype(x.dtype))
        mean = mean * _attention(mixed, printed)
    return mean.astype(x.dtype)


def _attention(scores: jax.Array, printed: bool) -> jax.Array:
    """scores [R, E] -> float32 weights [R, E] of mean 1, or of sum 1."""
    weights = jax.nn.softmax(scores.astype(jnp.float32))
    return weights if printed else weights * scores.shape[-1]
