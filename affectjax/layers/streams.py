"""A batch's features as streams of T segments, and which segments of which stream are there.

What stands in absent segments, even NaN, reaches nothing: it is zero from here on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.errors import UserError

Streams = dict[str, jax.Array]  # one array a modality


def streams(
    batch: Mapping[str, jax.Array],
    names: Sequence[str],
    segments: int,
    to_unit: Mapping[str, Callable[[jax.Array], jax.Array]],
    dtype: Any,
) -> tuple[Streams, Streams]:
    """{m: [B, T, D_m]} and {m: bool [B, T]}; `to_unit` is empty where nothing is standardised."""
    features, there = {}, {}
    for m in names:
        x, present = batch[f"features/{m}"], batch[f"present/{m}"]
        if x.shape[1] != segments:
            raise UserError(
                f"{x.shape[1]} segments in a batch, {segments} in the model",
                f"features/{m}",
                "Give both the same number.",
            )
        x = jnp.where(present[..., None], x, jnp.zeros_like(x))
        if to_unit:
            x = jnp.where(present[..., None], to_unit[m](x), 0.0)
        features[m], there[m] = x.astype(dtype), present
    return features, there
