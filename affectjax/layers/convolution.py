"""Convolutions over channels-last pictures and snippets, in the form that the backend runs best.

Kernels are [H, W, in, out] and [T, H, W, in, out]. Accelerators get the native convolution. XLA's
own 3-D and depthwise convolutions are slow on CPUs, where plain products, 2-D convolutions and
shifted sums give the same numbers several times faster; the tests hold all forms equal.
"""

from collections.abc import Mapping, Sequence
from math import prod

import jax
from flax.linen import initializers

from affectjax.layers.convolution_forms import (
    Pairs,
    depthwise_taps,
    native,
    patches,
    side_by_side,
    temporal_taps,
)
from affectjax.layers.parameters import Leaf

Size = int | Sequence[int]
Padding = int | str | Sequence[int] | Sequence[tuple[int, int]]

KAIMING = initializers.variance_scaling(2.0, "fan_out", "normal")  # of the residual networks

# Measured on CPUs. With fewer positions than this, gathering all patches for one product wins; with
# fewer input channels, one 2-D convolution over the neighbouring frames' channels does.
FEW_POSITIONS = 512
FEW_CHANNELS = 16


def conv2d_tree(
    window: Size, inputs: int, outputs: int, bias: bool = False, groups: int = 1
) -> dict[str, Leaf]:
    """Shapes and initialisers of a convolution over [H, W]."""
    return _tree((*each(window, 2), inputs // groups, outputs), bias)


def conv3d_tree(window: Size, inputs: int, outputs: int, bias: bool = False) -> dict[str, Leaf]:
    """Shapes and initialisers of a convolution over [F, H, W]."""
    return _tree((*each(window, 3), inputs, outputs), bias)


def depthwise2d_tree(window: Size, channels: int, bias: bool = False) -> dict[str, Leaf]:
    """Shapes and initialisers of a convolution of each channel by itself."""
    return _tree((*each(window, 2), 1, channels), bias)


def conv2d(
    p: Mapping[str, jax.Array],
    x: jax.Array,
    stride: Size = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Size = 1,
    form: str = "auto",
) -> jax.Array:
    """x [B, H, W, in] -> [B, H, W, out]; padding a number, numbers or pairs an axis, or "SAME".

    Forms: "native", "patches" (one product), "taps" (depthwise alone); "auto" chooses by backend.
    """
    kernel = p["kernel"].astype(x.dtype)
    stride, dilation = each(stride, 2), each(dilation, 2)
    pads = pairs(x, kernel, stride, padding, dilation)
    if form == "auto":
        form = _form_2d(x, kernel, stride, pads, groups, dilation)
    if form == "native" or max(dilation) > 1:
        y = native(x, kernel, stride, pads, groups, dilation)
    else:
        run = {"patches": patches, "taps": depthwise_taps}[form]
        y = run(x, kernel, stride, pads)
    return y + p["bias"].astype(x.dtype) if "bias" in p else y


def depthwise2d(
    p: Mapping[str, jax.Array],
    x: jax.Array,
    stride: Size = 1,
    padding: Padding = 0,
    form: str = "auto",
) -> jax.Array:
    """x [B, H, W, D], kernel [h, w, 1, D] -> [B, H, W, D], every channel on its own."""
    return conv2d(p, x, stride, padding, x.shape[-1], form=form)


def conv3d(
    p: Mapping[str, jax.Array],
    x: jax.Array,
    stride: Size = 1,
    padding: Padding = 0,
    form: str = "auto",
) -> jax.Array:
    """x [B, T, H, W, in] -> [B, T, H, W, out].

    Forms: "native", "patches" (one product), "taps" (a 2-D convolution a temporal tap, summed),
    "channels" (one 2-D convolution of neighbouring frames side by side).
    """
    kernel = p["kernel"].astype(x.dtype)
    stride = each(stride, 3)
    pads = pairs(x, kernel, stride, padding)
    if form == "auto":
        form = _form_3d(x, kernel, stride, pads)
    forms = {"native": native, "patches": patches, "taps": temporal_taps, "channels": side_by_side}
    y = forms[form](x, kernel, stride, pads)
    return y + p["bias"].astype(x.dtype) if "bias" in p else y


def each(size: Size, axes: int) -> tuple[int, ...]:
    """A size for each axis."""
    return (size,) * axes if isinstance(size, int) else tuple(size)


def pairs(
    x: jax.Array,
    kernel: jax.Array,
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...] | None = None,
) -> Pairs:
    """(before, after) of every axis of space."""
    axes = len(stride)
    if isinstance(padding, str):
        dilation = dilation or (1,) * axes
        window = [(w - 1) * d + 1 for w, d in zip(kernel.shape, dilation)]
        return tuple(jax.lax.padtype_to_pads(x.shape[1 : 1 + axes], window, stride, padding))
    sides = (padding,) * axes if isinstance(padding, int) else padding
    return tuple((side, side) if isinstance(side, int) else tuple(side) for side in sides)


def _tree(shape: tuple[int, ...], bias: bool) -> dict[str, Leaf]:
    tree = {"kernel": Leaf(shape, KAIMING)}
    return tree | {"bias": Leaf(shape[-1:], initializers.zeros)} if bias else tree


def positions(x: jax.Array, kernel: jax.Array, stride: tuple[int, ...], pads: Pairs) -> int:
    """How many places the window takes over the whole batch."""
    sizes = zip(x.shape[1:], kernel.shape, stride, pads)
    return x.shape[0] * prod((n + sum(pad) - w) // s + 1 for n, w, s, pad in sizes)


def _small(x, kernel, stride, pads) -> bool:
    """Whether one product of patches is the fast way on a CPU."""
    if prod(kernel.shape[:-2]) == 1:
        return True
    return positions(x, kernel, stride, pads) <= FEW_POSITIONS and x.shape[-1] >= FEW_CHANNELS


def _form_2d(x, kernel, stride, pads, groups, dilation) -> str:
    if jax.default_backend() != "cpu" or max(dilation) > 1:
        return "native"
    if groups == 1:
        return "patches" if _small(x, kernel, stride, pads) else "native"
    return "taps" if kernel.shape[2] == 1 and kernel.shape[3] == groups else "native"


def _form_3d(x, kernel, stride, pads) -> str:
    if jax.default_backend() != "cpu":
        return "native"
    if _small(x, kernel, stride, pads):
        return "patches"
    return "channels" if x.shape[-1] <= FEW_CHANNELS else "taps"
