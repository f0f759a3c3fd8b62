"""Which frames a look at some segments shows: theirs joined, divided anew, and sampled again.

Shapes stay: the kept segments' frames are one line, looped where it is shorter than T snippets,
cut into T equal parts, and a snippet is taken from each. What the division leaves over is unseen.
"""

import jax
import jax.numpy as jnp


def frame_numbers(
    kept: jax.Array, start: jax.Array, frames: int, length: int
) -> tuple[jax.Array, jax.Array]:
    """kept bool [B, T], start [B, T] in [0, 1] -> int [B, T, F] and which are there, bool [B, T].

    Numbers count the P = `frames` frames of all T segments, one after another; F = `length`.
    """
    segments = kept.shape[1]
    count = kept.sum(-1) * frames  # [B]
    each = jnp.maximum(count, segments * length) // segments
    spare = (each - length)[:, None]
    first = jnp.minimum((start * (spare + 1)).astype(jnp.int32), spare)
    place = jnp.arange(segments) * each[:, None] + first  # [B, T]
    place = place[..., None] + jnp.arange(length)
    place = place % jnp.maximum(count, 1)[:, None, None]
    order = jnp.argsort(~kept, axis=-1, stable=True)  # the kept ones in order, then the others
    segment = jnp.take_along_axis(order[:, None], place // frames, axis=-1)
    there = jnp.broadcast_to((count > 0)[:, None], kept.shape)
    return segment * frames + place % frames, there


def resample(
    frames: jax.Array, kept: jax.Array, start: jax.Array, length: int
) -> tuple[jax.Array, jax.Array]:
    """frames [B, T, P, H, W, 3] -> [B, T, F, H, W, 3] of the kept segments, and bool [B, T]."""
    numbers, there = frame_numbers(kept, start, frames.shape[2], length)
    line = frames.reshape(len(frames), -1, *frames.shape[3:])
    found = jax.vmap(lambda one, chosen: one[chosen])(line, numbers)
    return found, there
