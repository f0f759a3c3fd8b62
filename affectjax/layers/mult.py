"""MulT: every modality reads every other through a stack of its own, then remembers what it read.

For each ordered pair (target, source) a stack of layers lets the target's rows attend to the
source's first embeddings; the results of one target lie side by side and run through a stack of
self-attention. It runs at a quarter of the width, so that its parameters compare with those of the
other fusions.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.errors import UserError
from affectjax.layers.attention import attend
from affectjax.layers.dense import (
    dense,
    dense_tree,
    dropout,
    feedforward,
    feedforward_tree,
    fold,
    layer_norm,
    norm_tree,
)
from affectjax.layers.fusion import (
    Fusion,
    Streams,
    layer_name,
    resolve_form,
    stack,
    with_first,
    with_first_row,
)
from affectjax.layers.fusion_stacks import ATTENTION, attention_tree, start_tree

PART = 4  # of the width


def sizes(s: Fusion) -> tuple[int, int]:
    """(width of a pair's stack, width of a target's memory)."""
    width = s.width // PART
    if width % s.heads or s.width % PART:
        raise UserError(
            f"heads = {s.heads} does not divide a quarter of width = {s.width}",
            "model",
            "MulT runs at a quarter of the width; choose another number of heads.",
        )
    return width, width * max(1, len(s.names) - 1)


def pairs(s: Fusion) -> list[tuple[int, int]]:
    """(target, source), the sources of one target beside each other."""
    every = range(len(s.names))
    return [(m, n) for m in every for n in every if m != n]


def mult_tree(s: Fusion) -> dict[str, Any]:
    """Shapes and initialisers; a subtree a pair, named target_from_source, and one a memory."""
    width, wide = sizes(s)

    def layers(size: int) -> dict[str, Any]:
        layer = {
            "attention": attention_tree(size),
            "feedforward": feedforward_tree(size, s.ffn * size // s.width),
            "norm_attention": norm_tree(size),
            "norm_feedforward": norm_tree(size),
        }
        tree: dict[str, Any] = {layer_name(i): layer for i in range(s.layers)}
        return tree | ({"norm": norm_tree(size)} if s.norm == "pre" else {})

    return {
        "small": {m: dense_tree(s.width, width) for m in s.names},
        **start_tree(s, width),
        "read": {_name(s, m, n): layers(width) for m, n in pairs(s)},
        "memory": {m: layers(wide) for m in s.names},
    }


def mult_outputs(
    p: Mapping[str, Any],
    features: Streams,
    present: Streams,
    s: Fusion,
    key: jax.Array | None = None,
) -> jax.Array:
    """features {m: [B, T, D]}, present {m: [B, T]} -> [B, M, wide], zero where missing."""
    rows = jnp.stack([with_first_row(present[m]) for m in s.names])  # [M, B, S]
    z = jnp.stack(
        [with_first(p, m, dense(p["small"][m], features[m]), present[m]) for m in s.names]
    )
    z = dropout(fold(key, 0), z, s.dropout)  # [M, B, S, d]
    if found := pairs(s):
        target, source = (jnp.array(side) for side in zip(*found))
        trees = [p["read"][_name(s, m, n)] for m, n in found]
        read = _stacks(trees, z[target], z[source], rows[source], s, fold(key, 1))
        shape = (len(s.names), len(s.names) - 1, *read.shape[1:])
        z = jnp.moveaxis(read.reshape(shape), 1, 3).reshape(*shape[:1], *shape[2:4], -1)
    z = _stacks([p["memory"][m] for m in s.names], z, None, rows, s, fold(key, 2))
    first = jnp.where(rows[:, :, 0, None], z[:, :, 0], 0.0)
    return first.swapaxes(0, 1).astype(z.dtype)


def _name(s: Fusion, target: int, source: int) -> str:
    return f"{s.names[target]}_from_{s.names[source]}"


def _stacks(trees: list, x: jax.Array, source, rows: jax.Array, s: Fusion, key) -> jax.Array:
    """Equal stacks side by side: x and source [P, B, S, D], rows [P, B, S] of what is attended to.

    Without a source every stack attends to itself.
    """
    count = len(trees)
    keys = [[fold(key, i, n) for n in range(count)] for i in range(s.layers)]

    def layer(p, x, source, rows, key):
        return _layer(p, x, source, rows, s, key)

    if s.remat == "layer":
        layer = jax.checkpoint(layer)
    if resolve_form(s.form, s.remat) == "scan" and s.layers:
        layers = stack([stack([tree[layer_name(i)] for tree in trees]) for i in range(s.layers)])
        drawn = None if key is None else jnp.stack([jnp.stack(row) for row in keys])
        axes = (0, 0, None if source is None else 0, 0, None if key is None else 0)
        every = jax.vmap(layer, in_axes=axes)
        x, _ = jax.lax.scan(lambda x, step: (every(step[0], x, source, rows, step[1]), None), x,
                            (layers, drawn))  # fmt: skip
    else:
        for i in range(s.layers):
            made = [
                layer(tree[layer_name(i)], x[n], None if source is None else source[n], rows[n],
                      keys[i][n])
                for n, tree in enumerate(trees)
            ]  # fmt: skip
            x = jnp.stack(made)
    if s.norm == "post":
        return x
    return jnp.stack([layer_norm(tree["norm"], x[n]) for n, tree in enumerate(trees)])


def _layer(p, x: jax.Array, source, rows: jax.Array, s: Fusion, key) -> jax.Array:
    """x [B, S, D] -> after attention to the source's rows and feed-forward."""
    pre = s.norm == "pre"
    y = layer_norm(p["norm_attention"], x) if pre else x
    other = y if source is None else layer_norm(p["norm_attention"], source) if pre else source
    q, k, v = (dense(p["attention"][n], z) for n, z in zip(ATTENTION, (y, other, other)))
    y = dense(p["attention"]["output"], attend(q, k, v, rows, s.heads))
    x = x + dropout(fold(key, 0), y, s.dropout)
    x = x if pre else layer_norm(p["norm_attention"], x)
    y = feedforward(p["feedforward"], layer_norm(p["norm_feedforward"], x) if pre else x)
    x = x + dropout(fold(key, 1), y, s.dropout)
    return x if pre else layer_norm(p["norm_feedforward"], x)
