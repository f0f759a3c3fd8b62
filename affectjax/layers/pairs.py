"""Attention between every pair of modalities: inner (its own) and cross (the average of others).

All pairs share one product of queries and keys, with a softmax a pair. The gradient is written
out so that each of its products comes in the layout in which it is used.
"""

import jax
import jax.numpy as jnp

from affectjax.layers.attention import einsum, masked_softmax, merge_heads, split_heads


def pair_attention(
    query: jax.Array, key: jax.Array, value: jax.Array, rows: jax.Array, heads: int
) -> dict[str, jax.Array]:
    """query, key, value [B, M, S, D], rows [B, M, S] -> {"inner", "cross"}, each [B, M, S, D].

    Rows that are not there are no keys. Cross averages over the other modalities with any row,
    and is zero where there are none.
    """
    shape = query.shape

    def cut(x):  # -> [B, H, M S, D / H]
        return split_heads(x.reshape(shape[0], -1, shape[3]), heads).swapaxes(1, 2)

    def glue(x):  # and back
        return merge_heads(x.swapaxes(1, 2)).reshape(shape)

    inner, cross = _pairs(cut(query), cut(key), cut(value), rows)
    return {"inner": glue(inner), "cross": glue(cross)}


def cross_share(there: jax.Array) -> jax.Array:
    """there [B, M] -> [B, M, N]: the weight of modality n in the cross average of modality m."""
    other = ~jnp.eye(there.shape[1], dtype=bool)
    pairs = (other & there[:, None, :]).astype(jnp.float32)
    return pairs / jnp.maximum(pairs.sum(-1, keepdims=True), 1.0)


def _weights(q, k, rows):
    """-> [B, H, M, S, N, S]: a softmax for every pair of modalities."""
    scores = einsum("bhqd,bhkd->bhqk", q, k) * q.shape[-1] ** -0.5
    shape = rows.shape[1:]
    scores = scores.reshape(*scores.shape[:2], *shape, *shape)
    return masked_softmax(scores, rows[:, None, None, None])


def _parts(weights, rows, dtype):
    """-> own blocks [B, H, M, S, S], cross weights [B, H, M S, N S], shares [B, 1, M, 1, N, 1]."""
    modalities, length = rows.shape[1:]
    own = jnp.stack([weights[:, :, m, :, m] for m in range(modalities)], axis=2)
    share = cross_share(rows.any(-1))[:, None, :, None, :, None]
    across = (weights * share).reshape(*weights.shape[:2], modalities * length, -1)
    return own.astype(dtype), across.astype(dtype), share


@jax.custom_vjp
def _pairs(q, k, v, rows):
    """q, k, v [B, H, M S, d], rows [B, M, S] -> inner and cross [B, H, M S, d]."""
    return _pairs_forward(q, k, v, rows)[0]


def _pairs_forward(q, k, v, rows):
    weights = _weights(q, k, rows)
    own, across, _ = _parts(weights, rows, v.dtype)
    inner = einsum("bhmst,bhmtd->bhmsd", own, v.reshape(*own.shape[:4], -1))
    cross = einsum("bhqk,bhkd->bhqd", across, v)
    return (inner.reshape(v.shape).astype(v.dtype), cross.astype(v.dtype)), (q, k, v, rows, weights)


def _pairs_backward(saved, d):
    q, k, v, rows, weights = saved
    own, across, share = _parts(weights, rows, v.dtype)
    blocks = (*own.shape[:4], -1)
    d_inner, d_cross = d[0].reshape(blocks), d[1]
    d_own = einsum("bhmsd,bhmtd->bhmst", d_inner, v.reshape(blocks))
    d_across = einsum("bhqd,bhkd->bhqk", d_cross, v).reshape(weights.shape)
    dv = einsum("bhmst,bhmsd->bhmtd", own, d_inner).reshape(v.shape)
    dv = dv + einsum("bhqk,bhqd->bhkd", across, d_cross)
    same = jnp.eye(own.shape[2], dtype=bool)[:, None, :, None]
    d_weights = jnp.where(same, d_own[:, :, :, :, None], d_across * share)
    d_scores = weights * (d_weights - (d_weights * weights).sum(-1, keepdims=True))
    d_scores = (d_scores * q.shape[-1] ** -0.5).reshape(across.shape).astype(q.dtype)
    dq = einsum("bhqk,bhkd->bhqd", d_scores, k)
    dk = einsum("bhqk,bhqd->bhkd", d_scores, q)
    return dq.astype(q.dtype), dk.astype(k.dtype), dv.astype(v.dtype), None


_pairs.defvjp(_pairs_forward, _pairs_backward)
