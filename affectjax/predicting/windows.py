"""Windows that slide over a video, and the record that a model reads of each."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectjax.data.films import reads_films
from affectjax.errors import UserError
from affectjax.media.features import cut

PARTS = 8  # windows begin so often within the length of one, where nobody says otherwise
USUAL = 30.0  # seconds of a window, where neither the export nor the examples say
LEAST = 0.01  # seconds; below, memory ends before a film's windows do
NEAR = 1e-6  # seconds


@dataclasses.dataclass(frozen=True)
class Windows:
    """`seconds` long, one every `stride`; a shorter video is one window."""

    seconds: float
    stride: float

    def starts(self, duration: float) -> list[float]:
        """Where windows begin; the last is shifted back to end with the video."""
        last = max(0.0, duration - self.seconds)
        count = math.ceil((last - NEAR) / self.stride) if last > NEAR else 0
        return [i * self.stride for i in range(count)] + [last]

    def length(self, duration: float) -> float:
        """Of every window of a video so long."""
        return min(self.seconds, duration)


def span(examples: Any) -> float | None:
    """The longest clip that the examples read whole, in seconds; None: of any length."""
    seconds = getattr(examples, "segment_seconds", None)
    return None if seconds is None else examples.segments * seconds


def part_seconds(examples: Any, window: float) -> float | None:
    """How long the parts are that a model tells apart in a window; None: it may tell none."""
    seconds = getattr(examples, "segment_seconds", None)
    if seconds is None:  # a window in so many equal segments
        return window / examples.segments
    return examples.each * seconds if hasattr(examples, "each") else None


def chosen(
    examples: Any,
    clip_seconds: float | None,
    seconds: float | None = None,
    stride: float | None = None,
) -> Windows:
    """What the flags say; or as long as the clips that the model learned from, in eighths.

    Where the model tells parts of a window apart, windows begin where parts begin. They leave no
    holes: a timeline says something of every moment.
    """
    longest = span(examples)
    if reads_films(examples):
        if seconds is not None or stride is not None:
            raise UserError("this model cuts films into clips of its own length", "--window",
                            "Leave --window and --stride out.")  # fmt: skip
        return Windows(longest, longest)
    if seconds is None:
        seconds = min(clip_seconds or longest or USUAL, longest or math.inf)
    steps = seconds if stride is None else stride
    if not (LEAST <= seconds < math.inf and LEAST <= steps < math.inf):
        what = f"a window of {seconds:g} s" + ("" if stride is None else f" every {stride:g} s")
        raise UserError(what, mend=f"Say {LEAST:g} s or more.")
    if longest is not None and seconds > longest + NEAR:
        raise UserError(
            f"a window of {seconds:g} s is longer than what the model reads at once",
            mend=f"Say --window={_at_most(longest)}.",
        )
    if stride is not None and stride > seconds + NEAR:
        raise UserError(
            f"between windows of {seconds:g} s, one every {stride:g} s, there would be holes",
            mend=f"Say --stride={_at_most(seconds)}.",
        )
    if stride is None:
        part = part_seconds(examples, seconds) or seconds / PARTS
        stride = max(LEAST, part * max(1, round(seconds / PARTS / part)))
    return Windows(seconds, min(stride, seconds))


def _at_most(seconds: float) -> str:
    """What a flag may say at most, rounded down so that it is not refused again."""
    return f"{math.floor((seconds + NEAR) * 1000) / 1000:.12g} at most"


def of_film(examples: Any, duration: float, steps: int, clips: int) -> Windows:
    """A film as one window; its steps are clips where there are as many, else segments."""
    seconds = examples.segment_seconds
    return Windows(duration, seconds * (examples.segments if steps == clips else 1))


def record(name: str, duration: float, whole: Mapping[str, Any], start: float, end: float) -> dict:
    """The seconds from start to end of a video as a record without targets.

    `whole` holds the video's "features" {m: [T, D]}, "entries" (`frames`, JPEG bytes, and `mfcc`
    [n, D]), and of all of them the "rate" {m: rows a second}.
    """
    nothing = np.zeros(0, np.float32)
    until = None if end > duration - NEAR else end
    return {
        "id": f"{name} at {start:g} s",
        "group": name,
        "start": start,
        "duration": end - start,
        "features": {
            m: cut(rows, whole["rate"][m], start, until)
            for m, rows in whole["features"].items()
        },
        "rate": dict(whole["rate"]),
        "comments": {"word": [], "length": nothing.astype(np.int32), "time": nothing,
                     "emotional": nothing.astype(np.uint8)},
        "segments": nothing.reshape(0, 3),
        "values_time": nothing,
        "distribution": nothing,
        "distribution_time": nothing,
        **entries(whole, start, until),
    }  # fmt: skip


def entries(whole: Mapping[str, Any], start: float, until: float | None) -> dict[str, Any]:
    """A record's own entries from `start` until there, or to the end."""
    found = {}
    for name, rows in whole["entries"].items():
        rate = whole["rate"][name]
        if name == "frames":
            time = (np.arange(len(rows)) + 0.5) / rate
            inside = np.flatnonzero((time >= start) & (time < (until or np.inf)))
            found["frames"] = [rows[i] for i in inside]
            found["frames_time"] = (time[inside] - start).astype(np.float32)
        else:
            found[name] = cut(rows, rate, start, until)
    return found
