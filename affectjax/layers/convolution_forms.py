"""The forms of a convolution: equal numbers, each fast somewhere. Shapes as in `convolution`.

x [B, *space, in], kernel [*window, in, out], one stride and one pair of padding an axis of space.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from math import prod

import jax
import jax.numpy as jnp

from affectjax.layers.dense import product

Pairs = tuple[tuple[int, int], ...]


def native(
    x: jax.Array,
    kernel: jax.Array,
    stride: tuple[int, ...],
    pads: Pairs,
    groups: int = 1,
    dilation: tuple[int, ...] | None = None,
) -> jax.Array:
    """XLA's own convolution, of two or three dimensions."""
    names = ("NHWC", "HWIO", "NHWC") if x.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        stride,
        pads,
        rhs_dilation=dilation,
        dimension_numbers=names,
        feature_group_count=groups,
    )


def patches(x: jax.Array, kernel: jax.Array, stride: tuple[int, ...], pads: Pairs) -> jax.Array:
    """One product of all patches with the whole kernel; a 1 x 1 kernel needs no copies."""
    window = kernel.shape[:-2]
    columns = jnp.concatenate(list(shifted(x, window, stride, pads)), axis=-1)
    y = product(columns.reshape(-1, columns.shape[-1]), kernel.reshape(-1, kernel.shape[-1]))
    return y.reshape(*columns.shape[:-1], -1)


def temporal_taps(
    x: jax.Array, kernel: jax.Array, stride: tuple[int, ...], pads: Pairs
) -> jax.Array:
    """The sum over temporal taps of 2-D convolutions on frames folded into the batch."""
    views = time_views(x, kernel.shape[0], stride[0], pads[0])
    frames = (view.reshape(-1, *view.shape[2:]) for view in views)
    y = sum(native(f, kernel[i], stride[1:], pads[1:]) for i, f in enumerate(frames))
    return y.reshape(*views[0].shape[:2], *y.shape[1:])


def side_by_side(
    x: jax.Array, kernel: jax.Array, stride: tuple[int, ...], pads: Pairs
) -> jax.Array:
    """One 2-D convolution whose input channels are those of all frames under the window."""
    x = jnp.concatenate(time_views(x, kernel.shape[0], stride[0], pads[0]), axis=-1)
    flat = jnp.moveaxis(kernel, 0, 2).reshape(*kernel.shape[1:3], -1, kernel.shape[-1])
    y = native(x.reshape(-1, *x.shape[2:]), flat, stride[1:], pads[1:])
    return y.reshape(*x.shape[:2], *y.shape[1:])


def time_views(x: jax.Array, taps: int, stride: int, pad: tuple[int, int]) -> list[jax.Array]:
    """x [B, T, ...] as every tap of a temporal window sees it."""
    return list(shifted(x, (taps,), (stride,), (pad,)))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_taps(
    x: jax.Array, kernel: jax.Array, stride: tuple[int, ...], pads: Pairs
) -> jax.Array:
    """A sum of shifted pictures, each times its tap. kernel [h, w, 1, D]."""
    taps = kernel.reshape(-1, kernel.shape[-1])
    views = shifted(x, kernel.shape[:2], stride, pads)
    return sum(view * tap for view, tap in zip(views, taps, strict=True))


def _depthwise_forward(x, kernel, stride, pads):
    return depthwise_taps(x, kernel, stride, pads), (x, kernel)


def _depthwise_backward(stride, pads, saved, dy):
    """Of the picture: the gradient, spread by the stride, under the turned kernel."""
    x, kernel = saved
    views = shifted(x, kernel.shape[:2], stride, pads)
    d_kernel = jnp.stack([(view * dy).sum((0, 1, 2)) for view in views]).reshape(kernel.shape)
    spread, back = [(0, 0, 0)], []
    for axis in range(2):
        extent, length, (before, _) = x.shape[axis + 1], kernel.shape[axis], pads[axis]
        reach = (dy.shape[axis + 1] - 1) * stride[axis] + 1
        first = length - 1 - before
        back.append((first, extent + length - 1 - first - reach))
        spread.append((0, 0, stride[axis] - 1))
    dy = jax.lax.pad(dy, jnp.zeros((), dy.dtype), [*spread, (0, 0, 0)])
    return depthwise_taps(dy, kernel[::-1, ::-1], (1, 1), tuple(back)), d_kernel


depthwise_taps.defvjp(_depthwise_forward, _depthwise_backward)


def shifted(
    x: jax.Array, window: Sequence[int], stride: Sequence[int], pads: Pairs
) -> Iterator[jax.Array]:
    """x [B, *space, ...], padded with zeros, as each tap of the window sees it, in row order."""
    rest = [(0, 0, 0)] * (x.ndim - 1 - len(window))
    edges = [(0, 0, 0), *((*pad, 0) for pad in pads), *rest]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), edges) if any(map(any, edges)) else x
    return windows(x, window, stride)


def windows(x: jax.Array, window: Sequence[int], stride: Sequence[int]) -> Iterator[jax.Array]:
    """The strided view of x [B, *space, ...] under every tap of a window that stays inside."""
    sizes = [(x.shape[i + 1] - w) // s + 1 for i, (w, s) in enumerate(zip(window, stride))]
    for tap in range(prod(window)):
        place = [slice(None)]
        for axis in range(len(window)):
            start = tap // prod(window[axis + 1 :]) % window[axis]
            place.append(slice(start, start + (sizes[axis] - 1) * stride[axis] + 1, stride[axis]))
        yield x[tuple(place)]
