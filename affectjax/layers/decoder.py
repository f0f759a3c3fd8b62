"""The comment decoder: packed comments read themselves and the video, each comment on its own.

All comments of a clip lie end to end in one row of N tokens; self-attention stays within a
comment, cross-attention sees the video representation, whose keys and values are made once a
video. The last layer's cross-attention and feed-forward run for the masked slots only, since
nothing else is read there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.attention import attend, attend_within
from affectjax.layers.dense import (
    dense,
    dense_tree,
    dropout,
    feedforward,
    feedforward_tree,
    fold,
    last_dense,
    layer_norm,
    norm_tree,
)
from affectjax.layers.fusion import layer_name, resolve_form, stack
from affectjax.layers.parameters import Leaf


@dataclass(frozen=True)
class Decoder:
    """What the decoder is made of; the functions below read it and hold no state."""

    vocabulary: int  # padded size
    width: int
    layers: int
    heads: int
    ffn: int
    max_words: int  # a comment holds at most max_words + 1 tokens, its start token among them
    norm: str = "pre"  # "pre" | "post"
    tied: bool = False  # word classifier = word embedding
    dropout: float = 0.0
    form: str = "auto"  # "auto" | "unrolled" | "scan"
    remat: str = "none"  # "none" | "layer"


def decoder_tree(s: Decoder) -> dict[str, Any]:
    """Shapes and initialisers of every parameter of the decoder."""
    small = initializers.normal(0.02)
    square = dense_tree(s.width, s.width, False)
    attention = {name: square for name in ("query", "key", "value", "output")}
    layer = {
        "self": attention,
        "cross": attention,
        "feedforward": feedforward_tree(s.width, s.ffn),
        "norm_self": norm_tree(s.width),
        "norm_cross": norm_tree(s.width),
        "norm_feedforward": norm_tree(s.width),
    }
    tree: dict[str, Any] = {layer_name(i): layer for i in range(s.layers)}
    tree["word"] = Leaf((s.vocabulary, s.width), small)
    tree["position"] = Leaf((s.max_words + 1, s.width), small)
    if s.norm == "pre":
        tree["norm"] = norm_tree(s.width)
    head = {"bias": Leaf((s.vocabulary,), initializers.zeros)}
    tree["head"] = head if s.tied else dense_tree(s.width, s.vocabulary)
    return tree


def decode(
    p: Mapping[str, Any],
    tokens: jax.Array,
    comment: jax.Array,
    position: jax.Array,
    masked_at: jax.Array,
    comment_at: jax.Array,
    f: jax.Array,
    f_mask: jax.Array,
    s: Decoder,
    key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """tokens, comment, position [B, N], masked_at [B, P], comment_at [B, C], f [B, T+1, D]

    -> words [B, P, D] at the masked slots, and the last cross-attention's time query [B, C, D]
    of every comment's start token and key [B, T+1, D] of every row of f.
    """
    x = p["word"][tokens].astype(f.dtype) + p["position"][position].astype(f.dtype)
    x = dropout(fold(key, s.layers), x, s.dropout)

    def layer(x, step):
        p, key = step
        x = self_attention(p, x, comment, s, key)
        return rest_of_layer(p, x, f, f_mask, s, key), None

    if s.remat == "layer":
        layer = jax.checkpoint(layer)
    early = s.layers - 1
    keys = [fold(key, i) for i in range(s.layers)]
    if early and resolve_form(s.form, s.remat) == "scan":
        layers = stack([p[layer_name(i)] for i in range(early)])
        x, _ = jax.lax.scan(layer, x, (layers, None if key is None else jnp.stack(keys[:early])))
    else:
        for i in range(early):
            x, _ = layer(x, (p[layer_name(i)], keys[i]))

    last = p[layer_name(early)]
    x = self_attention(last, x, comment, s, keys[early])
    start = take_rows(x, comment_at)
    start = layer_norm(last["norm_cross"], start) if s.norm == "pre" else start
    words = rest_of_layer(last, take_rows(x, masked_at), f, f_mask, s, keys[early])
    words = layer_norm(p["norm"], words) if s.norm == "pre" else words
    return words, dense(last["cross"]["query"], start), dense(last["cross"]["key"], f)


def self_attention(p, x: jax.Array, comment: jax.Array, s: Decoder, key) -> jax.Array:
    """x [B, N, D] -> the residual stream after attention within each comment."""
    y = layer_norm(p["norm_self"], x) if s.norm == "pre" else x
    q, k, v = (dense(p["self"][name], y) for name in ("query", "key", "value"))
    y = attend_within(q, k, v, comment, s.max_words + 1, s.heads)
    x = x + dropout(fold(key, 0), dense(p["self"]["output"], y), s.dropout)
    return x if s.norm == "pre" else layer_norm(p["norm_self"], x)


def rest_of_layer(p, x: jax.Array, f: jax.Array, f_mask: jax.Array, s: Decoder, key) -> jax.Array:
    """x [B, Q, D] -> after cross-attention to f [B, T+1, D] and feed-forward."""
    y = layer_norm(p["norm_cross"], x) if s.norm == "pre" else x
    k, v = dense(p["cross"]["key"], f), dense(p["cross"]["value"], f)
    y = attend(dense(p["cross"]["query"], y), k, v, f_mask, s.heads)
    x = x + dropout(fold(key, 1), dense(p["cross"]["output"], y), s.dropout)
    if s.norm == "pre":
        y = feedforward(p["feedforward"], layer_norm(p["norm_feedforward"], x))
        return x + dropout(fold(key, 2), y, s.dropout)
    x = layer_norm(p["norm_cross"], x)
    y = dropout(fold(key, 2), feedforward(p["feedforward"], x), s.dropout)
    return layer_norm(p["norm_feedforward"], x + y)


def word_logits(p: Mapping[str, Any], x: jax.Array, words: int, s: Decoder) -> jax.Array:
    """x [B, P, D] -> float32 [B, P, vocabulary]; the padding beyond `words` is -inf."""
    kernel = p["word"].T if s.tied else p["head"]["kernel"]
    logits = last_dense({"kernel": kernel}, x)
    # the padding goes through the bias: over the logits it costs a pass each way
    return logits + jnp.where(jnp.arange(s.vocabulary) < words, p["head"]["bias"], -jnp.inf)


def take_rows(x: jax.Array, index: jax.Array) -> jax.Array:
    """x [B, N, D], index [B, P] -> [B, P, D]."""
    return jnp.take_along_axis(x, index[..., None], axis=1)
