"""Curves over steps as one small chart of SVG, told apart by dashes and numbers too."""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from affectjax.report import palette
from affectjax.report.chart import GRID, LETTER, dashes, escape, number, svg, ticks

POINTS = 300  # of one line; more than that cannot be seen


class Line(NamedTuple):
    """One curve: steps [n] and values [n] (NaN breaks it), the label at its end, its look."""

    label: str
    title: str  # what the pointer shows
    steps: np.ndarray
    values: np.ndarray
    style: palette.Style
    thin: bool = False  # one of several repetitions
    mark: int | None = None  # a step to mark


def draw(given: Sequence[Line], floor: float | None = None, width: int = 350) -> str:
    """Curves over steps; `floor` is a value that the scale must hold."""
    height, right, top, bottom = 210, 22, 8, 24
    finite = np.concatenate([line.values for line in given])
    finite = finite[np.isfinite(finite)]
    most = max([1, *(int(line.steps[-1]) for line in given if len(line.steps))])
    if not len(finite):
        return svg(width, height, f'<text x="8" y="{height / 2}">undefined</text>', "empty")
    low, high, log = _scale(finite, floor)
    marks = _powers(low, high) if log else ticks(low, high)
    left = max(34, 12 + LETTER * max(len(number(value)) for value in marks))
    place_x = lambda step: left + (width - left - right) * step / most  # noqa: E731

    def place_y(value):
        value = np.log10(value) if log else value
        return top + (height - top - bottom) * (1 - (value - low) / (high - low))

    parts = []
    for value in marks:
        y = place_y(value)
        parts.append(
            f'<path d="M{left:.1f} {y:.1f}H{width - right}" stroke="{GRID}"/>'
            f'<text x="{left - 5:.1f}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
        )
    for step in ticks(0, most, 4):
        parts.append(
            f'<text x="{place_x(step):.1f}" y="{height - 6}" text-anchor="middle">'
            f"{number(step)}</text>"
        )
    for line in given:
        steps, values = thinned(line.steps, line.values)
        path = _path(
            place_x(steps), place_y(np.where(values > 0, values, np.nan) if log else values)
        )
        look = f'stroke="{line.style.colour}" stroke-width="{1 if line.thin else 2}"'
        look += ' stroke-opacity=".4"' if line.thin else f' stroke-dasharray="{dashes(line.style)}"'
        parts.append(
            f'<g><title>{escape(line.title)}</title><path d="{path}" fill="none" {look} '
            'stroke-linejoin="round" stroke-linecap="round"/>'
        )
        alone = np.isfinite(values).sum() == 1
        if alone:
            at = int(np.isfinite(values).argmax())
            parts.append(
                f'<circle cx="{place_x(steps[at]):.1f}" cy="{place_y(values[at]):.1f}" r="3" '
                f'fill="{line.style.colour}"/>'
            )
        if line.mark is not None and line.mark in line.steps:
            value = line.values[list(line.steps).index(line.mark)]
            if np.isfinite(value) and (value > 0 or not log):
                parts.append(
                    f'<circle cx="{place_x(line.mark):.1f}" cy="{place_y(value):.1f}" r="3.5" '
                    f'fill="#fff" stroke="{line.style.colour}" stroke-width="2"/>'
                )
        parts.append("</g>")
    parts += _ends(given, place_y, log, width - right + 5, top, height - bottom)
    return svg(width, height, "".join(parts), "curves")


def _scale(finite: np.ndarray, floor: float | None) -> tuple[float, float, bool]:
    """(low, high, logarithmic): powers of ten where a few values dwarf all the others."""
    low, high = float(finite.min()), float(finite.max())
    if low > 0 and high > 20 * float(np.median(finite)):
        low, high = math.log10(low), math.log10(high)
        return (low, high, True) if high > low else (low - 1, high + 1, True)
    if floor is not None:
        low, high = min(low, floor), max(high, floor)
    if not high > low:
        around = abs(high) * 0.1 or 1.0
        return low - around, high + around, False
    around = 0.04 * (high - low)
    return (low if low == floor else low - around), high + around, False


def _powers(low: float, high: float) -> list[float]:
    """Values to mark between two powers of ten."""
    least = math.ceil(math.log10(sys.float_info.min))  # what lies below has no power of its own
    marks = [10.0**e for e in range(max(least, math.floor(low)), math.ceil(high) + 1)]
    if high - low < 2:
        marks = [k * mark for mark in marks for k in (1, 2, 5)]
    return [mark for mark in marks if low - 1e-9 <= math.log10(mark) <= high + 1e-9]


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points, each the mean of its neighbours, the last as it is."""
    if len(steps) <= POINTS:
        return steps, values
    size = -(-len(steps) // POINTS)
    cut = len(steps) - 1 - (len(steps) - 1) % size
    means = [each[:cut].reshape(-1, size).mean(1) for each in (steps.astype(float), values)]
    return tuple(np.concatenate([mean, each[-1:]]) for mean, each in zip(means, (steps, values)))


def _path(xs: np.ndarray, ys: np.ndarray) -> str:
    words, pen = [], False
    for x, y in zip(xs, ys):
        if not math.isfinite(y):
            pen = False
            continue
        words.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}")
        pen = True
    return "".join(words)


def _ends(
    given: Sequence[Line], place, log: bool, x: float, top: float, bottom: float
) -> Iterator[str]:
    """The labels at the lines' ends, pushed apart where they would lie on each other."""
    found = []
    for line in given:
        values = line.values[np.isfinite(line.values) & ((line.values > 0) | (not log))]
        if line.label and len(values):
            found.append([float(place(values[-1])), line])
    found.sort(key=lambda pair: pair[0])
    for i, pair in enumerate(found):
        pair[0] = max(pair[0], found[i - 1][0] + 11 if i else top + 4)
    for i in reversed(range(len(found))):
        found[i][0] = min(found[i][0], found[i + 1][0] - 11 if i + 1 < len(found) else bottom)
    for y, line in found:
        yield (
            f'<text x="{x:.1f}" y="{y + 4:.1f}" fill="{line.style.colour}" font-weight="600">'
            f"{escape(line.label)}</text>"
        )
