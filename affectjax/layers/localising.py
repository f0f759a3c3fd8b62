"""What weakly supervised localisers ask of class scores over segments, written for whole batches.

The largest scores stand for the video; videos of one class are alike where that class is active;
the best interval stands out from what lies just outside of it. Segments that are not there count
for nothing anywhere.
"""

import jax
import jax.numpy as jnp
import numpy as np

from affectjax.layers.attention import masked_softmax
from affectjax.losses import Sum

NOTHING = -1e30  # below every score


def top_mean(scores: jax.Array, there: jax.Array, part: int = 8) -> jax.Array:
    """scores [B, T, K], there [B, T] -> [B, K]: of each class the mean of its largest scores.

    One in `part` of the segments there is taken, rounded up; zero where nothing is.
    """
    ordered = -jnp.sort(-jnp.where(there[..., None], scores, NOTHING), axis=1)
    count = -(-there.sum(-1) // part)
    taken = jnp.arange(scores.shape[1]) < count[:, None]
    total = jnp.where(taken[..., None], ordered, 0.0).sum(1)
    return total / jnp.maximum(count, 1)[:, None]


def co_activity(
    features: jax.Array,
    scores: jax.Array,
    there: jax.Array,
    label: jax.Array,
    weight: jax.Array,
    margin: float = 0.5,
) -> Sum:
    """features [B, T, C], scores [B, T, K] -> each video's mean over the others of its class.

    Two videos of a class: where the class is active they shall be nearer to each other, by cosine,
    than either is to the other's remaining segments, by a margin. A video alone in its class
    within the batch weighs nothing.
    """
    own = jnp.take_along_axis(scores, jnp.maximum(label, 0)[:, None, None], 2)[..., 0]
    active = masked_softmax(own.astype(jnp.float32), there)
    rest = jnp.where(there, 1.0 - active, 0.0)
    x = features.astype(jnp.float32)
    high = jnp.einsum("bt,btc->bc", active, x)
    low = jnp.einsum("bt,btc->bc", rest, x) / jnp.maximum(there.sum(-1) - 1, 1)[:, None]
    near, mixed = _cosine(high, high), _cosine(high, low)  # [B, B]
    apart = 1.0 - near
    hinges = jax.nn.relu(apart - (1.0 - mixed) + margin)  # i active, j's rest
    each = 0.5 * (hinges + jax.nn.relu(apart - (1.0 - mixed.T) + margin))
    known = (label >= 0) & (weight > 0) & there.any(-1)
    pairs = (label[:, None] == label) & known[:, None] & known & ~jnp.eye(len(label), dtype=bool)
    others = pairs.sum(1)
    mean = jnp.where(pairs, each, 0.0).sum(1) / jnp.maximum(others, 1)
    counts = (others > 0) * weight
    return mean * counts, counts


def _cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    """[B, C], [B, C] -> [B, B]; the floor keeps the gradient of a vector of zeros finite."""
    a = a * jax.lax.rsqrt(jnp.maximum(jnp.square(a).sum(-1, keepdims=True), 1e-12))
    b = b * jax.lax.rsqrt(jnp.maximum(jnp.square(b).sum(-1, keepdims=True), 1e-12))
    return a @ b.T


def every_interval(segments: int, ring: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """(inner, outer), bool [I, T]: all intervals, and what lies within a ring around each.

    The ring is this share of the interval's length on either side, one segment at least.
    """
    spans = [(a, b) for a in range(segments) for b in range(a + 1, segments + 1)]
    t = np.arange(segments)
    inner = np.array([(t >= a) & (t < b) for a, b in spans])
    wide = [max(1, round(ring * (b - a))) for a, b in spans]
    inflated = np.array([(t >= a - w) & (t < b + w) for (a, b), w in zip(spans, wide)])
    return inner, inflated & ~inner


def contrasts(activity: jax.Array, there: jax.Array) -> jax.Array:
    """activity [B, T] -> [B, I]: the mean within each interval less that of its ring.

    A ring in which nothing is counts as zero activity; an interval in which nothing is loses.
    """
    inner, outer = (jnp.asarray(m, jnp.float32) for m in every_interval(activity.shape[1]))
    mask = there.astype(jnp.float32)
    means = []
    for part in (inner, outer):
        total = jnp.einsum("bt,it->bi", activity * mask, part)
        means.append(total / jnp.maximum(jnp.einsum("bt,it->bi", mask, part), 1.0))
    holds = jnp.einsum("bt,it->bi", mask, inner) > 0
    return jnp.where(holds, means[0] - means[1], NOTHING)


def outer_inner(activity: jax.Array, there: jax.Array, label: jax.Array, weight: jax.Array) -> Sum:
    """activity [B, T] of each video's own class -> outer less inner of its best interval."""
    known = (label >= 0) * weight * there.any(-1)
    best = contrasts(activity, there).max(-1)
    return jnp.where(known > 0, -best, 0.0) * known, known


def covering(activity: jax.Array, there: jax.Array) -> jax.Array:
    """activity [B, T] -> [B, T]: the contrast of the best interval that holds each segment."""
    inner, _ = every_interval(activity.shape[1])
    found = jnp.where(inner, contrasts(activity, there)[..., None], NOTHING).max(1)
    return jnp.where(there, found, 0.0)
