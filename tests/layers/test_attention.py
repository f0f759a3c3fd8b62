"""Masked attention: no key gives zeros, neighbours in blocks equal the dense form."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax.layers.attention import attend, attend_within, masked_softmax


def test_softmax_without_any_key_is_zero_and_has_a_gradient():
    scores = jnp.array([[1e4, -1e4, 3.0], [5.0, 6.0, 7.0]])
    mask = jnp.array([[True, True, False], [False, False, False]])
    weights, back = jax.vjp(lambda x: masked_softmax(x, mask), scores)
    np.testing.assert_array_equal(weights, [[1, 0, 0], [0, 0, 0]])
    assert jnp.isfinite(back(jnp.ones_like(weights))[0]).all()


@jax.jit
def both(q, k, v, group):
    mask = (group[:, :, None] == group[:, None, :]) & (group[:, :, None] > 0)
    return attend_within(q, k, v, group, 4, 2), attend(q, k, v, mask, 2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), max_size=13), st.integers(0, 2**16), st.booleans())
def test_blocks_of_neighbours_equal_dense_attention(lengths, seed, gaps):
    """Runs of up to `longest` tokens, anywhere, with padding between and behind them."""
    group, at = np.zeros((1, 14), np.int32), 0
    for number, length in enumerate(lengths, 1):
        at += gaps
        if at + length > 14:
            break
        group[0, at : at + length] = number
        at += length
    q, k, v = np.random.default_rng(seed).normal(size=(3, 1, 14, 4)).astype(np.float32)
    blocks, dense = both(q, k, v, group)
    np.testing.assert_allclose(blocks, dense, atol=1e-6)
    assert not np.asarray(blocks)[group == 0].any()
