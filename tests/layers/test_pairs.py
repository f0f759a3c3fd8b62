"""Attention between modalities: the written-out gradient equals the derived one, holes and all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.layers.attention import attend
from affectjax.layers.pairs import cross_share, pair_attention

B, M, S, D = 4, 3, 4, 6


def plain(query, key, value, rows, heads):
    """A call an ordered pair of modalities."""
    found = {
        (m, n): attend(query[:, m], key[:, n], value[:, n], rows[:, n], heads)
        for m in range(M)
        for n in range(M)
    }
    there = rows.any(-1)
    cross = []
    for m in range(M):
        others = [n for n in range(M) if n != m]
        count = jnp.maximum(sum(there[:, n].astype(jnp.float32) for n in others), 1.0)
        cross.append(sum(found[m, n] for n in others) / count[:, None, None])
    inner = jnp.stack([found[m, m] for m in range(M)], axis=1)
    return {"inner": inner, "cross": jnp.stack(cross, axis=1)}


@pytest.mark.parametrize("heads", [1, 2])
def test_values_and_gradients(heads):
    rng = np.random.default_rng(0)
    qkv = [jnp.asarray(rng.normal(size=(B, M, S, D)), jnp.float32) for _ in range(3)]
    weights = {n: rng.normal(size=(B, M, S, D)).astype(np.float32) for n in ("inner", "cross")}
    rows = rng.random((B, M, S)) < 0.7
    rows[1, 0] = rows[2, :2] = rows[3] = False  # one, two, all modalities missing

    def both(f):
        def functional(*qkv):
            out = f(*qkv, rows, heads)
            return sum((out[n] * weights[n]).sum() for n in weights), out

        return jax.jit(jax.value_and_grad(functional, argnums=(0, 1, 2), has_aux=True))(*qkv)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        both(pair_attention),
        both(plain),
    )


def test_shares_of_the_cross_average():
    there = jnp.array([[True, True, True], [True, False, True], [False, True, False]])
    half = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    one_missing = [[0, 0, 1], [0.5, 0, 0.5], [1, 0, 0]]
    alone = [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(cross_share(there), [half, one_missing, alone])
