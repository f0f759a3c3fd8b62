"""From a batch to what a stack reads: features in units of their deviation, projected to one width.

What stands in absent segments, even NaN, reaches no product.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.errors import UserError
from affectjax.layers.dense import dense, dense_tree

Streams = dict[str, jax.Array]  # one array a modality


def projection_tree(modalities: Mapping[str, int], width: int) -> dict[str, Any]:
    """A product from every modality's own width to the common one."""
    return {m: dense_tree(w, width) for m, w in sorted(modalities.items())}


def embed(
    p: Mapping[str, Any],
    batch: Mapping[str, jax.Array],
    names: Sequence[str],
    segments: int,
    to_unit: Mapping[str, Callable[[jax.Array], jax.Array]],
    dtype: Any,
) -> tuple[Streams, Streams]:
    """{m: [B, T, D]} and {m: [B, T] is it there}; `to_unit` is empty where nothing is standardised.

    `segments` is the number of positions that the stack knows.
    """
    features, present = {}, {}
    for m in names:
        x, there = batch[f"features/{m}"], batch[f"present/{m}"]
        if x.shape[1] > segments:
            raise UserError(
                f"{x.shape[1]} segments in a batch, {segments} positions in the model",
                f"features/{m}",
                "Raise segments in the model or lower it in the data.",
            )
        x = jnp.where(there[..., None], x, jnp.zeros_like(x))
        if to_unit:
            x = jnp.where(there[..., None], to_unit[m](x), 0.0)
        features[m], present[m] = dense(p[m], x.astype(dtype)), there
    return features, present
