"""What the two transformers share: norms with the checkpoint's epsilon, attention, activations.

Everything wide is a plain product of two matrices, which CPUs run best; norms and softmax run in
float32, products in the dtype of their input.
"""

from typing import Any

import jax
import jax.numpy as jnp

from affectjax.backbones.torch_state import State
from affectjax.layers.attention import attend
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.parameters import Leaf

ACTIVATIONS = {
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_new": lambda x: jax.nn.gelu(x, approximate=True),
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "relu": jax.nn.relu,
}


def normal(*shape: int) -> Leaf:
    """A parameter that starts normal, with a deviation of 0.02."""
    return Leaf(shape, jax.nn.initializers.normal(0.02))


def layer_norm(p: dict[str, jax.Array], x: jax.Array, epsilon: float) -> jax.Array:
    """Zero mean and unit variance over the last axis of x [..., D], then scale and bias."""
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    factor = jax.lax.rsqrt(jnp.square(wide - mean).mean(-1, keepdims=True) + epsilon)
    return ((wide - mean) * factor * p["scale"] + p["bias"]).astype(x.dtype)


def attention_tree(width: int) -> dict[str, Any]:
    """Shapes and initialisers of attention with four products."""
    return {name: dense_tree(width, width) for name in ("query", "key", "value", "out")}


def self_attention(p: dict[str, Any], x: jax.Array, mask: jax.Array, heads: int) -> jax.Array:
    """x [B, L, D], mask [B, L] of the tokens to look at -> [B, L, D]."""
    q, k, v = (dense(p[name], x) for name in ("query", "key", "value"))
    return dense(p["out"], attend(q, k, v, mask, heads))


def feedforward_tree(width: int, hidden: int) -> dict[str, Any]:
    """Shapes and initialisers of `feedforward`."""
    return {"in": dense_tree(width, hidden), "out": dense_tree(hidden, width)}


def feedforward(p: dict[str, Any], x: jax.Array, activation: str) -> jax.Array:
    """Two products [.., D] -> [.., hidden] -> [.., D] with an activation between."""
    return dense(p["out"], ACTIVATIONS[activation](dense(p["in"], x)))


def layers_of(state: State, pattern: str) -> int:
    """How many numbered layers the checkpoint has: `pattern` ends where the number begins."""
    numbers = (key[len(pattern) :].split(".")[0] for key in state.keys() if key.startswith(pattern))
    return 1 + max((int(n) for n in numbers if n.isdigit()), default=-1)
