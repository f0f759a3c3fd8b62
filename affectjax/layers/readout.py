"""One vector a clip from any of the fusions: what a classifier or a regressor reads.

ctm, inner, cross      the first row of the averaged representation (`layers.fusion`)
simple, divide, joint  the modalities' first outputs end to end (`layers.fusion_stacks`)
gmu, tensor            the first outputs of simple, joined by `layers.fusion_joins`
mult                   the memories' first outputs end to end (`layers.mult`)
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.layers import mult
from affectjax.layers.fusion import Fusion, Streams, fuse, fusion_tree
from affectjax.layers.fusion_joins import join, join_tree, join_width
from affectjax.layers.fusion_stacks import first_outputs, stacks_tree

CROSS_TEMPORAL = ("ctm", "inner", "cross")
STACKS = ("simple", "divide", "joint")
JOINS = ("gmu", "tensor")
KINDS = (*CROSS_TEMPORAL, *STACKS, *JOINS, "mult")


def readout_tree(s: Fusion) -> dict[str, Any]:
    """Shapes and initialisers of the fusion that `s.kind` names."""
    if s.kind in CROSS_TEMPORAL:
        return fusion_tree(s)
    if s.kind == "mult":
        return mult.mult_tree(s)
    tree = stacks_tree(_stacks(s))
    return tree | ({"join": join_tree(s.kind, s.names, s.width)} if s.kind in JOINS else {})


def readout_width(s: Fusion) -> int:
    """How wide the vector is."""
    if s.kind in CROSS_TEMPORAL:
        return s.width
    if s.kind == "mult":
        return len(s.names) * mult.sizes(s)[1]
    return join_width(s.kind if s.kind in JOINS else "concat", len(s.names), s.width)


def readout(
    p: Mapping[str, Any],
    features: Streams,
    present: Streams,
    s: Fusion,
    key: jax.Array | None = None,
) -> jax.Array:
    """features {m: [B, T, D]}, present {m: [B, T]} -> [B, R]; zeros where no modality is there."""
    if s.kind in CROSS_TEMPORAL:
        return fuse(p, features, present, s, key)[0][:, 0]
    if s.kind == "mult":
        return join("concat", {}, mult.mult_outputs(p, features, present, s, key), None, s.names)
    there = jnp.stack([present[m].any(1) for m in s.names], axis=1)
    found = first_outputs(p, features, present, _stacks(s), key)
    if s.kind in JOINS:
        y = join(s.kind, p["join"], found, there, s.names)
        return jnp.where(there.any(1, keepdims=True), y, jnp.zeros_like(y))
    return join("concat", {}, found, there, s.names)


def _stacks(s: Fusion) -> Fusion:
    """The stack under a join is simple."""
    return replace(s, kind="simple") if s.kind in JOINS else s
