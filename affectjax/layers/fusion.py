"""Cross-temporal multimodal fusion: every segment of every modality attends to every other.

One modality's rows attend to its own rows (inner) and to those of each other modality that is
present (cross, averaged); both are joined by an output product. Two forms of the same numbers:
"unrolled" writes the layers out, with one plain 2-D product a modality, which XLA runs best on
CPUs; "scan" stacks layers and modalities inside jit, which compiles fast and fills accelerators.
Parameters have one layout for both: a subtree a layer and, in it, a kernel a modality.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.layers.dense import (
    dense,
    dense_tree,
    dropout,
    feedforward,
    feedforward_tree,
    fold,
    layer_norm,
    norm_tree,
)
from affectjax.layers.pairs import pair_attention
from affectjax.layers.parameters import Leaf
from affectjax.layers.positions import sinusoids

Streams = Mapping[str, jax.Array]  # one array a modality
Apply = Callable[[Any, jax.Array], jax.Array]  # of parameters and an array


@dataclass(frozen=True)
class Fusion:
    """What the stack is made of; the functions below read it and hold no state."""

    names: tuple[str, ...]  # the modalities, in the order of every sum
    segments: int
    width: int
    layers: int
    heads: int
    ffn: int
    kind: str = "ctm"  # "ctm" | "inner" | "cross"; `layers.readout` knows more
    norm: str = "pre"  # "pre" | "post"
    # output product, feed-forward and norms of these three: one a "layer" or a "modality"
    share: str = "layer"
    positions: str = "sinusoids"  # how the learned table starts: "sinusoids" | "normal"
    dropout: float = 0.0
    form: str = "auto"  # "auto" | "unrolled" | "scan"
    remat: str = "none"  # "none" | "layer"

    @property
    def parts(self) -> tuple[str, ...]:
        """Which attentions a layer has."""
        return ("inner", "cross") if self.kind == "ctm" else (self.kind,)


def resolve_form(form: str, remat: str = "none") -> str:
    """`auto` is the form that measured best on the backend at hand.

    Making layers again saves memory on CPUs in a scan alone: XLA moves what is written out.
    """
    if form != "auto":
        return form
    return "unrolled" if jax.default_backend() == "cpu" and remat == "none" else "scan"


def layer_name(index: int) -> str:
    """What the parameters of a layer stand under."""
    return f"layer_{index:02d}"


def fusion_tree(s: Fusion) -> dict[str, Any]:
    """Shapes and initialisers of every parameter of the stack."""

    def own(make: Callable[[], Any]) -> dict[str, Any]:
        return {m: make() for m in s.names}

    shared = own if s.share == "modality" else lambda make: make()
    small = initializers.normal(0.02)
    # W_o lies in blocks of rows, one a part; their initial scale is that of the whole
    whole = initializers.variance_scaling(1 / len(s.parts), "fan_in", "truncated_normal")
    block = {"kernel": Leaf((s.width, s.width), whole)}
    layer = {
        **{n: own(lambda: dense_tree(s.width, s.width, False)) for n in ("query", "key", "value")},
        "output": {part: shared(lambda: block) for part in s.parts},
        "feedforward": shared(lambda: feedforward_tree(s.width, s.ffn)),
        "norm_attention": shared(lambda: norm_tree(s.width)),
        "norm_feedforward": shared(lambda: norm_tree(s.width)),
    }
    tree: dict[str, Any] = {layer_name(i): layer for i in range(s.layers)}
    tree["first"] = own(lambda: Leaf((s.width,), small))
    start = sinusoids if s.positions == "sinusoids" else small
    tree["position"] = Leaf((s.segments + 1, s.width), start)
    if s.norm == "pre":
        tree["norm"] = shared(lambda: norm_tree(s.width))
    return tree


def fuse(
    p: Mapping[str, Any],
    features: Streams,
    present: Streams,
    s: Fusion,
    key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """features {m: [B, T, D]}, present {m: [B, T]} -> f [B, T+1, D] and its mask [B, T+1].

    A row of f averages the modalities present there; where none is, it is zero and masked.
    """
    rows = jnp.stack([with_first_row(present[m]) for m in s.names], axis=1)  # [B, M, S]
    z = jnp.stack([with_first(p, m, features[m], present[m]) for m in s.names], axis=1)
    z = dropout(fold(key, s.layers), z, s.dropout)  # [B, M, S, D]
    run = unrolled if resolve_form(s.form, s.remat) == "unrolled" else scanned
    z = run(p, z, rows, s, key)
    if s.norm == "pre":
        z = shared(by_loop, layer_norm, p["norm"], z, s)
    count = rows.sum(1)
    weights = (rows / jnp.maximum(count, 1)[:, None]).astype(z.dtype)
    return (z * weights[..., None]).sum(1), count > 0


def with_first_row(present: jax.Array) -> jax.Array:
    """[B, T] -> [B, T+1]: the first token is there if any segment is."""
    return jnp.concatenate([present.any(1, keepdims=True), present], axis=1)


def with_first(p: Mapping[str, Any], modality: str, x: jax.Array, present: jax.Array) -> jax.Array:
    """[B, T, D] -> [B, T+1, D]: first token, positions; absent rows carry their position only."""
    batch, segments, width = x.shape
    x = jnp.where(present[..., None], x, jnp.zeros_like(x))
    first = jnp.broadcast_to(p["first"][modality].astype(x.dtype), (batch, 1, width))
    return jnp.concatenate([first, x], axis=1) + p["position"][: segments + 1].astype(x.dtype)


def by_loop(apply: Apply, p: Streams, x: jax.Array, s: Fusion) -> jax.Array:
    """x [B, M, ...]: every modality with its own parameters p {m: ...}, one after the other."""
    return jnp.stack([apply(p[m], x[:, i]) for i, m in enumerate(s.names)], axis=1)


def by_batch(apply: Apply, p: Any, x: jax.Array, s: Fusion) -> jax.Array:
    """x [B, M, ...]: every modality with its own parameters p [M, ...], all at once."""
    return jax.vmap(apply, in_axes=(0, 1), out_axes=1)(p, x)


def shared(each: Callable[..., jax.Array], apply: Apply, p: Any, x: jax.Array, s: Fusion):
    """Parameters that all modalities share, unless `share` says that each has its own."""
    return each(apply, p, x, s) if s.share == "modality" else apply(p, x)


def fusion_layer(
    p: Mapping[str, Any],
    z: jax.Array,
    rows: jax.Array,
    s: Fusion,
    key: jax.Array | None,
    each: Callable[..., jax.Array],
) -> jax.Array:
    """z [B, M, S, D], rows [B, M, S] -> z after attention and feed-forward."""

    def attention(x):
        q, k, v = (each(dense, p[name], x, s) for name in ("query", "key", "value"))
        found = pair_attention(q, k, v, rows, s.heads)
        # (inner and cross side by side) W_o, without laying them side by side
        return sum(shared(each, dense, p["output"][part], found[part], s) for part in s.parts)

    def forward(x):
        return shared(each, feedforward, p["feedforward"], x, s)

    for place, (sublayer, name) in enumerate(
        ((attention, "norm_attention"), (forward, "norm_feedforward"))
    ):
        y = sublayer(shared(each, layer_norm, p[name], z, s) if s.norm == "pre" else z)
        z = z + dropout(fold(key, place), y, s.dropout)
        # else XLA adds the sum of all earlier sublayers up again wherever it is read
        z = jax.lax.optimization_barrier(z)
        z = shared(each, layer_norm, p[name], z, s) if s.norm == "post" else z
    return z


def unrolled(
    p: Mapping[str, Any], z: jax.Array, rows: jax.Array, s: Fusion, key: jax.Array | None
) -> jax.Array:
    """All layers, written out, with a plain 2-D product a modality."""

    def layer(p, z, key):
        return fusion_layer(p, z, rows, s, key, by_loop)

    if s.remat == "layer":
        layer = jax.checkpoint(layer)
    for i in range(s.layers):
        z = layer(p[layer_name(i)], z, fold(key, i))
    return z


def scanned(
    p: Mapping[str, Any], z: jax.Array, rows: jax.Array, s: Fusion, key: jax.Array | None
) -> jax.Array:
    """All layers as one scan over stacked parameters, with modalities as a batch dimension."""
    if not s.layers:
        return z

    def layer(z, step):
        p, key = step
        return fusion_layer(p, z, rows, s, key, by_batch), None

    if s.remat == "layer":
        layer = jax.checkpoint(layer)
    layers = stack([stack_modalities(p[layer_name(i)], s) for i in range(s.layers)])
    keys = None if key is None else jax.vmap(lambda i: fold(key, i))(jnp.arange(s.layers))
    return jax.lax.scan(layer, z, (layers, keys))[0]


def stack(trees: list[Any]) -> Any:
    """Equal trees -> one tree with a new leading axis."""
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def stack_modalities(layer: Mapping[str, Any], s: Fusion) -> dict[str, Any]:
    """One layer's parameters with [M, ...] in place of every subtree a modality."""

    def together(p):
        return stack([p[m] for m in s.names])

    out = {name: together(layer[name]) for name in ("query", "key", "value")}
    rest = {name: p for name, p in layer.items() if name not in out}
    if s.share == "modality":
        blocks = {part: together(p) for part, p in rest.pop("output").items()}
        rest = {name: together(p) for name, p in rest.items()} | {"output": blocks}
    return out | rest
