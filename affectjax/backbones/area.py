"""Pictures resampled by area: every new pixel is the mean of the old ones that its cell touches.

Sums over any rectangle come from one table of running sums, in integers, so that they are exact
and a crop costs the same wherever and however large it is. Its shape is static, its place is not.
"""

import jax
import jax.numpy as jnp


def running_sums(picture: jax.Array) -> jax.Array:
    """uint8 [H, W, D] -> int32 [H+1, W+1, D], of all pixels above and to the left.

    What overflows on a huge picture cancels in the difference of two sums.
    """
    sums = jnp.cumsum(jnp.cumsum(picture.astype(jnp.int32), 0), 1)
    return jnp.pad(sums, [(1, 0), (1, 0), (0, 0)])


def cells(first: jax.Array, length: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Start and end of `count` cells that cover `length` pixels from `first`; they may overlap."""
    i = jnp.arange(count)
    return first + i * length // count, first - (-(i + 1) * length) // count


def resampled(sums: jax.Array, box: jax.Array, size: tuple[int, int]) -> jax.Array:
    """The box (left, top, right, bottom), in pixels, its end not included -> float32 [*size, D]."""
    left, top, right, bottom = box
    y0, y1 = cells(top, bottom - top, size[0])
    x0, x1 = cells(left, right - left, size[1])
    strips = sums[y1] - sums[y0]
    area = (y1 - y0)[:, None] * (x1 - x0)
    return (strips[:, x1] - strips[:, x0]) / jnp.maximum(area, 1)[..., None].astype(jnp.float32)
