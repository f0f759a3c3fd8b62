"""Attention over masked keys, where a query without any key gets zeros and never NaN."""

import jax
import jax.numpy as jnp


def masked_softmax(scores: jax.Array, mask: jax.Array) -> jax.Array:
    """Softmax over the last axis among keys with mask True, in float32; all masked gives zeros."""
    scores = jnp.where(mask, scores.astype(jnp.float32), -jnp.inf)
    peak = jax.lax.stop_gradient(scores.max(-1, keepdims=True))
    # an all-masked row has peak -inf: any finite stand-in keeps exp and its gradient finite
    weights = jnp.exp(scores - jnp.where(jnp.isfinite(peak), peak, 0.0))
    total = weights.sum(-1, keepdims=True)
    return weights / jnp.where(total == 0.0, 1.0, total)


def split_heads(x: jax.Array, heads: int) -> jax.Array:
    """[..., D] -> [..., heads, D / heads]."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads)


def merge_heads(x: jax.Array) -> jax.Array:
    """[..., heads, d] -> [..., heads * d]."""
    return x.reshape(*x.shape[:-2], -1)


def einsum(spec: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """An einsum that adds up in float32, in which it also answers."""
    return jnp.einsum(spec, a, b, preferred_element_type=jnp.float32)


def attend(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array, heads: int
) -> jax.Array:
    """query [B, Q, D], key and value [B, K, D], mask [B, K] or [B, Q, K] -> [B, Q, D]."""
    q, k, v = (split_heads(x, heads) for x in (query, key, value))
    mask = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]
    scores = einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
    weights = masked_softmax(scores, mask).astype(v.dtype)
    return merge_heads(einsum("bhqk,bkhd->bqhd", weights, v).astype(v.dtype))


def attend_within(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    group: jax.Array,
    longest: int,
    heads: int,
) -> jax.Array:
    """Attention among neighbours of the same group: arrays [B, N, D], group [B, N], 0 = padding.

    A group is a contiguous run of at most `longest` tokens, so the keys of a token lie less than
    `longest` away: blocks of that length see themselves and the two blocks beside them. Memory
    grows with N * 3 * longest, not with N * N.
    """
    batch, tokens, width = query.shape
    blocks = -(-tokens // longest)

    def cut(x):  # [B, N, ...] -> [B, blocks, longest, ...]
        pad = [(0, 0), (0, blocks * longest - tokens)] + [(0, 0)] * (x.ndim - 2)
        return jnp.pad(x, pad).reshape(batch, blocks, longest, *x.shape[2:])

    def neighbours(x):  # [B, blocks, longest, ...] -> [B, blocks, 3 * longest, ...]
        padded = jnp.pad(x, [(0, 0), (1, 1)] + [(0, 0)] * (x.ndim - 2))
        return jnp.concatenate([padded[:, i : i + blocks] for i in range(3)], axis=2)

    q, k, v = (split_heads(cut(x), heads) for x in (query, key, value))
    k, v, own = neighbours(k), neighbours(v), cut(group)
    mask = (own[..., :, None] == neighbours(own)[..., None, :]) & (own[..., :, None] > 0)
    scores = einsum("bnqhd,bnkhd->bnhqk", q, k) * q.shape[-1] ** -0.5
    weights = masked_softmax(scores, mask[:, :, None]).astype(v.dtype)
    y = merge_heads(einsum("bnhqk,bnkhd->bnqhd", weights, v).astype(v.dtype))
    return y.reshape(batch, blocks * longest, width)[:, :tokens]
