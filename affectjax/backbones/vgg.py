"""Stacks of 3 x 3 convolutions with ReLU and halving maxima: three of the networks begin so."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from affectjax.backbones.torch_state import State
from affectjax.layers.convolution import conv2d, conv2d_tree
from affectjax.layers.pooling import max_pool

POOL = "pool"
Plan = Sequence[tuple[str, int] | str]  # (name, width) of a convolution, or POOL
FEW = 4  # channels up to which one product of patches measured quicker on CPUs


def convolve(p: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
    """x [B, H, W, in] -> [B, H, W, out]; odd kernels, padded with zeros to keep the size."""
    size, _, channels, _ = p["kernel"].shape
    few = channels <= FEW and jax.default_backend() == "cpu"
    return conv2d(p, x, padding=size // 2, form="patches" if few else "auto")


def stack_tree(plan: Plan, inputs: int) -> dict[str, Any]:
    """Shapes and initialisers of the convolutions of a plan."""
    tree = {}
    for step in plan:
        if step != POOL:
            name, width = step
            tree[name] = conv2d_tree(3, inputs, width, bias=True)
            inputs = width
    return tree


def stack(p: Mapping[str, Any], x: jax.Array, plan: Plan) -> jax.Array:
    """x [B, H, W, in] -> [B, H', W', width of the last convolution]."""
    for step in plan:
        x = max_pool(x, 2, 2) if step == POOL else jax.nn.relu(convolve(p[step[0]], x))
    return x


def stack_from_torch(state: State, plan: Plan, inputs: int, keys: Sequence[str]) -> dict[str, Any]:
    """The stack's parameters; `keys` are the checkpoint's names of the convolutions, in order."""
    params = {}
    convolutions = [step for step in plan if step != POOL]
    for (name, width), key in zip(convolutions, keys, strict=True):
        params[name] = state.conv2d(key, (3, 3, inputs, width), bias=True)
        inputs = width
    return params


def torch_indices(plan: Plan) -> list[int]:
    """Where the convolutions stand in a torch Sequential of convolution, ReLU and pooling."""
    indices, at = [], 0
    for step in plan:
        if step == POOL:
            at += 1
        else:
            indices.append(at)
            at += 2
    return indices
