"""A mixture of experts run dense, and the gating of a vector by itself.

Every expert answers for every row, all of them in one einsum. Their arrays stand under `experts`
with the expert first, so that the sharding rules give each device of the `tensor` axis its own;
what the devices then exchange is the mixture, never an expert.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax.linen import initializers

from affectjax.layers.attention import einsum
from affectjax.layers.dense import dense, dense_tree, last_dense
from affectjax.layers.parameters import Leaf

Array = jax.Array


@dataclass(frozen=True)
class Mixture:
    """What the mixture is made of; the functions below read it and hold no state."""

    inputs: int  # D
    outputs: int  # K
    experts: int = 8  # E
    expert: str = "linear"  # "linear" | "sigmoid": what an expert's answer passes through
    gates: str = "row"  # "row": one softmax over experts; "output": one for each of the K outputs
    bias: float = 0.0  # what the experts' biases start from


def moe_tree(s: Mixture) -> dict[str, Any]:
    """Shapes and initialisers: kernel [E, D, K] and bias [E, K] of the experts, and the gate."""
    each = initializers.lecun_normal(batch_axis=0)
    gates = s.experts * (s.outputs if s.gates == "output" else 1)
    return {
        "experts": {
            "kernel": Leaf((s.experts, s.inputs, s.outputs), each),
            "bias": Leaf((s.experts, s.outputs), initializers.constant(s.bias)),
        },
        "gate": dense_tree(s.inputs, gates),
    }


def moe(p: Mapping[str, Any], x: Array, s: Mixture) -> Array:
    """x [..., D] -> float32 [..., K]."""
    rows = x.reshape(-1, x.shape[-1])
    answers = einsum("rd,edk->rek", rows, p["experts"]["kernel"].astype(x.dtype))
    answers = answers + p["experts"]["bias"]
    if s.expert == "sigmoid":
        answers = jax.nn.sigmoid(answers)
    scores = last_dense(p["gate"], rows).reshape(rows.shape[0], s.experts, -1)
    y = (jax.nn.softmax(scores, axis=1) * answers).sum(1)
    return y.reshape(*x.shape[:-1], s.outputs)


def moe_flops(s: Mixture, rows: float) -> float:
    """FLOPs of the products of a forward pass."""
    gates = s.experts * (s.outputs if s.gates == "output" else 1)
    return 2.0 * rows * s.inputs * (s.experts * s.outputs + gates)


def gating_tree(width: int) -> dict[str, Any]:
    """Shapes and initialisers of a gate as wide as what it weighs."""
    return dense_tree(width, width)


def context_gating(p: Mapping[str, Array], x: Array) -> Array:
    """x [..., D] -> [..., D]: each feature weighed from 0 to 1 by all of them together."""
    return x * jax.nn.sigmoid(dense(p, x))
