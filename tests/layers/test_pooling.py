"""Maximum pooling follows torch's rules for padding and for windows over the edge."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax.layers.pooling import average, max_pool


def loop(x, window, stride, padding, ceil):
    """A window at a time; it may hang over an edge, but starts inside the left padding or x."""
    axes = x.ndim - 2
    starts = []
    for axis in range(axes):
        size = x.shape[axis + 1]
        last = size + padding[axis] - (0 if ceil else window[axis])
        found = range(-padding[axis], last + (0 if ceil else 1), stride[axis])
        if ceil:  # the first window that reaches the end of the padding closes the row
            end = size + padding[axis] - window[axis]
            reached = next((i for i, s in enumerate(found) if s >= end), len(found) - 1)
            found = found[: reached + 1]
            found = [s for s in found if s < size]
        starts.append(list(found))
    y = np.empty((x.shape[0], *map(len, starts), x.shape[-1]), x.dtype)
    for place in itertools.product(*(range(len(s)) for s in starts)):
        view = [slice(None)]
        for axis, i in enumerate(place):
            start = starts[axis][i]
            view.append(slice(max(start, 0), start + window[axis]))
        y[(slice(None), *place)] = x[tuple(view)].max(tuple(range(1, axes + 1)))
    return y


pool = jax.jit(max_pool, static_argnums=(1, 2, 3, 4))

CASES = st.tuples(
    st.tuples(st.integers(4, 9), st.integers(4, 9)),
    st.tuples(st.integers(2, 4), st.integers(2, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
    st.booleans(),
)


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32) - 5  # padding would win


@settings(max_examples=12)
@given(CASES)
def test_against_a_loop(case):
    size, *rest = case
    x = drawn(2, *size, 3)
    np.testing.assert_array_equal(pool(x, *rest), loop(x, *rest))


@settings(max_examples=12)
@given(CASES)
def test_against_torch(case):
    torch = pytest.importorskip("torch", reason="the twin needs torch")
    size, *rest = case
    x = drawn(2, *size, 3)
    window, stride, padding, ceil = rest
    theirs = torch.nn.functional.max_pool2d(
        torch.tensor(x).permute(0, 3, 1, 2), window, stride, padding, ceil_mode=ceil
    )
    np.testing.assert_array_equal(pool(x, *rest), theirs.permute(0, 2, 3, 1))


def test_snippets():
    x = drawn(1, 5, 6, 7, 2)
    expected = loop(x, (3, 3, 3), (2, 2, 2), (1, 1, 1), False)
    np.testing.assert_array_equal(pool(x, 3, 2, 1), expected)
    np.testing.assert_allclose(average(x), x.mean((1, 2, 3)), rtol=1e-5)
