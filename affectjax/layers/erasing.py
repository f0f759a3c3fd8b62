"""Which segments are key, and which are left when those are erased.

The sets are masks, so shapes stay; no gradient passes through them. A set in which nothing is left
stands for the whole video instead.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from affectjax.layers.temporal_attention import normalised

Streams = Mapping[str, jax.Array]
MODES = ("joint", "mean", "stream")


def key_segments(
    attention: Streams, there: Streams, threshold: float, mode: str = "joint"
) -> dict[str, jax.Array]:
    """attention {m: [B, T]} -> {m: bool [B, T]}, the segments there whose attention stands out.

    Attention counts in units of its own range over a video. "joint": every stream that is there
    reaches the threshold; "mean": their mean does; "stream": each stream for itself.
    """
    star = {m: jax.lax.stop_gradient(normalised(a, there[m])) for m, a in attention.items()}
    above = {m: (a >= threshold) & there[m] for m, a in star.items()}
    if mode == "stream":
        return above
    if mode == "joint":
        erased = ~_any([~above[m] & there[m] for m in above])
    else:
        number = sum(t.astype(jnp.float32) for t in there.values())
        erased = sum(star.values()) >= threshold * number
    return {m: erased & there[m] for m in above}


def left_segments(key: Streams, there: Streams) -> dict[str, jax.Array]:
    """What is not key."""
    return {m: there[m] & ~key[m] for m in there}


def strict_segments(attention: jax.Array, there: jax.Array, threshold: float):
    """One stream's attention [B, T] -> (key, left), both bool [B, T]: above and below, not at."""
    star = jax.lax.stop_gradient(normalised(attention, there))
    return there & (star > threshold), there & (star < threshold)


def or_whole(
    chosen: Streams, there: Streams, mode: str = "joint"
) -> tuple[dict[str, jax.Array], jax.Array]:
    """The chosen segments, or the whole video where there is none; and bool [B], where that was.

    In the mode "stream" every stream for itself becomes whole; videos where any did are marked.
    """
    if mode == "stream":
        empty = {m: ~chosen[m].any(-1) & there[m].any(-1) for m in there}
    else:
        nothing = ~_any([c.any(-1) for c in chosen.values()])
        something = _any([t.any(-1) for t in there.values()])
        empty = {m: nothing & something for m in there}
    sets = {m: jnp.where(empty[m][:, None], there[m], chosen[m]) for m in there}
    return sets, _any(list(empty.values()))


def _any(masks: list[jax.Array]) -> jax.Array:
    return jnp.any(jnp.stack(masks), axis=0)
