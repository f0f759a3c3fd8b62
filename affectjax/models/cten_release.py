"""What follows CTEN's two networks in the authors' release, and where its checkpoint keeps it."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from affectjax.backbones.torch_state import State
from affectjax.layers import released
from affectjax.layers.batch_norm import Variables
from affectjax.layers.dense import dense

NON_LOCAL = {"visual": "nl.0", "sound": "nl_a.0"}
ATTENTIONS = {"visual": "v2a_attn", "sound": "a2v_attn"}  # the stream that each one adds to


def trees(
    width: int, segments: int, sound: int, classes: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and statistics for pictures [T, width] and sound [T, sound]."""
    params = {f"non_local_{m}": released.non_local_tree(width) for m in NON_LOCAL}
    params |= {f"across_{m}": released.rectified_tree(width) for m in ATTENTIONS}
    params |= {
        "audio": released.normed_tree(sound, width),
        "temporal": released.score_tree(2 * width, segments, True),
        "head": released.torch_tree(2 * width, classes),
    }
    stats = {f"non_local_{m}": {"out": released.normed_statistics(width)} for m in NON_LOCAL}
    stats |= {
        "audio": released.normed_statistics(width),
        "temporal": released.score_statistics(),
    }
    return params, stats


def read(
    p: Mapping[str, Any],
    stored: Mapping[str, Any],
    visual: jax.Array,
    there: jax.Array,
    sound: jax.Array,
    heard: jax.Array,
    live: bool = False,
    drop=lambda x: x,
) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
    """visual [B, T, C], sound [B, T, d] -> logits, attention [B, T], statistics to store.

    `there` and `heard` [B, T] say which segments are there. `drop` is the dropout before the head.
    """
    new: dict[str, Any] = {}
    y, new["audio"] = released.normed(p["audio"], stored["audio"], sound, live)
    streams = {"visual": (visual, there), "sound": (jnp.tanh(y), heard)}
    found = {}
    for m, (x, mask) in streams.items():
        name = f"non_local_{m}"
        found[m], new[name] = released.non_local(p[name], stored[name], x, mask, live)
    joined = []
    for m, other in (("visual", "sound"), ("sound", "visual")):
        mask = streams[m][1]  # the other stream asks, this one answers
        across = released.rectified_attention(p[f"across_{m}"], found[other], found[m], mask)
        joined.append(jnp.where(mask[..., None], found[m] + across, 0.0))
    x = jnp.concatenate(joined, -1)
    scores, new["temporal"] = released.scores(p["temporal"], stored["temporal"], x, live)
    weights = jnp.where(there | heard, jax.nn.relu(scores), 0.0)
    return dense(p["head"], drop(released.mean_over(weights, x))), weights, new


class Release(nn.Module):
    """`read` with parameters and statistics of its own; dropout while training."""

    sizes: tuple[int, ...]  # the arguments of `trees`
    norms: str = "live"
    dropout: float = 0.2

    @nn.compact
    def __call__(self, visual, there, sound, heard, train: bool):
        variables = Variables(*trees(*self.sizes), name="net")
        arrays = variables()
        live = train and self.norms == "live"
        drop = nn.Dropout(self.dropout, deterministic=not train)
        *answer, new = read(
            arrays["params"], arrays["batch_stats"], visual, there, sound, heard, live, drop
        )
        if live:
            variables(new)
        return answer


def from_torch(state: State, width: int, segments: int, sound: int, classes: int) -> dict[str, Any]:
    """The authors' names -> {"params", "batch_stats"} of `trees`; the networks' own are left."""
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}
    inner = released.NON_LOCAL
    for m, theirs in NON_LOCAL.items():
        parts = {n: state.linear(f"{theirs}.{n}", (width, inner)) for n in ("theta", "phi", "g")}
        norm, stored = state.batch_norm(f"{theirs}.bn", width)
        out = {"dense": state.linear(f"{theirs}.out", (inner, width)), "norm": norm}
        alpha = state.take(f"{theirs}.alpha", (1,))
        params[f"non_local_{m}"] = parts | {"out": out, "alpha": alpha}
        stats[f"non_local_{m}"] = {"out": {"norm": stored}}
    for m, theirs in ATTENTIONS.items():
        names = ("q", "k", "v", "o")
        square = (width, width)
        params[f"across_{m}"] = {n: state.linear(f"{theirs}.linear_{n}", square) for n in names}
    norm, stored = state.batch_norm("a_fc.1", width)
    params["audio"] = {"dense": state.linear("a_fc.0", (sound, width)), "norm": norm}
    stats["audio"] = {"norm": stored}
    (kernel,) = state.conv1d("ta_net.conv.0", (1, 2 * width, 1))["kernel"]
    norm, stored = state.batch_norm("ta_net.conv.1", 1)
    mix = state.linear("ta_net.fc", (segments, segments))
    params["temporal"] = {"score": {"kernel": kernel}, "norm": norm, "mix": mix}
    stats["temporal"] = {"norm": stored}
    params["head"] = state.linear("fc", (2 * width, classes))
    return {"params": params, "batch_stats": stats}
