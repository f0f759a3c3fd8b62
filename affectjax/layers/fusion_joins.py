"""How one vector a modality becomes one vector a clip: side by side, gated, or as a tensor product.

concat   the vectors end to end
gmu      gated multimodal units: a gate a modality, which sees all of them, over its own tanh
tensor   the outer product of all vectors, each made small and given a constant 1
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.layers.dense import dense, dense_tree


def tensor_rank(width: int) -> int:
    """The small width of a modality in the tensor product: 32 at the width of 768."""
    return max(4, width // 24)


def join_tree(kind: str, names: tuple[str, ...], width: int) -> dict[str, Any]:
    """Shapes and initialisers of a join; concat has none."""
    if kind == "gmu":
        return {
            "own": {m: dense_tree(width, width) for m in names},
            "gate": {m: dense_tree(len(names) * width, width) for m in names},
        }
    if kind == "tensor":
        rank = tensor_rank(width)
        return {
            "small": {m: dense_tree(width, rank) for m in names},
            "joined": dense_tree((rank + 1) ** len(names), width),
        }
    return {}


def join_width(kind: str, modalities: int, width: int) -> int:
    """How wide the joined vector is."""
    return modalities * width if kind == "concat" else width


def join(
    kind: str, p: Mapping[str, Any], x: jax.Array, there: jax.Array, names: tuple[str, ...]
) -> jax.Array:
    """x [B, M, D], zero where not there [B, M] -> [B, R]."""
    batch = x.shape[0]
    flat = x.reshape(batch, -1)
    if kind == "concat":
        return flat
    if kind == "gmu":
        gates = jnp.stack([jax.nn.sigmoid(dense(p["gate"][m], flat)) for m in names], axis=1)
        own = jnp.stack([jnp.tanh(dense(p["own"][m], x[:, i])) for i, m in enumerate(names)], 1)
        return (gates * own * there[..., None]).sum(1)
    one = jnp.ones((batch, 1), x.dtype)
    small = [
        jnp.concatenate([dense(p["small"][m], x[:, i]) * there[:, i, None], one], axis=1)
        for i, m in enumerate(names)
    ]
    product = functools.reduce(
        lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(batch, -1), small
    )
    return jax.nn.gelu(dense(p["joined"], product), approximate=False)
