"""CLIP's image tower: a vision transformer whose first token, projected, describes the picture."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.backbones.preprocess import matching
from affectjax.backbones.torch_state import State
from affectjax.backbones.transformer import (
    attention_tree,
    feedforward,
    feedforward_tree,
    layer_norm,
    layers_of,
    normal,
    self_attention,
)
from affectjax.layers.dense import dense, dense_tree, norm_tree

PREFIX = "vision_model"
LAYERS = f"{PREFIX}.encoder.layers."


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of an image tower, ViT-B/32 by default."""

    size: int = 224  # H = W of the picture
    patch: int = 32
    width: int = 768
    layers: int = 12
    heads: int = 12
    ffn: int = 3072
    projection: int = 512
    activation: str = "quick_gelu"
    epsilon: float = 1e-5
    normalisation: str = "clip"

    @property
    def tokens(self) -> int:
        """Patches of a picture, and the first token."""
        return (self.size // self.patch) ** 2 + 1


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters."""
    layer = {
        "norm_1": norm_tree(s.width),
        "attention": attention_tree(s.width),
        "norm_2": norm_tree(s.width),
        "ffn": feedforward_tree(s.width, s.ffn),
    }
    return {
        "params": {
            "patch": dense_tree(s.patch * s.patch * 3, s.width, bias=False),
            "first": normal(s.width),
            "positions": normal(s.tokens, s.width),
            "norm_in": norm_tree(s.width),
            **{f"layer_{i}": layer for i in range(s.layers)},
            "norm_out": norm_tree(s.width),
            "project": dense_tree(s.width, s.projection, bias=False),
        }
    }


def apply(variables: Mapping[str, Any], x: jax.Array, s: Settings) -> jax.Array:
    """Normalised pictures x [B, H, W, 3] -> [B, projection]."""
    p = variables["params"]
    x = dense(p["patch"], patches(x, s.patch))
    first = jnp.broadcast_to(p["first"].astype(x.dtype), (x.shape[0], 1, s.width))
    x = jnp.concatenate([first, x], axis=1) + p["positions"].astype(x.dtype)
    x = layer_norm(p["norm_in"], x, s.epsilon)
    mask = jnp.ones(x.shape[:2], bool)
    for i in range(s.layers):
        layer = p[f"layer_{i}"]
        h = layer_norm(layer["norm_1"], x, s.epsilon)
        x = x + self_attention(layer["attention"], h, mask, s.heads)
        h = layer_norm(layer["norm_2"], x, s.epsilon)
        x = x + feedforward(layer["ffn"], h, s.activation)
    return dense(p["project"], layer_norm(p["norm_out"], x[:, 0], s.epsilon))


def patches(x: jax.Array, size: int) -> jax.Array:
    """x [B, H, W, 3] -> [B, patches, size * size * 3]: the convolution becomes one product."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // size, size, w // size, size, c).swapaxes(2, 3)
    return x.reshape(b, -1, size * size * c)


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes that the arrays show; what they cannot show from a hub's two .json files."""
    pictures = config.get("preprocessor", {})
    config = config.get("vision_config") or config
    width, _, patch, _ = state.shape(f"{PREFIX}.embeddings.patch_embedding.weight", 4)
    tokens, _ = state.shape(f"{PREFIX}.embeddings.position_embedding.weight", 2)
    ffn, _ = state.shape(f"{LAYERS}0.mlp.fc1.weight", 2)
    projection, _ = state.shape("visual_projection.weight", 2)
    found = {
        "size": patch * round(max(tokens - 1, 0) ** 0.5),
        "patch": patch,
        "width": width,
        "layers": layers_of(state, LAYERS),
        "heads": config.get("num_attention_heads") or max(width // 64, 1),
        "ffn": ffn,
        "projection": projection,
        "activation": config.get("hidden_act", "quick_gelu"),
        "epsilon": config.get("layer_norm_eps", 1e-5),
    }
    if "image_mean" in pictures and "image_std" in pictures:
        mean, deviation = pictures["image_mean"], pictures["image_std"]
        found["normalisation"] = matching(mean, deviation, state.where)
    return found


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """The hub's layout; the text tower of a whole CLIP is left aside."""
    state.ignore(r"text_model\..*|text_projection\.weight", "the text tower")
    state.ignore("logit_scale", "it compares pictures with texts")
    state.ignore(r"vision_model\.embeddings\.position_ids", "a counter")
    embeddings, width = f"{PREFIX}.embeddings", s.width
    kernel = state.conv2d(f"{embeddings}.patch_embedding", (s.patch, s.patch, 3, width))["kernel"]
    params = {
        "patch": {"kernel": kernel.reshape(-1, width)},
        "first": state.take(f"{embeddings}.class_embedding", (width,)),
        "positions": state.embedding(f"{embeddings}.position_embedding", (s.tokens, width)),
        "norm_in": state.norm(f"{PREFIX}.pre_layrnorm", width),  # the hub's own spelling
        "norm_out": state.norm(f"{PREFIX}.post_layernorm", width),
        "project": state.linear("visual_projection", (width, s.projection), bias=False),
    }
    attention = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
    for i in range(s.layers):
        at = f"{LAYERS}{i}"
        params[f"layer_{i}"] = {
            "norm_1": state.norm(f"{at}.layer_norm1", width),
            "attention": {
                ours: state.linear(f"{at}.self_attn.{theirs}", (width, width))
                for ours, theirs in attention.items()
            },
            "norm_2": state.norm(f"{at}.layer_norm2", width),
            "ffn": {
                "in": state.linear(f"{at}.mlp.fc1", (width, s.ffn)),
                "out": state.linear(f"{at}.mlp.fc2", (s.ffn, width)),
            },
        }
    return {"params": params}
