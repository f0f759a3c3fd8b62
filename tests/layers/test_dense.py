"""Products, norms and GELU: their written-out gradients equal what JAX derives from the plain
formula, and what they keep for the backward pass is what they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.layers.dense import (
    dense,
    dropout,
    feedforward,
    fold,
    gelu_product,
    last_dense,
    layer_norm,
    product,
)


def plain_norm(p, x):
    centred = x - x.mean(-1, keepdims=True)
    variance = jnp.square(centred).mean(-1, keepdims=True)
    return centred / jnp.sqrt(variance + 1e-6) * p["scale"] + p["bias"]


def plain_feedforward(p, x):
    h = jax.nn.gelu(x @ p["in"]["kernel"] + p["in"]["bias"], approximate=False)
    return h @ p["out"]["kernel"] + p["out"]["bias"]


def furthest(ours, plain, *arguments) -> float:
    """How far values and gradients of a random functional lie apart, relative to 1 + their size."""
    weights = np.random.default_rng(9).normal(size=np.shape(plain(*arguments))).astype(np.float32)

    def both(f):
        places = tuple(range(len(arguments)))
        functional = jax.value_and_grad(lambda *a: (f(*a) * weights).sum(), argnums=places)
        return jax.jit(functional)(*arguments)

    apart = jax.tree.map(
        lambda a, b: float((jnp.abs(a - b) / (1 + jnp.abs(b))).max()), both(ours), both(plain)
    )
    return max(jax.tree.leaves(apart))


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def test_product():
    assert furthest(product, lambda x, w: x @ w, *draw((5, 3), (3, 4))) <= 2e-5


def test_product_of_gelu():
    h, kernel = draw((5, 3), (3, 4))
    plain = lambda h, w: jax.nn.gelu(h, approximate=False) @ w  # noqa: E731
    assert furthest(gelu_product, plain, 3 * h, kernel) <= 2e-5


def test_the_last_layer_answers_in_float32():
    x, kernel, bias = draw((2, 5, 3), (3, 4), (4,))
    plain = lambda x, w, b: x @ w + b  # noqa: E731
    ours = lambda x, w, b: last_dense({"kernel": w, "bias": b}, x)  # noqa: E731
    assert furthest(ours, plain, x, kernel, bias) <= 2e-5
    p, short = {"kernel": kernel, "bias": bias + 100}, x.astype(jnp.bfloat16)
    exact = plain(
        short.astype(jnp.float32), kernel.astype(jnp.bfloat16).astype(jnp.float32), p["bias"]
    )
    np.testing.assert_allclose(last_dense(p, short), exact, rtol=1e-6)
    assert np.abs(dense(p, short).astype(jnp.float32) - exact).max() > 0.05  # what it spares
    gradient = jax.grad(lambda p, x: last_dense(p, x).sum(), (0, 1))(p, short)
    assert gradient[0]["kernel"].dtype == jnp.float32 and gradient[1].dtype == jnp.bfloat16


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6)])
def test_layer_norm(shape):
    x, scale, bias = draw(shape, (6,), (6,))
    assert furthest(layer_norm, plain_norm, {"scale": scale, "bias": bias}, 2 * x + 1) <= 2e-5


def test_feedforward():
    x, a, b, c, d = draw((2, 5, 4), (4, 7), (7,), (7, 4), (4,))
    p = {"in": {"kernel": a, "bias": b}, "out": {"kernel": c, "bias": d}}
    assert furthest(feedforward, plain_feedforward, p, x) <= 2e-5


def test_bfloat16_in_bfloat16_out():
    x, kernel = (a.astype(jnp.bfloat16) for a in draw((5, 3), (3, 4)))
    assert product(x, kernel).dtype == gelu_product(x, kernel).dtype == jnp.bfloat16
    dx, dw = jax.grad(lambda x, w: gelu_product(x, w).sum().astype(jnp.float32), (0, 1))(x, kernel)
    assert dx.dtype == dw.dtype == jnp.bfloat16
    assert layer_norm({"scale": jnp.ones(3), "bias": jnp.zeros(3)}, x).dtype == jnp.bfloat16


def test_dropout_keeps_the_mean_and_a_key_a_place():
    x = jnp.ones((100, 100))
    key = jax.random.key(0)
    y = np.asarray(dropout(fold(key, 1), x, 0.25))
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs(y.mean() - 1) < 0.02
    assert (y != np.asarray(dropout(fold(key, 2), x, 0.25))).any()
    assert fold(None, 1) is None
    np.testing.assert_array_equal(dropout(None, x, 0.25), x)


def test_only_inputs_are_kept_for_the_gradient():
    """The hidden layer's activation and the norm's intermediates are made again, not held."""
    h, kernel, scale = draw((50, 30), (30, 4), (30,))

    def kept(f, *arguments):
        return sum(x.size for x in jax.tree.leaves(jax.vjp(f, *arguments)[1]))

    assert kept(gelu_product, h, kernel) < 1.1 * (h.size + kernel.size)
    assert kept(layer_norm, {"scale": scale, "bias": scale}, h) < 1.2 * h.size
