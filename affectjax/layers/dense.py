"""Products, norms, feed-forward and dropout: small pure functions of plain parameter dicts.

Kernels are [in, out]. Products run in the dtype of their input and add up in float32; norms run
in float32. Gradients are written out where XLA's own choice measured badly: the layout of a
kernel's gradient, and what is kept from the forward pass.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.parameters import Leaf

EPSILON = 1e-6


def dense_tree(inputs: int, outputs: int, bias: bool = True) -> dict[str, Leaf]:
    """Shapes and initialisers of `dense`."""
    tree = {"kernel": Leaf((inputs, outputs), initializers.lecun_normal())}
    return tree | {"bias": Leaf((outputs,), initializers.zeros)} if bias else tree


def norm_tree(width: int) -> dict[str, Leaf]:
    """Shapes and initialisers of a layer norm."""
    return {
        "scale": Leaf((width,), initializers.ones),
        "bias": Leaf((width,), initializers.zeros),
    }


def feedforward_tree(width: int, hidden: int) -> dict[str, Any]:
    """Shapes and initialisers of a feed-forward block."""
    return {"in": dense_tree(width, hidden), "out": dense_tree(hidden, width)}


def dense(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """x [..., in] -> [..., out]."""
    y = product(x.reshape(-1, x.shape[-1]), p["kernel"].astype(x.dtype))
    y = y.reshape(*x.shape[:-1], -1)
    return y + p["bias"].astype(x.dtype) if "bias" in p else y


def last_dense(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """`dense` that answers in float32: a softmax tells apart what bfloat16 would round together."""
    y = answer(x.reshape(-1, x.shape[-1]), p["kernel"].astype(x.dtype))
    y = y.reshape(*x.shape[:-1], -1)
    return y + p["bias"] if "bias" in p else y


def feedforward(p: dict[str, Any], x: jax.Array) -> jax.Array:
    """x [..., D] -> [..., D] through one hidden layer with the exact (erf) GELU."""
    h = dense(p["in"], x)
    y = gelu_product(h.reshape(-1, h.shape[-1]), p["out"]["kernel"].astype(x.dtype))
    return (y + p["out"]["bias"].astype(x.dtype)).reshape(x.shape)


def dropout(key: jax.Array | None, x: jax.Array, rate: float) -> jax.Array:
    """Zeroes entries at `rate` and rescales the others; no key, no dropout."""
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / (1.0 - rate), jnp.zeros_like(x))


def fold(key: jax.Array | None, *numbers: int | jax.Array) -> jax.Array | None:
    """A key of its own for every place that `numbers` name; none stays none."""
    for number in numbers:
        key = None if key is None else jax.random.fold_in(key, number)
    return key


def dot(a: jax.Array, b: jax.Array, over: tuple[int, int] = (1, 0)) -> jax.Array:
    """The product of two matrices, summed over dimension over[0] of a and over[1] of b.

    It adds up in float32 whatever it multiplies: for bfloat16 that is also the fast way on CPUs
    with matrix units.
    """
    return _sum(a, b, over).astype(a.dtype)


def _sum(a: jax.Array, b: jax.Array, over: tuple[int, int] = (1, 0)) -> jax.Array:
    dimensions = (((over[0],), (over[1],)), ((), ()))
    return jax.lax.dot_general(a, b, dimensions, preferred_element_type=jnp.float32)


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x [R, in], kernel [in, out] -> [R, out].

    Left to itself, XLA forms the kernel's gradient on CPUs from a transposed copy, at half speed.
    """
    return dot(x, kernel)


def _product_forward(x, kernel):
    return product(x, kernel), (x, kernel)


def _product_backward(saved, dy):
    x, kernel = saved
    return dot(dy, kernel, (1, 1)), dot(x, dy, (0, 0))


product.defvjp(_product_forward, _product_backward)


@jax.custom_vjp
def answer(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`product` in the float32 that it adds up in."""
    return _sum(x, kernel)


def _answer_forward(x, kernel):
    return answer(x, kernel), (x, kernel)


def _answer_backward(saved, dy):
    return _product_backward(saved, dy.astype(saved[0].dtype))


answer.defvjp(_answer_forward, _answer_backward)


def after(x: jax.Array, signal: jax.Array) -> jax.Array:
    """x [..., D], unknown before `signal` [..., E] is: what follows cannot be made early and kept.

    XLA drops optimisation barriers on CPUs before it orders the program; a sum it has to keep.
    """
    return x + (signal[..., :1] * 0).astype(x.dtype)


def _normal_cdf(h):
    return 0.5 + 0.5 * jax.lax.erf(h * 0.5**0.5)


@jax.custom_vjp
def gelu_product(h: jax.Array, kernel: jax.Array) -> jax.Array:
    """GELU of h [R, in], times kernel [in, out]; of the hidden layer h alone is kept."""
    return dot(h * _normal_cdf(h), kernel)


def _gelu_product_forward(h, kernel):
    return gelu_product(h, kernel), (h, kernel)


def _gelu_product_backward(saved, dy):
    h, kernel = saved
    h = after(h, dy)
    cdf = _normal_cdf(h)
    slope = cdf + h * jnp.exp(-0.5 * h * h) * (2 * jnp.pi) ** -0.5
    return dot(dy, kernel, (1, 1)) * slope, dot(h * cdf, dy, (0, 0))


gelu_product.defvjp(_gelu_product_forward, _gelu_product_backward)


def layer_norm(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """Zero mean and unit variance over the last axis of x [..., D], then scale and bias."""
    return _layer_norm(p["scale"], p["bias"], x)


def _moments(x):
    """Mean and inverse deviation of x [..., D] in float32, each [..., 1]."""
    x = x.astype(jnp.float32)
    mean = x.mean(-1, keepdims=True)
    return mean, jax.lax.rsqrt(jnp.square(x - mean).mean(-1, keepdims=True) + EPSILON)


@jax.custom_vjp
def _layer_norm(scale, bias, x):
    return _layer_norm_forward(scale, bias, x)[0]


def _layer_norm_forward(scale, bias, x):
    mean, factor = _moments(x)
    y = (x.astype(jnp.float32) - mean) * factor * scale + bias
    return y.astype(x.dtype), (scale, x, mean, factor)


def _layer_norm_backward(saved, dy):
    scale, x, mean, factor = saved
    unit = (after(x, dy).astype(jnp.float32) - mean) * factor
    dy = dy.astype(jnp.float32)
    rows = tuple(range(x.ndim - 1))
    d = dy * scale
    d = d - d.mean(-1, keepdims=True) - unit * (d * unit).mean(-1, keepdims=True)
    return (dy * unit).sum(rows), dy.sum(rows), (d * factor).astype(x.dtype)


_layer_norm.defvjp(_layer_norm_forward, _layer_norm_backward)
