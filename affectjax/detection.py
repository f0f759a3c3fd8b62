"""Emotion detection: intervals from a curve over segments, and their mean average precision.

An interval is a run of segments where the curve reaches a threshold. Its score is the mean of the
curve over it times the probability of the video's likeliest class. Average precision is the area
under the precision envelope; every truth is found once, by the best prediction that overlaps it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
FACTS = ("truth", "duration")  # what a batch tells a prediction: [B, S, 3] and [B]


class Interval(NamedTuple):
    """Seconds `start` to `end` of a video; for a truth the score says nothing."""

    video: int
    start: float
    end: float
    label: int
    score: float = 0.0


def runs(curve: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """curve [T] -> (first, one past the last) of each run at or above the threshold."""
    high = np.concatenate([[False], np.asarray(curve) >= threshold, [False]])
    edges = np.flatnonzero(high[1:] != high[:-1])
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]


def intervals(
    curve: np.ndarray, probability: np.ndarray, duration: np.ndarray, threshold: float
) -> list[Interval]:
    """curve [N, T], probability [N, K], duration [N] -> the intervals of all videos."""
    found = []
    for video, (row, chances, seconds) in enumerate(zip(curve, probability, duration)):
        label, width = int(np.argmax(chances)), float(seconds) / len(row)
        for a, b in runs(row, threshold):
            score = float(np.mean(row[a:b]) * chances[label])
            found.append(Interval(video, a * width, b * width, label, score))
    return found


def truths(table: np.ndarray) -> list[Interval]:
    """table [N, S, 3] of (start, end, label), NaN where a video has fewer -> intervals."""
    return [
        Interval(video, float(start), float(end), int(label))
        for video, rows in enumerate(table)
        for start, end, label in rows
        if np.isfinite(start)
    ]


def overlap(a: Interval, b: Interval) -> float:
    """Intersection over union of two intervals in time; 0 across videos."""
    if a.video != b.video:
        return 0.0
    shared = min(a.end, b.end) - max(a.start, b.start)
    union = max(a.end, b.end) - min(a.start, b.start)
    return max(shared, 0.0) / union if union > 0 else 0.0


def average_precision(
    predicted: Sequence[Interval], true: Sequence[Interval], least: float
) -> float:
    """Area under the precision envelope over recall; NaN where there is no truth.

    Predictions are taken by score, equal ones by video and time; each takes the truth it overlaps
    most of those nobody took, if by `least` at least.
    """
    if not true:
        return float("nan")
    order = sorted(predicted, key=lambda i: (-i.score, i.video, i.start, i.end))
    free: dict[int, list[Interval]] = {}
    for one in true:
        free.setdefault(one.video, []).append(one)
    hits = np.zeros(len(order))
    for rank, one in enumerate(order):
        candidates = free.get(one.video, [])
        best = max(candidates, key=lambda t: (overlap(one, t), -t.start, -t.end), default=None)
        if best is not None and overlap(one, best) >= least:
            candidates.remove(best)
            hits[rank] = 1
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * hits).sum() / len(true))


def mean_average_precision(
    predicted: Sequence[Interval], true: Sequence[Interval], least: float
) -> float:
    """The mean of the classes' average precisions; of the classes that some truth has."""
    classes = sorted({one.label for one in true})
    each = [
        average_precision(
            [one for one in predicted if one.label == k],
            [one for one in true if one.label == k],
            least,
        )
        for k in classes
    ]
    return float(np.mean(each)) if each else float("nan")


def floors(probability: np.ndarray, duration: np.ndarray) -> dict[str, list[Interval]]:
    """What needs no attention: the whole video, and its centre half."""
    found = {}
    for name, (a, b) in {"whole_video": (0.0, 1.0), "centre_half": (0.25, 0.75)}.items():
        found[name] = [
            Interval(video, a * float(s), b * float(s), int(np.argmax(p)), float(np.max(p)))
            for video, (p, s) in enumerate(zip(probability, duration))
        ]
    return found


def metrics(arrays: Mapping[str, np.ndarray], threshold: float) -> dict[str, float]:
    """Arrays of all videos (curve, probability, duration, truth) -> mAP at each tIoU.

    `map_any@x` looks at the time alone, as `cten` scores; `map@x` is the mean over the classes. A
    video without a truth was not annotated and is left out. Empty where no video has one.
    """
    if "truth" not in arrays:
        return {}
    annotated = np.isfinite(arrays["truth"][:, :, 0]).any(1)
    if not annotated.any():
        return {}
    curve, probability, duration, truth = (
        arrays[key][annotated] for key in ("curve", "probability", "duration", "truth")
    )
    true = truths(truth)
    systems = {"": intervals(curve, probability, duration, threshold)}
    systems |= {f"{name}/": some for name, some in floors(probability, duration).items()}
    found = {}
    for prefix, predicted in systems.items():
        for least in THRESHOLDS:
            found[f"{prefix}map_any@{least}"] = average_precision(predicted, true, least)
            found[f"{prefix}map@{least}"] = mean_average_precision(predicted, true, least)
    return found | {"intervals_per_video": len(systems[""]) / len(duration)}
