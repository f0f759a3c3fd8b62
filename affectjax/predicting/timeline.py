"""A video's predictions laid on one line of equal steps: scores, attention, detected segments.

Every model goes the same way, by what its predictions hold and not by its name. For each window
[K] numbers give the window, [T, K] its T equal parts; `SHOWN` says what the model's own names mean.
A number of a window counts for the steps nearest to the window's centre; parts count for the
steps whose centres lie in them, as the mean over all windows there.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affectjax import detection
from affectjax.predicting.windows import NEAR, Windows

# A model's prediction -> what it is; a model may have a `shown` of its own.
SHOWN = {
    "probability": "classes",
    "distribution": "distribution",
    "prediction": "values",
    "words": "words",
    "curve": "attention",
}
SHARES = ("classes", "distribution", "words")  # kinds whose numbers are parts of one


@dataclasses.dataclass(frozen=True)
class Track:
    """One thing that the model says: `scores` float32 [n, K], a row for each step."""

    kind: str  # "classes" | "distribution" | "values" | "words"
    names: tuple[str, ...]
    scores: np.ndarray


@dataclasses.dataclass(frozen=True)
class Segment:
    """Seconds `start` to `end` in which one emotion was detected."""

    start: float
    end: float
    label: str
    score: float


@dataclasses.dataclass(frozen=True)
class Map:
    """What in the frame at second `at` speaks for the emotion that leads there (Grad-CAM)."""

    at: float
    label: str
    score: float  # the emotion's chance
    frame: np.ndarray  # uint8 [S, S, 3], as the model saw it
    cells: np.ndarray  # float32 [m] of a square, none below zero


@dataclasses.dataclass(frozen=True)
class Timeline:
    """All that is predicted of one video; arrays have a row for each of n steps."""

    name: str
    video: Mapping[str, Any]  # path, duration, width, height, frame_rate, has_sound, notes ...
    model: Mapping[str, Any]  # name, export, digest, dataset, trained
    window: Windows
    edges: np.ndarray  # float64 [n + 1], seconds
    tracks: tuple[Track, ...]
    attention: np.ndarray | None  # float32 [n], 0 to 1
    segments: tuple[Segment, ...]
    segments_by: str  # "attention" | "leading class" | "": there are none
    strip: Sequence[tuple[float, np.ndarray]] = ()  # seconds, uint8 [H, W, 3]: what is seen there
    maps: tuple[Map, ...] = ()  # in order of time

    @property
    def emotions(self) -> Track | None:
        """The track that gives each step a leading emotion."""
        return next((t for t in self.tracks if t.kind in SHARES), None)

    def overall(self, track: Track) -> np.ndarray:
        """The mean over the video, [K]; a step counts as long as it is."""
        return np.average(track.scores, axis=0, weights=np.diff(self.edges))


def step_edges(
    duration: float, windows: Windows, starts: Sequence[float], part: float | None
) -> np.ndarray:
    """Edges of the steps: the parts of windows, `part` seconds each, or else a stride each."""
    step = part or (windows.stride if len(starts) > 1 else duration)
    count = max(1, int(np.ceil(duration / step - NEAR)))
    edges = np.arange(count + 1) * step
    edges[-1] = duration
    return edges


def nearest(edges: np.ndarray, starts: Sequence[float], length: float) -> np.ndarray:
    """For each of n steps the window whose centre is nearest, [n]; windows are `length` long.

    They are in order of time, and no three of them begin within `NEAR`.
    """
    centre = (edges[1:] + edges[:-1]) / 2
    middle = np.asarray(starts, np.float64) + length / 2
    after = np.searchsorted(middle, centre)
    some = np.clip(after + np.array([[-2], [-1], [0]]), 0, len(middle) - 1)
    # ties go to the earlier window, whatever rounding says: the last two may lie that close
    best = np.abs(middle[some] - centre).round(6).argmin(0)
    return some[best, np.arange(len(centre))]


def lay(
    found: Mapping[str, np.ndarray],
    edges: np.ndarray,
    starts: Sequence[float],
    length: float,
    part: float | None,
) -> dict[str, np.ndarray]:
    """{name: [W, K] or [W, T, K]} of the windows in order -> {name: [n, K]} of the steps.

    Windows are `length` seconds long, their parts `part`; the last part may reach over the end.
    """
    centre = (edges[1:] + edges[:-1]) / 2
    begin = np.asarray(starts, np.float64)
    near = nearest(edges, starts, length)
    laid = {}
    for name, values in found.items():
        if values.ndim == 2:
            laid[name] = values[near]
            continue
        parts = values.shape[1]
        total, count = np.zeros((len(centre), values.shape[2])), np.zeros(len(centre))
        for window, first in enumerate(begin):
            place = np.floor((centre - first) / part + NEAR).astype(np.int64)
            inside = np.flatnonzero((place >= 0) & (place < parts))
            total[inside] += values[window, place[inside]]
            count[inside] += 1
        laid[name] = total / np.maximum(count, 1)[:, None]
    return {name: values.astype(np.float32) for name, values in laid.items()}


def meaning(model: Any, predictions: Mapping[str, np.ndarray]) -> dict[str, str]:
    """{prediction: its kind} of those that a timeline shows."""
    known = getattr(model, "shown", SHOWN)
    return {name: kind for name, kind in known.items() if name in predictions}


def attended(
    edges: np.ndarray, attention: np.ndarray, track: Track, threshold: float
) -> tuple[Segment, ...]:
    """Runs of steps where attention reaches the threshold and one emotion leads.

    Of a video that is one window these are the model's own intervals (`affectjax.detection`).
    """
    leading = track.scores.argmax(1)
    found = []
    for first, stop in detection.runs(attention, threshold):
        cuts = [first, *(np.flatnonzero(np.diff(leading[first:stop])) + first + 1), stop]
        for a, b in zip(cuts, cuts[1:]):
            k = int(leading[a])
            score = float(np.mean(attention[a:b] * track.scores[a:b, k]))
            found.append(Segment(float(edges[a]), float(edges[b]), track.names[k], score))
    return tuple(found)


def led(edges: np.ndarray, track: Track) -> tuple[Segment, ...]:
    """Runs of steps that one emotion leads; the score is its mean over them."""
    everywhere = np.ones(len(edges) - 1, np.float32)
    return attended(edges, everywhere, track, 1.0)


def with_segments(made: Timeline, threshold: float) -> Timeline:
    """The timeline with the segments that its attention, or else its leading emotion, gives."""
    emotions = made.emotions
    if emotions is None or emotions.kind == "words":
        return made
    if made.attention is None:
        found, by = led(made.edges, emotions), "leading class"
    else:
        found = attended(made.edges, made.attention, emotions, threshold)
        by = "attention"
    return dataclasses.replace(made, segments=found, segments_by=by)
