"""BERT: a text encoder, its pooler, and the head that names masked words.

Word pieces come from `tokeniser`, which reads a local folder and never downloads.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from affectjax.backbones.torch_state import State
from affectjax.backbones.transformer import (
    ACTIVATIONS,
    attention_tree,
    feedforward,
    feedforward_tree,
    layer_norm,
    layers_of,
    normal,
    self_attention,
)
from affectjax.errors import UserError
from affectjax.layers.dense import dense, dense_tree, norm_tree
from affectjax.layers.parameters import Leaf


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of an encoder, BERT-base for Chinese by default."""

    vocabulary: int = 21_128
    width: int = 768
    layers: int = 12
    heads: int = 12
    ffn: int = 3072
    positions: int = 512
    types: int = 2
    activation: str = "gelu"
    epsilon: float = 1e-12
    pooler: bool = True
    head: bool = True  # of masked words


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters."""
    layer = {
        "attention": attention_tree(s.width),
        "norm_1": norm_tree(s.width),
        "ffn": feedforward_tree(s.width, s.ffn),
        "norm_2": norm_tree(s.width),
    }
    params = {
        "words": normal(s.vocabulary, s.width),
        "positions": normal(s.positions, s.width),
        "types": normal(s.types, s.width),
        "norm_in": norm_tree(s.width),
        **{f"layer_{i}": layer for i in range(s.layers)},
    }
    if s.pooler:
        params["pooler"] = dense_tree(s.width, s.width)
    if s.head:
        params["head"] = {
            "dense": dense_tree(s.width, s.width),
            "norm": norm_tree(s.width),
            "bias": Leaf((s.vocabulary,), jax.nn.initializers.zeros),
        }
    return {"params": params}


def apply(
    variables: Mapping[str, Any],
    tokens: jax.Array,
    s: Settings,
    mask: jax.Array | None = None,
    types: jax.Array | None = None,
    dtype: Any = jnp.float32,
) -> jax.Array:
    """tokens [B, L], mask [B, L] True at words, types [B, L] -> hidden states [B, L, D]."""
    p = variables["params"]
    mask = jnp.ones(tokens.shape, bool) if mask is None else mask.astype(bool)
    types = jnp.zeros_like(tokens) if types is None else types
    x = p["words"][tokens] + p["positions"][: tokens.shape[1]] + p["types"][types]
    x = layer_norm(p["norm_in"], x.astype(dtype), s.epsilon)
    for i in range(s.layers):
        layer = p[f"layer_{i}"]
        h = self_attention(layer["attention"], x, mask, s.heads)
        x = layer_norm(layer["norm_1"], x + h, s.epsilon)
        h = feedforward(layer["ffn"], x, s.activation)
        x = layer_norm(layer["norm_2"], x + h, s.epsilon)
    return x


def pool(variables: Mapping[str, Any], hidden: jax.Array) -> jax.Array:
    """hidden [B, L, D] -> [B, D]: the first token through a dense layer and tanh."""
    return jnp.tanh(dense(variables["params"]["pooler"], hidden[:, 0]))


def word_scores(variables: Mapping[str, Any], hidden: jax.Array, s: Settings) -> jax.Array:
    """hidden [B, L, D] -> scores [B, L, V] of every word at every place, unnormalised."""
    p = variables["params"]
    head = p["head"]
    h = ACTIVATIONS[s.activation](dense(head["dense"], hidden))
    h = layer_norm(head["norm"], h, s.epsilon)
    return dense({"kernel": p["words"].T, "bias": head["bias"]}, h)


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes that the arrays show; heads, activation and epsilon from a hub's config.json."""
    at = prefix(state)
    rows = {
        name: state.shape(f"{at}embeddings.{name}_embeddings.weight", 2)[0]
        for name in ("position", "token_type")
    }
    vocabulary, width = state.shape(f"{at}embeddings.word_embeddings.weight", 2)
    return {
        "vocabulary": vocabulary,
        "width": width,
        "layers": layers_of(state, f"{at}encoder.layer."),
        "heads": config.get("num_attention_heads") or max(width // 64, 1),
        "ffn": state.shape(f"{at}encoder.layer.0.intermediate.dense.weight", 2)[0],
        "positions": rows["position"],
        "types": rows["token_type"],
        "activation": config.get("hidden_act", "gelu"),
        "epsilon": config.get("layer_norm_eps", 1e-12),
        "pooler": bool(state.keys(rf"{at}pooler\.")),
        "head": bool(state.keys(r"cls\.predictions\.")),
    }


def prefix(state: State) -> str:
    """Checkpoints with a head say `bert.` before every key of the encoder."""
    return "bert." if state.keys(r"bert\.") else ""


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """The hub's layout, with today's names of the norms or with gamma and beta."""
    at, width = prefix(state), s.width
    state.ignore(r"(bert\.)?embeddings\.position_ids", "a counter")
    state.ignore(r"cls\.seq_relationship\..*", "the head of next sentences")
    rows = {"word": s.vocabulary, "position": s.positions, "token_type": s.types}
    tables = {
        name: state.embedding(f"{at}embeddings.{name}_embeddings", (count, width))
        for name, count in rows.items()
    }
    params = {
        "words": tables["word"],
        "positions": tables["position"],
        "types": tables["token_type"],
        "norm_in": state.norm(f"{at}embeddings.LayerNorm", width),
    }
    for i in range(s.layers):
        params[f"layer_{i}"] = _layer(state, f"{at}encoder.layer.{i}", s)
    if s.pooler:
        params["pooler"] = state.linear(f"{at}pooler.dense", (width, width))
    if s.head:
        head = "cls.predictions"
        params["head"] = {
            "dense": state.linear(f"{head}.transform.dense", (width, width)),
            "norm": state.norm(f"{head}.transform.LayerNorm", width),
            "bias": state.take(f"{head}.bias", (s.vocabulary,)),
        }
        for copy, of in (("weight", params["words"]), ("bias", params["head"]["bias"])):
            key = f"{head}.decoder.{copy}"
            if key in state and not np.array_equal(state.take(key, of.shape), of):
                mend = "Its head does not share the word embedding, which this network does."
                raise UserError(f"{key} differs from what it is tied to", state.where, mend)
    return {"params": params}


def _layer(state: State, at: str, s: Settings) -> dict[str, Any]:
    square = (s.width, s.width)
    attention = {
        name: state.linear(f"{at}.attention.self.{name}", square)
        for name in ("query", "key", "value")
    }
    attention["out"] = state.linear(f"{at}.attention.output.dense", square)
    return {
        "attention": attention,
        "norm_1": state.norm(f"{at}.attention.output.LayerNorm", s.width),
        "ffn": {
            "in": state.linear(f"{at}.intermediate.dense", (s.width, s.ffn)),
            "out": state.linear(f"{at}.output.dense", (s.ffn, s.width)),
        },
        "norm_2": state.norm(f"{at}.output.LayerNorm", s.width),
    }


def tokeniser(folder: str | pathlib.Path) -> Any:
    """The word-piece tokeniser of a local hub folder (vocab.txt or tokenizer.json)."""
    folder = pathlib.Path(folder)
    if not any((folder / name).is_file() for name in ("vocab.txt", "tokenizer.json")):
        mend = "Name the folder of the published checkpoint."
        raise UserError("no vocab.txt and no tokenizer.json", str(folder), mend)
    from transformers import AutoTokenizer, BertTokenizerFast

    if (folder / "config.json").is_file():
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return BertTokenizerFast.from_pretrained(folder, local_files_only=True)
