"""What MTCNN does with boxes between its networks, in static shapes.

Boxes are [N, 4]: left, top, right, bottom, counted from 1 as in the code that the published
weights were made with. Places that hold no box are marked in `valid` [N] and may hold anything.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

STRIDE, CELL = 2, 12  # of the first network, in pixels of its scaled picture


def scales(height: int, width: int, smallest: int, factor: float) -> list[float]:
    """Of the pyramid: from faces of `smallest` pixels up to the whole short side."""
    found, scale = [], CELL / smallest
    side = min(height, width) * scale
    while side >= CELL:
        found.append(scale)
        scale *= factor
        side *= factor
    return found


def cell_boxes(height: int, width: int, scale: float) -> np.ndarray:
    """The part of the picture that each place of the first network's map saw, [H * W, 4]."""
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
    first = np.stack([x, y], 1) * np.float32(STRIDE)
    edges = (first + np.float32(1), first + np.float32(CELL))
    return np.concatenate([np.floor(edge / np.float32(scale)) for edge in edges], 1)


def best(count: int, scores: jax.Array, valid: jax.Array, *others: jax.Array):
    """The `count` best in falling order: scores, valid and others [N, ...] -> [count, ...].

    Of equal scores the earlier comes first; places are left empty where there are fewer.
    """
    missing = max(count - scores.shape[0], 0)
    ranked, index = jax.lax.top_k(jnp.where(valid, scores, -jnp.inf), min(count, scores.shape[0]))
    chosen = [ranked, jnp.isfinite(ranked), *(x[index] for x in others)]
    return [jnp.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) for x in chosen]


def over_union(a: jax.Array, b: jax.Array) -> jax.Array:
    """Intersection over union of [N, 4] and [M, 4] -> [N, M]; edges have no width."""
    common, sizes_a, sizes_b = _overlaps(a, b, 0.0)
    return common / (sizes_a[:, None] + sizes_b - common)


def over_smaller(a: jax.Array, b: jax.Array) -> jax.Array:
    """Intersection over the smaller box; edges are one pixel wide."""
    common, sizes_a, sizes_b = _overlaps(a, b, 1.0)
    return common / jnp.minimum(sizes_a[:, None], sizes_b)


def _overlaps(a, b, edge):
    low = jnp.maximum(a[:, None, :2], b[:, :2])
    high = jnp.minimum(a[:, None, 2:], b[:, 2:])
    sides = jnp.maximum(high - low + edge, 0.0)
    sizes = ((x[:, 2] - x[:, 0] + edge) * (x[:, 3] - x[:, 1] + edge) for x in (a, b))
    return sides[..., 0] * sides[..., 1], *sizes


def suppressed(
    boxes: jax.Array,
    valid: jax.Array,
    threshold: float,
    overlap: Callable[[jax.Array, jax.Array], jax.Array] = over_union,
) -> jax.Array:
    """valid [N] without those that a better one covers; boxes come with the best first."""
    covers = overlap(boxes, boxes) > threshold
    place = jnp.arange(len(valid))

    def step(i, kept):
        return kept & ~(kept[i] & covers[i] & (place > i))

    return jax.lax.fori_loop(0, len(valid), step, valid)


def moved(boxes: jax.Array, by: jax.Array, edge: float) -> jax.Array:
    """Boxes whose sides go by these parts [N, 4] of the width and the height."""
    sides = boxes[:, 2:] - boxes[:, :2] + edge
    return boxes + by * jnp.concatenate([sides, sides], 1)


def squared(boxes: jax.Array) -> jax.Array:
    """Around the same centre, as wide and high as the longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(1, keepdims=True)
    low = boxes[:, :2] + sides * 0.5 - longer * 0.5
    return jnp.concatenate([low, low + longer], 1)


def inside(boxes: jax.Array, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """Whole pixels within the picture, int32, left and top from 0; and whether any are left."""
    whole = jnp.trunc(boxes).astype(jnp.int32)
    low = jnp.maximum(whole[:, :2], 1) - 1
    high = jnp.minimum(whole[:, 2:], jnp.array([width, height]))
    some = (high > low).all(1)
    return jnp.where(some[:, None], jnp.concatenate([low, high], 1), 0), some
