"""Pooling over channels-last pictures and snippets, with torch's padding and its ceil mode."""

from functools import reduce

import jax
import jax.numpy as jnp

from affectjax.layers.convolution import Size, each
from affectjax.layers.convolution_forms import windows


def max_pool(
    x: jax.Array, window: Size, stride: Size, padding: Size = 0, ceil: bool = False
) -> jax.Array:
    """x [B, *space, D] -> [B, *space', D]. What is padded never wins.

    With `ceil`, a last window may reach over the far edge, but has to start before it. One axis at
    a time: few shifted views instead of a window's whole volume.
    """
    axes = x.ndim - 2
    parts = zip(each(window, axes), each(stride, axes), each(padding, axes))
    for axis, (width, step, pad) in enumerate(parts, start=1):
        count = pooled_size(x.shape[axis], width, step, pad, ceil)
        after = (count - 1) * step + width - x.shape[axis] - pad
        edges = [(0, 0, 0)] * x.ndim
        edges[axis] = (pad, max(after, 0), 0)
        lowest = jnp.array(-jnp.inf, x.dtype)
        x = jax.lax.pad(x, lowest, edges)
        along = [(width, step) if a == axis else (1, 1) for a in range(1, axes + 1)]
        x = reduce(jnp.maximum, windows(x, *zip(*along)))
    return x


def pooled_size(size: int, window: int, stride: int, padding: int, ceil: bool) -> int:
    """How many windows fit along an axis, as torch counts them."""
    reach = size + 2 * padding - window
    count = -(-reach // stride) + 1 if ceil else reach // stride + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def average(x: jax.Array) -> jax.Array:
    """x [B, *space, D] -> [B, D]."""
    return x.mean(tuple(range(1, x.ndim - 1)))
