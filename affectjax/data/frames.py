"""Snippets of frames from a record's JPEG pictures: T runs of F successive ones.

In training a run starts anywhere in its segment, in testing it is the middle one. Segments are
equal in time, "time", or in the number of frames, "count", as the authors' code has them. Every
frame is decoded once; see `augment` for what is done to it.
"""

import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from affectjax.data.augment import MIDDLE, Draw, changed
from affectjax.errors import UserError

DIVISIONS = ("time", "count")


def runs(
    times: np.ndarray,
    duration: float,
    segments: int,
    length: int,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """times [n] ascending, seconds -> frame numbers int [T, F], and bool [T], which are there.

    A segment with fewer than F frames repeats them in a loop; one without any is not there.
    """
    edges = np.searchsorted(times, np.arange(segments + 1) * duration / segments)
    edges[-1] = len(times)  # rounding must not lose the last frame
    chosen, there = np.zeros((segments, length), np.int64), np.diff(edges) > 0
    for t in np.flatnonzero(there):
        count = edges[t + 1] - edges[t]
        spare = max(0, count - length)
        start = spare // 2 if rng is None else int(rng.integers(spare + 1))
        chosen[t] = edges[t] + (start + np.arange(length)) % count
    return chosen, there


def runs_by_count(
    count: int, segments: int, length: int, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `runs`, of n frames: the whole is looped up to T F frames, a segment has n // T of them.

    What the division leaves over at the end belongs to no segment.
    """
    if not count:
        return np.zeros((segments, length), np.int64), np.zeros(segments, bool)
    each = max(count, segments * length) // segments
    spare = each - length
    start = np.full(segments, spare // 2) if rng is None else rng.integers(spare + 1, size=segments)
    first = np.arange(segments) * each + start
    return (first[:, None] + np.arange(length)) % count, np.ones(segments, bool)


def decoded(
    pictures: Sequence[bytes], numbers: Iterable[int], size: int, where: str
) -> dict[int, np.ndarray]:
    """{number: uint8 [H, W, 3]}, the short side `size`."""
    wanted = sorted(set(map(int, numbers)))
    return {i: decode(pictures[i], size, f"frame {i} of {where}") for i in wanted}


def snippets(
    found: Mapping[int, np.ndarray],
    chosen: np.ndarray,
    there: np.ndarray,
    size: int,
    drawn: Draw = MIDDLE,
) -> np.ndarray:
    """Pictures by number, chosen [T, F], there [T] -> uint8 [T, F, size, size, 3].

    It is black where nothing is there. One draw of changes holds for the whole video.
    """
    out = np.zeros((*chosen.shape, size, size, 3), np.uint8)
    used = {i: changed(found[i], size, drawn) for i in set(chosen[there].ravel().tolist())}
    for t in np.flatnonzero(there):
        for f, number in enumerate(chosen[t].tolist()):
            out[t, f] = used[number]
    return out


def decode(picture: bytes, size: int, where: str) -> np.ndarray:
    """JPEG bytes -> uint8 [H, W, 3], the short side `size`."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(picture))
        image.draft("RGB", (size, size))  # the codec itself halves what is far too large
        image = image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError("the picture cannot be read", where, "Build the dataset again.") from error
    share = size / min(image.size)
    if share != 1:
        wide, tall = (max(size, round(side * share)) for side in image.size)
        image = image.resize((wide, tall), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def sound_segments(mfcc: np.ndarray, rows: int, segments: int, crop: str) -> np.ndarray:
    """mfcc [n, D] -> [T, rows // T, D]: tiled or cut to `rows`, at the "centre" or the "first"."""
    if len(mfcc) < rows:
        mfcc = np.tile(mfcc, (-(-rows // len(mfcc)), 1))[:rows]
    first = (len(mfcc) - rows) // 2 if crop == "centre" else 0
    each = rows // segments
    return mfcc[first : first + each * segments].reshape(segments, each, -1)
