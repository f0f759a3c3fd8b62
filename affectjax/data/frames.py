"""Snippets of frames from a record's JPEG pictures: T runs of F successive ones, cut and mirrored.

The video is cut into T segments of equal length. In training a run starts anywhere in its segment
and one draw of cut and mirror holds for the whole video; in testing run and cut are the middle
ones. A segment with fewer than F frames repeats them in a loop; one without any is not there.
"""

import io
from collections.abc import Sequence

import numpy as np

from affectjax.errors import UserError


def runs(
    times: np.ndarray,
    duration: float,
    segments: int,
    length: int,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """times [n] ascending, seconds -> frame numbers int [T, F], and bool [T], which are there."""
    edges = np.searchsorted(times, np.arange(segments + 1) * duration / segments)
    edges[-1] = len(times)  # rounding must not lose the last frame
    chosen, there = np.zeros((segments, length), np.int64), np.diff(edges) > 0
    for t in np.flatnonzero(there):
        count = edges[t + 1] - edges[t]
        spare = max(0, count - length)
        start = spare // 2 if rng is None else int(rng.integers(spare + 1))
        chosen[t] = edges[t] + (start + np.arange(length)) % count
    return chosen, there


def snippets(
    pictures: Sequence[bytes],
    chosen: np.ndarray,
    there: np.ndarray,
    size: int,
    where: str,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """JPEG bytes, chosen [T, F], there [T] -> uint8 [T, F, size, size, 3], black where nothing is.

    Every frame is decoded once, its short side brought to `size`, and cut at the same place.
    """
    out = np.zeros((*chosen.shape, size, size, 3), np.uint8)
    places = (0.5, 0.5) if rng is None else rng.random(2)
    mirror = rng is not None and rng.random() < 0.5
    found: dict[int, np.ndarray] = {}
    for t in np.flatnonzero(there):
        for f, number in enumerate(chosen[t].tolist()):
            if number not in found:
                picture = cut(decode(pictures[number], size, f"frame {number} of {where}"),
                              size, places)  # fmt: skip
                found[number] = picture[:, ::-1] if mirror else picture
            out[t, f] = found[number]
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


def cut(picture: np.ndarray, size: int, places: Sequence[float]) -> np.ndarray:
    """[H, W, 3] -> [size, size, 3] at so large a share of the way down and across."""
    top, left = (
        min(int((side - size + 1) * place), side - size)
        for side, place in zip(picture.shape, places)
    )
    return picture[top : top + size, left : left + size]


def sound_segments(mfcc: np.ndarray, rows: int, segments: int, crop: str) -> np.ndarray:
    """mfcc [n, D] -> [T, rows // T, D]: tiled or cut to `rows`, at the "centre" or the "first"."""
    if len(mfcc) < rows:
        mfcc = np.tile(mfcc, (-(-rows // len(mfcc)), 1))[:rows]
    first = (len(mfcc) - rows) // 2 if crop == "centre" else 0
    each = rows // segments
    return mfcc[first : first + each * segments].reshape(segments, each, -1)
