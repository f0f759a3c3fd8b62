"""Every form of a convolution gives the numbers of a plain loop, and the same gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax.layers import convolution
from affectjax.layers.convolution import (
    conv2d,
    conv2d_tree,
    conv3d,
    conv3d_tree,
    depthwise2d,
    depthwise2d_tree,
)
from affectjax.layers.parameters import initialise


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def loop(x, kernel, stride, pads, groups=1, dilation=None):
    """Position by position, tap by tap, in double precision."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    *window, inputs, outputs = kernel.shape
    dilation = dilation or (1,) * len(window)
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    reach = [(w - 1) * d + 1 for w, d in zip(window, dilation)]
    sizes = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:], reach, stride)]
    y = np.zeros((x.shape[0], *sizes, outputs))
    for place in itertools.product(*map(range, sizes)):
        for tap in itertools.product(*map(range, window)):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation))
            for group in range(groups):
                i = slice(group * inputs, (group + 1) * inputs)
                o = slice(group * outputs // groups, (group + 1) * outputs // groups)
                y[(slice(None), *place, o)] += x[(slice(None), *at, i)] @ kernel[tap][:, o]
    return y


def value_and_gradients(f, x, kernel):
    """The value, and the gradients of a random functional of it."""
    shape = jax.eval_shape(f, {"kernel": kernel}, x).shape
    (weights,) = draw(shape, seed=9)

    def functional(kernel, x):
        y = f({"kernel": kernel}, x)
        return (y * weights).sum(), y

    (_, y), gradients = jax.jit(jax.value_and_grad(functional, (0, 1), has_aux=True))(kernel, x)
    return y, gradients


def same(one, other):
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)  # noqa: E731
    jax.tree.map(close, one, other)


SHAPES_3D = [
    # x, kernel, stride, padding
    ((2, 5, 6, 7, 3), (3, 3, 3, 3, 4), 1, 1),
    ((1, 6, 7, 7, 3), (5, 3, 3, 3, 4), (1, 2, 2), (2, 1, 1)),
    ((2, 4, 5, 6, 4), (3, 3, 3, 4, 5), 2, 1),
    ((1, 5, 4, 4, 3), (1, 1, 1, 3, 5), 2, 0),
    ((1, 1, 4, 4, 3), (3, 3, 3, 3, 2), 1, 1),  # a single frame: two taps see padding alone
    ((1, 4, 6, 5, 2), (2, 1, 3, 2, 3), (1, 2, 1), ((0, 1), (0, 0), (2, 1))),
    ((1, 5, 7, 6, 2), (3, 2, 3, 2, 3), (2, 2, 1), "SAME"),
]


@pytest.mark.parametrize("shape, window, stride, padding", SHAPES_3D)
def test_forms_in_three_dimensions(shape, window, stride, padding):
    x, kernel = draw(shape, window)
    run = lambda form: value_and_gradients(  # noqa: E731
        lambda p, x: conv3d(p, x, stride, padding, form), x, kernel
    )
    expected = run("native")
    steps = convolution.each(stride, 3)
    pads = convolution.pairs(x, kernel, steps, padding)
    same(expected[0], loop(x, kernel, steps, pads))
    for form in ("taps", "channels", "patches", "auto"):
        same(run(form), expected)


SHAPES_2D = [
    # x, kernel, stride, padding, groups, dilation
    ((2, 6, 7, 3), (3, 3, 3, 4), 1, 1, 1, 1),
    ((2, 9, 9, 3), (7, 7, 3, 4), 2, 3, 1, 1),
    ((2, 16, 4, 1), (7, 1, 1, 4), (2, 1), (3, 0), 1, 1),
    ((2, 5, 6, 3), (1, 1, 3, 4), 2, 0, 1, 1),
    ((1, 9, 8, 4), (3, 3, 2, 6), 1, 2, 2, 2),
    ((2, 7, 6, 4), (3, 3, 4, 5), 2, "SAME", 1, 1),
    ((2, 6, 6, 3), (3, 3, 3, 4), 2, ((0, 1), (0, 1)), 1, 1),
]


@pytest.mark.parametrize("shape, window, stride, padding, groups, dilation", SHAPES_2D)
def test_forms_in_two_dimensions(shape, window, stride, padding, groups, dilation):
    x, kernel = draw(shape, window)
    run = lambda form: value_and_gradients(  # noqa: E731
        lambda p, x: conv2d(p, x, stride, padding, groups, dilation, form), x, kernel
    )
    expected = run("native")
    steps, spread = convolution.each(stride, 2), convolution.each(dilation, 2)
    pads = convolution.pairs(x, kernel, steps, padding, spread)
    same(expected[0], loop(x, kernel, steps, pads, groups, spread))
    same(run("auto"), expected)
    if groups == 1:
        same(run("patches"), expected)


@settings(max_examples=8)
@given(
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.one_of(st.just("SAME"), st.integers(0, 2)),
)
def test_depthwise_forms(size, window, stride, padding):
    x, kernel = draw((2, *size, 3), (*window, 1, 3))
    run = lambda form: value_and_gradients(  # noqa: E731
        lambda p, x: depthwise2d(p, x, stride, padding, form), x, kernel
    )
    expected = run("native")
    pads = convolution.pairs(x, kernel, stride, padding)
    same(expected[0], loop(x, kernel, stride, pads, groups=3))
    same(run("taps"), expected)


def test_a_depthwise_sum_refuses_another_kernel():
    x, kernel = draw((1, 4, 4, 3), (3, 3, 3, 3))
    with pytest.raises(ValueError):
        conv2d({"kernel": kernel}, x, form="taps")


def test_the_form_follows_the_backend_and_the_shape(monkeypatch):
    def form_3d(x, kernel):
        x, kernel = (jax.ShapeDtypeStruct(s, jnp.float32) for s in (x, kernel))
        return convolution._form_3d(x, kernel, (1, 1, 1), ((1, 1),) * 3)

    stem, middle = ((1, 16, 56, 56, 3), (7, 7, 7, 3, 64)), ((1, 8, 28, 28, 64), (3, 3, 3, 64, 64))
    late, plain = ((1, 1, 4, 4, 512), (3, 3, 3, 512, 512)), ((1, 8, 28, 28, 64), (1, 1, 1, 64, 9))
    shapes = (stem, middle, late, plain)
    assert [form_3d(*s) for s in shapes] == ["channels", "taps", "patches", "patches"]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert {form_3d(*s) for s in shapes} == {"native"}


def test_trees_and_biases():
    key = jax.random.key(0)
    cases = [
        (conv2d_tree((3, 1), 4, 6, bias=True, groups=2), (3, 1, 2, 6)),
        (conv3d_tree(3, 4, 6, bias=True), (3, 3, 3, 4, 6)),
        (depthwise2d_tree(5, 4, bias=True), (5, 5, 1, 4)),
    ]
    for tree, shape in cases:
        p = initialise(tree, key)
        assert p["kernel"].shape == shape and p["bias"].shape == shape[-1:]
    (x,) = draw((1, 4, 4, 4, 4))
    p = {"kernel": initialise(conv3d_tree(3, 4, 6), key)["kernel"], "bias": jnp.arange(6.0)}
    without = conv3d({"kernel": p["kernel"]}, x, 1, 1)
    same(conv3d(p, x, 1, 1) - without, jnp.broadcast_to(p["bias"], without.shape))
    half = conv3d(p, x.astype(jnp.bfloat16), 1, 1)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), conv3d(p, x, 1, 1), atol=0.2)
