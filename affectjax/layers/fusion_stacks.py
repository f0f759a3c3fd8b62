"""Transformer stacks that the cross-temporal fusion is held against: simple, divide and joint.

simple   every modality runs through a stack of its own and never sees another
divide   the same, and a second attention among the modalities of each position in every layer
joint    one stack over all rows of all modalities, end to end, told apart by an embedding each

All give the first output of every modality, [B, M, D], zero where the modality is missing. The
forms are those of `layers.fusion`: "unrolled" and "scan" are the same numbers.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

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
    by_batch,
    by_loop,
    layer_name,
    resolve_form,
    stack,
    with_first,
    with_first_row,
)
from affectjax.layers.parameters import Leaf
from affectjax.layers.positions import sinusoids

ATTENTION = ("query", "key", "value", "output")
Each = Callable[..., jax.Array]


def attention_tree(width: int) -> dict[str, Any]:
    """Shapes and initialisers of attention without biases."""
    return {name: dense_tree(width, width, False) for name in ATTENTION}


def start_tree(s: Fusion, width: int) -> dict[str, Any]:
    """First tokens and the table of positions."""
    small = initializers.normal(0.02)
    table = sinusoids if s.positions == "sinusoids" else small
    return {
        "first": {m: Leaf((width,), small) for m in s.names},
        "position": Leaf((s.segments + 1, width), table),
    }


def stacks_tree(s: Fusion) -> dict[str, Any]:
    """Shapes and initialisers of every parameter; all but joint have one subtree a modality."""
    joint = s.kind == "joint"

    def own(tree: dict[str, Any]) -> dict[str, Any]:
        return tree if joint else {m: tree for m in s.names}

    layer = {
        "attention": {n: own(tree) for n, tree in attention_tree(s.width).items()},
        "feedforward": own(feedforward_tree(s.width, s.ffn)),
        "norm_attention": own(norm_tree(s.width)),
        "norm_feedforward": own(norm_tree(s.width)),
    }
    if s.kind == "divide":  # among modalities, so it belongs to none of them
        layer |= {"across": attention_tree(s.width), "norm_across": norm_tree(s.width)}
    tree: dict[str, Any] = {layer_name(i): layer for i in range(s.layers)}
    tree |= start_tree(s, s.width)
    if joint:
        tree["modality"] = {m: Leaf((s.width,), initializers.normal(0.02)) for m in s.names}
    if s.norm == "pre":
        tree["norm"] = own(norm_tree(s.width))
    return tree


def first_outputs(
    p: Mapping[str, Any],
    features: Streams,
    present: Streams,
    s: Fusion,
    key: jax.Array | None = None,
) -> jax.Array:
    """features {m: [B, T, D]}, present {m: [B, T]} -> [B, M, D]."""
    rows = jnp.stack([with_first_row(present[m]) for m in s.names], axis=1)  # [B, M, S]
    z = [with_first(p, m, features[m], present[m]) for m in s.names]
    if s.kind == "joint":
        z = [x + p["modality"][m].astype(x.dtype) for m, x in zip(s.names, z)]
    z = dropout(fold(key, s.layers), jnp.stack(z, axis=1), s.dropout)  # [B, M, S, D]
    z = _layers(p, z, rows, s, key)[:, :, 0]
    if s.norm == "pre":
        z = _own(by_loop, s)(layer_norm, p["norm"], z)
    return jnp.where(rows[:, :, 0, None], z, jnp.zeros_like(z))


def _own(each: Each, s: Fusion) -> Each:
    """How (function, parameters, x) is applied: a modality at a time, but for joint."""
    if s.kind == "joint":
        return lambda apply, p, x: apply(p, x)
    return lambda apply, p, x: each(apply, p, x, s)


def _layers(p, z: jax.Array, rows: jax.Array, s: Fusion, key: jax.Array | None) -> jax.Array:
    scan = resolve_form(s.form, s.remat) == "scan"

    def layer(z, step):
        q, key = step
        return _layer(q, z, rows, s, key, _own(by_batch if scan else by_loop, s)), None

    if s.remat == "layer":
        layer = jax.checkpoint(layer)
    layers = [p[layer_name(i)] for i in range(s.layers)]
    keys = [fold(key, i) for i in range(s.layers)]
    if not scan or not layers:
        for step in zip(layers, keys):
            z, _ = layer(z, step)
        return z
    stacked = stack([_modalities_stacked(q, s) for q in layers])
    return jax.lax.scan(layer, z, (stacked, None if key is None else jnp.stack(keys)))[0]


def _modalities_stacked(layer: Mapping[str, Any], s: Fusion) -> dict[str, Any]:
    """One layer with [M, ...] in place of every subtree a modality."""
    if s.kind == "joint":
        return dict(layer)

    def together(p):
        return stack([p[m] for m in s.names])

    rest = {n: p for n, p in layer.items() if n != "attention"}
    out = {n: p if n.endswith("across") else together(p) for n, p in rest.items()}
    return out | {"attention": {n: together(q) for n, q in layer["attention"].items()}}


def _layer(p, z: jax.Array, rows: jax.Array, s: Fusion, key, own: Each) -> jax.Array:
    """z [B, M, S, D], rows [B, M, S] -> z after all sublayers."""
    modalities, length = rows.shape[1:]

    def within(x):  # a sequence a modality, or all of them as one
        shape = (-1, modalities * length) if s.kind == "joint" else (-1, length)
        q, k, v = (own(dense, p["attention"][n], x).reshape(*shape, s.width) for n in ATTENTION[:3])
        y = attend(q, k, v, rows.reshape(shape), s.heads)
        return own(dense, p["attention"]["output"], y.reshape(x.shape))

    def across(x):  # a sequence a position, its modalities the members
        turned = x.swapaxes(1, 2)  # [B, S, M, D]
        flat = turned.reshape(-1, modalities, s.width)
        q, k, v = (dense(p["across"][n], flat) for n in ATTENTION[:3])
        y = attend(q, k, v, rows.swapaxes(1, 2).reshape(-1, modalities), s.heads)
        return dense(p["across"]["output"], y).reshape(turned.shape).swapaxes(1, 2)

    steps = [(within, "norm_attention", own)]
    if s.kind == "divide":
        steps.append((across, "norm_across", lambda apply, p, x: apply(p, x)))
    steps.append((lambda x: own(feedforward, p["feedforward"], x), "norm_feedforward", own))
    for place, (sublayer, name, each) in enumerate(steps):
        y = sublayer(each(layer_norm, p[name], z) if s.norm == "pre" else z)
        z = z + dropout(fold(key, place), y, s.dropout)
        z = each(layer_norm, p[name], z) if s.norm == "post" else z
    return z
