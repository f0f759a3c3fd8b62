"""Temporal correlation of T segments within a modality and between two: who resembles whom.

Queries, keys, values and the scores of every pair of segments depend on the features alone. So they
are made once, and any number of readings, each with segments of its own that are there, share them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.attention import einsum, masked_softmax
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.parameters import Leaf

Streams = dict[str, jax.Array]


class Correlation(NamedTuple):
    """What all readings share; `scores` of (query's modality, key's modality)."""

    features: Streams  # {m: [B, T, C]}
    values: Streams  # {m: [B, T, C]}
    scores: dict[tuple[str, str], jax.Array]  # float32 [B, T, T]


def correlation_tree(
    names: Sequence[str], width: int, intra: bool = True, inter: bool = True
) -> dict[str, Any]:
    """Per modality: projections `theta`, `phi`, `g`, and a gate for each kind of correlation.

    Gates start at 1: from 0 a small learning rate would hardly open them.
    """
    if not (intra or inter):
        return {}
    gates = {"intra": intra, "inter": inter}
    gate = Leaf((1,), initializers.ones)
    return {
        m: {part: dense_tree(width, width) for part in ("theta", "phi", "g")}
        | {name: gate for name, used in gates.items() if used}
        for m in names
    }


def correlate(
    p: Mapping[str, Any], features: Streams, intra: bool = True, inter: bool = True
) -> Correlation:
    """features {m: [B, T, C]} -> values, and the scores q k^T / sqrt(C) of the pairs asked for."""
    if not (intra or inter):
        return Correlation(features, {}, {})
    query = {m: dense(p[m]["theta"], x) for m, x in features.items()}
    key = {m: dense(p[m]["phi"], x) for m, x in features.items()}
    value = {m: dense(p[m]["g"], x) for m, x in features.items()}
    scores = {
        (m, n): einsum("btc,bsc->bts", query[m], key[n]) * query[m].shape[-1] ** -0.5
        for m in features
        for n in features
        if (intra if m == n else inter)
    }
    return Correlation(features, value, scores)


def enhance(
    p: Mapping[str, Any], found: Correlation, there: Streams, intra: bool = True, inter: bool = True
) -> Streams:
    """there {m: bool [B, T]} -> {m: [B, T, C]}, zero where nothing is.

    F' = F + W_z S V within the modality, F'' = F + W U across; the answer is F' + F'', or the one
    of them that is asked for, or F where neither is.
    """
    out = {}
    for m, x in found.features.items():
        parts = []
        if intra:
            parts.append(x + _gathered(p[m]["intra"], found, there, m, [m]))
        if inter:
            others = [n for n in found.features if n != m]
            parts.append(x + _gathered(p[m]["inter"], found, there, m, others))
        y = sum(parts) if parts else x
        out[m] = jnp.where(there[m][..., None], y, jnp.zeros_like(y))
    return out


def _gathered(gate, found: Correlation, there: Streams, m: str, others: Sequence[str]):
    """gate * sum over modalities of softmax(scores) values [B, T, C]."""
    total = 0.0
    for n in others:
        weights = masked_softmax(found.scores[m, n], there[n][:, None, :])
        values = found.values[n]
        total += einsum("bts,bsc->btc", weights.astype(values.dtype), values).astype(values.dtype)
    return gate.astype(found.features[m].dtype) * total
