"""Parameters as plain nested dicts: a tree of shapes and initialisers becomes a tree of arrays.

The layers are pure functions of such dicts; `Parameters` is the one Linen module that makes them,
so that path names in a checkpoint are exactly the keys written in a layer's tree.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp


class Leaf(NamedTuple):
    """One array: its shape and `init(key, shape, dtype)`."""

    shape: tuple[int, ...]
    init: Callable[..., jax.Array]


class Parameters(nn.Module):
    """Declares every leaf of `tree` under its own path and returns the dict of arrays."""

    tree: Mapping[str, Any]

    @nn.compact
    def __call__(self) -> dict[str, Any]:
        return {
            name: Parameters(leaf, name=name)()
            if isinstance(leaf, Mapping)
            else self.param(name, leaf.init, leaf.shape, jnp.float32)
            for name, leaf in self.tree.items()
        }


def initialise(tree: Mapping[str, Any], key: jax.Array) -> dict[str, Any]:
    """The arrays of a tree without a module around them."""
    return Parameters(tree).init(key)["params"]
