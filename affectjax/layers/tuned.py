"""Layers from a fixed network's rows to what a model reads: two with ReLU, then one without.

They stand for what a paper adds after the last convolution of a network that stays as it is, groups
of convolution and maximum and a dense layer: where a row is the mean over places, such a group is a
dense layer with ReLU.
"""

from collections.abc import Mapping
from typing import Any

import jax

from affectjax.layers.dense import dense, dense_tree

NAMES = ("first", "second", "last")


def tree(inputs: int, width: int) -> dict[str, Any]:
    """Shapes and initialisers for rows of `inputs` to become rows of `width`."""
    return {name: dense_tree(inputs if i == 0 else width, width) for i, name in enumerate(NAMES)}


def apply(p: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """x [..., inputs] -> [..., width]."""
    for name in NAMES[:-1]:
        x = jax.nn.relu(dense(p[name], x))
    return dense(p[NAMES[-1]], x)


def flops(inputs: int, width: int, rows: float) -> float:
    """FLOPs of the products over so many rows."""
    return 2.0 * rows * width * (inputs + 2 * width)
