"""What follows VAANet's two networks in the authors' release, and where its checkpoint keeps it."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from affectjax.backbones.torch_state import State
from affectjax.layers import released
from affectjax.layers.batch_norm import Variables
from affectjax.layers.dense import dense

CHANNELS = 512  # of the map that the attentions see
SOUND = 256  # width of the sound's stream


def trees(
    cells: int, channels: int, segments: int, sound: int, sound_segments: int, classes: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and statistics for maps [T, cells, channels] and sound [S, sound]."""
    scores = {
        "spatial": released.score_tree(CHANNELS, cells, False),
        "channel": released.score_tree(cells, CHANNELS, False),
        "temporal": released.score_tree(CHANNELS, segments, True),
        "audio_temporal": released.heard_tree(SOUND, sound_segments),
    }
    params = scores | {
        "reduce": released.normed_tree(channels, CHANNELS, released.convolution_tree),
        "audio": released.normed_tree(sound, SOUND),
        "head": released.torch_tree(CHANNELS + SOUND, classes),
    }
    stats = {name: released.score_statistics() for name in scores} | {
        "reduce": released.normed_statistics(CHANNELS),
        "audio": released.normed_statistics(SOUND),
    }
    return params, stats


def read(
    p: Mapping[str, Any],
    stored: Mapping[str, Any],
    maps: jax.Array,
    there: jax.Array,
    sound: jax.Array,
    heard: jax.Array,
    live: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array, dict[str, Any]]:
    """maps [B, T, m, n], sound [B, S, d] -> logits, attention of both [B, T], [B, S]; statistics.

    `there` [B, T] and `heard` [B, S] say which segments are there; the others weigh 0.
    """
    new: dict[str, Any] = {}
    x, new["reduce"] = released.normed(p["reduce"], stored["reduce"], maps, live)
    x = jax.nn.relu(x)
    cells, channels = x.shape[2:]
    found, new["spatial"] = released.scores(p["spatial"], stored["spatial"], x, live)
    x = x * (cells * jax.nn.softmax(found))[..., None].astype(x.dtype)
    turned = x.swapaxes(-1, -2)
    found, new["channel"] = released.scores(p["channel"], stored["channel"], turned, live)
    x = x.mean(2) * (channels * jax.nn.softmax(found)).astype(x.dtype)
    found, new["temporal"] = released.scores(p["temporal"], stored["temporal"], x, live)
    seen = jnp.where(there, jax.nn.relu(found), 0.0)
    y, new["audio"] = released.normed(p["audio"], stored["audio"], sound, live)
    y = jnp.tanh(y)
    at, old = p["audio_temporal"], stored["audio_temporal"]
    found, new["audio_temporal"] = released.scores(at, old, y, live)
    loud = jnp.where(heard, jax.nn.relu(found), 0.0)
    parts = [released.mean_over(seen, x), released.mean_over(loud, y)]
    return dense(p["head"], jnp.concatenate(parts, -1)), seen, loud, new


class Release(nn.Module):
    """`read` with parameters and statistics of its own."""

    sizes: tuple[int, ...]  # the arguments of `trees`
    norms: str = "live"

    @nn.compact
    def __call__(self, maps, there, sound, heard, train: bool):
        variables = Variables(*trees(*self.sizes), name="net")
        arrays = variables()
        live = train and self.norms == "live"
        *answer, new = read(
            arrays["params"], arrays["batch_stats"], maps, there, sound, heard, live
        )
        if live:
            variables(new)
        return answer


def from_torch(
    state: State, cells: int, channels: int, segments: int, sound: int, sound_segments: int,
    classes: int,
) -> dict[str, Any]:  # fmt: skip
    """The authors' names -> {"params", "batch_stats"} of `trees`; the networks' own are left."""
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}

    def scores(name, theirs, width, entries, bias):
        (kernel,) = state.conv1d(f"{theirs}.conv.0", (1, width, 1))["kernel"]
        norm, stored = state.batch_norm(f"{theirs}.conv.1", 1)
        mix = state.linear(f"{theirs}.fc", (entries, entries), bias)
        params[name] = {"score": {"kernel": kernel}, "norm": norm, "mix": mix}
        stats[name] = {"norm": stored}

    scores("spatial", "sa_net", CHANNELS, cells, False)
    scores("channel", "cwa_net", cells, CHANNELS, False)
    scores("temporal", "ta_net", CHANNELS, segments, True)
    scores("audio_temporal", "aa_net", SOUND, sound_segments, True)
    reduce = state.conv1d("conv0.0", (1, channels, CHANNELS), bias=True)
    reduce["kernel"] = reduce["kernel"][0]
    for name, layer, norm_of, width in (
        ("reduce", reduce, "conv0.1", CHANNELS),
        ("audio", state.linear("a_fc.0", (sound, SOUND)), "a_fc.1", SOUND),
    ):
        norm, stored = state.batch_norm(norm_of, width)
        params[name], stats[name] = {"dense": layer, "norm": norm}, {"norm": stored}
    params["head"] = state.linear("av_fc", (CHANNELS + SOUND, classes))
    state.ignore(r"fc\..*", "a layer of the release that nothing reads")
    return {"params": params, "batch_stats": stats}
