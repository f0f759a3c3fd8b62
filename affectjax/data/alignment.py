"""One time grid for every modality: a window of T segments, and the row nearest to each segment.

A clip is cut into segments of equal length from its start; segment i covers the seconds
[i * seconds, (i + 1) * seconds) and exists when its centre lies in the clip. Row j of a modality
stands for the time (j + 0.5) / rate. Nothing here looks at what a feature means.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.errors import UserError

_TIE = 1e-6  # a row; keeps rounding from deciding which of two equally near rows is taken


def segment_count(duration: float, seconds: float) -> int:
    """Number of segments of a clip, at least one."""
    return max(1, math.ceil(duration / seconds - 0.5 - _TIE))


def window_start(count: int, segments: int, rng: np.random.Generator | None = None) -> int:
    """First segment of the window of T = `segments`: at random with an rng, else the centre."""
    spare = max(0, count - segments)
    if rng is None:
        return spare // 2
    return int(rng.integers(spare + 1))


def nearest_rows(
    rows: int, rate: float, first: int, count: int, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """For segments first .. first + count: the nearest row [count], and whether it is near [count].

    A row speaks for a segment when their centres lie no further apart than the longer of the two
    periods: a modality that stops before the clip does is missing there, not frozen.
    """
    if rows == 0:
        return np.zeros(count, np.int64), np.zeros(count, bool)
    at = (np.arange(first, first + count) + 0.5) * seconds * rate  # row j covers [j, j + 1)
    nearest = np.clip(np.floor(at + _TIE).astype(np.int64), 0, rows - 1)
    near = np.abs(nearest + 0.5 - at) <= max(1.0, seconds * rate) + _TIE
    return nearest, near


def align(
    features: np.ndarray,
    rate: float,
    first: int,
    count: int,
    seconds: float,
    out: np.ndarray,
    present: np.ndarray,
) -> None:
    """Copy rows [T_m, D] into out [T, D] and mark present [T]; both come in zeroed.

    Segments first .. first + count fill the leading `count` places; the rest stays padding.
    """
    nearest, near = nearest_rows(len(features), rate, first, count, seconds)
    present[:count] = near
    kept = int(near.sum())
    if not kept:
        return
    # `near` is one run from the first segment on: rows start at the clip's start, and a window
    # that begins after the last row has no near row at all.
    nearest = nearest[:kept]
    if (np.diff(nearest) == 1).all():  # the rates agree: one copy
        out[:kept] = features[nearest[0] : nearest[0] + kept]
    else:
        out[:kept] = features[nearest]


def feature_shapes(modalities: Mapping[str, int], segments: int) -> dict[str, tuple]:
    """Shape without B, and dtype, of the features of an example and of their presence."""
    shapes: dict[str, tuple] = {}
    for m, width in modalities.items():
        shapes[f"features/{m}"] = ((segments, width), np.float16)
        shapes[f"present/{m}"] = ((segments,), np.bool_)
    return shapes


def check_hidden(hide: Iterable[str], modalities: Mapping[str, int]) -> None:
    """What an example leaves out on purpose must be among its modalities."""
    if absent := sorted(set(hide) - set(modalities)):
        raise UserError(
            f"cannot hide {', '.join(absent)}", "hide", f"There are {', '.join(modalities)}."
        )


def fill(
    record: Mapping[str, Any],
    modalities: Mapping[str, int],
    first: int,
    count: int,
    seconds: float,
    hide: Sequence[str],
    example: Mapping[str, np.ndarray],
) -> None:
    """Put a record's segments first .. first + count into a zeroed example; `hide` names what stays
    out."""
    for m, width in modalities.items():
        features = record["features"].get(m)
        if features is None:
            raise UserError(
                f"there is no modality {m}",
                f"record {record['id']}",
                f"The dataset has {', '.join(record['features'])}.",
            )
        if features.ndim != 2 or (len(features) and features.shape[1] != width):
            raise UserError(
                f"features of shape {features.shape} where width {width} is configured",
                f"{m} of {record['id']}",
                "Set the width in the config to the dataset's, or build the dataset again.",
            )
        if m not in hide:
            out, present = example[f"features/{m}"], example[f"present/{m}"]
            align(features, record["rate"][m], first, count, seconds, out, present)
