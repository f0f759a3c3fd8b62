"""Bars, a heat map, and dots with intervals, each one small chart of SVG."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from affectjax.intervals import Interval
from affectjax.report import palette
from affectjax.report.chart import (
    GRID,
    INK,
    LETTER,
    escape,
    name_below,
    number,
    svg,
    ticks,
    whisker,
)

WIDTH = 720  # of bars and dots


class Dot(NamedTuple):
    """One value on a row of a dot plot."""

    row: int
    value: float
    low: float
    high: float
    kind: str  # ours | paper | other
    title: str


def bars(
    names: Sequence[str],
    series: Sequence[tuple[str, Sequence[Interval], int]],
) -> str:
    """Groups of bars: `series` are (title, an interval for each name, place in the palette)."""
    left, right, top = 44, 6, 8
    slanted = max(map(len, names)) * LETTER > (WIDTH - left - right) / len(names) - 4
    bottom = 14 + (min(70, max(map(len, names)) * LETTER * 0.55) if slanted else 8)
    height = 190 + bottom
    seen = [v for _, values, _ in series for each in values for v in each if math.isfinite(v)]
    low, high = min([0.0, *seen]), max([0.0, *seen])
    low, high = (low, high) if high > low else (0.0, 1.0)
    marks = ticks(low, high)
    step = marks[1] - marks[0]
    high = max(high, marks[-1] + step * math.ceil((high - marks[-1]) / step - 1e-6))
    place = lambda value: top + (height - top - bottom) * (high - value) / (high - low)  # noqa: E731
    parts = []
    for value in ticks(low, high + 1e-9):
        parts.append(
            f'<path d="M{left} {place(value):.1f}H{WIDTH - right}" stroke="{GRID}"/>'
            f'<text x="{left - 5}" y="{place(value) + 4:.1f}" text-anchor="end">'
            f"{number(value)}</text>"
        )
    group = (WIDTH - left - right) / len(names)
    each = min(34.0, group * 0.84 / len(series))
    for i, name in enumerate(names):
        middle = left + group * (i + 0.5)
        for j, (title, values, look) in enumerate(series):
            mean, low_end, high_end = values[i]
            if not math.isfinite(mean):
                continue
            x = middle + (j - len(series) / 2) * each
            y, zero = place(mean), place(0.0)
            said = f"{title}, {name}: {mean:.4g}"
            if math.isfinite(low_end):
                said += f" ({low_end:.4g} to {high_end:.4g})"
            parts.append(
                f'<g><title>{escape(said)}</title><rect x="{x + 0.5:.1f}" y="{min(y, zero):.1f}" '
                f'width="{max(each - 1, 1):.1f}" height="{max(abs(zero - y), 0.5):.1f}" '
                f'fill="url(#look{look})"/>'
            )
            if math.isfinite(low_end):
                at = x + each / 2
                parts.append(whisker(at, place(low_end), place(high_end), upright=True))
            parts.append("</g>")
        parts.append(name_below(name, middle, height - bottom + 14, slanted))
    parts.append(f'<path d="M{left} {place(0.0):.1f}H{WIDTH - right}" stroke="{INK}"/>')
    return svg(WIDTH, height, "".join(parts), "bars")


def heat(names: Sequence[str], counts: np.ndarray) -> str:
    """A confusion matrix [K, K], row the label: shares of each row in per cent."""
    cell = max(24, min(44, 360 // len(names)))
    left = 10 + LETTER * max(map(len, names))
    slanted = max(map(len, names)) * LETTER > cell - 2
    bottom = 18 + (min(90, max(map(len, names)) * LETTER * 0.6) if slanted else 8)
    size = cell * len(names)
    width, height = left + size + 14, 18 + size + bottom
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    parts = [f'<text x="{left + size / 2:.1f}" y="11" text-anchor="middle">chosen</text>']
    for i, label in enumerate(names):
        y = 18 + cell * i
        parts.append(
            f'<text x="{left - 5:.1f}" y="{y + cell / 2 + 4:.1f}" text-anchor="end">'
            f"{escape(label)}</text>"
        )
        for j, chosen in enumerate(names):
            x, share = left + cell * j, shares[i, j]
            fill = "#ffffff" if math.isnan(share) else _tint(share)
            ink = "#ffffff" if share > 0.7 else INK
            said = f"{label}, chosen {chosen}: {int(counts[i, j])} of {int(totals[i, 0])}"
            parts.append(
                f'<g><title>{escape(said)}</title><rect x="{x + 0.5:.1f}" y="{y + 0.5}" '
                f'width="{cell - 1}" height="{cell - 1}" fill="{fill}" '
                f'stroke="{GRID if i != j else INK}"/>'
            )
            if not math.isnan(share):
                parts.append(
                    f'<text x="{x + cell / 2:.1f}" y="{y + cell / 2 + 4:.1f}" fill="{ink}" '
                    f'text-anchor="middle">{100 * share:.0f}</text>'
                )
            parts.append("</g>")
    for j, chosen in enumerate(names):
        parts.append(name_below(chosen, left + cell * (j + 0.5), 18 + size + 13, slanted))
    return svg(width, height, "".join(parts), "heat")


def dots(names: Sequence[str], given: Sequence[Dot]) -> str:
    """A row a name: the paper's number hollow and grey, ours filled with its interval."""
    left = 16 + LETTER * min(44, max(map(len, names)))
    row, top, bottom, right = 20, 6, 24, 16
    height = top + row * len(names) + bottom
    seen = [v for dot in given for v in (dot.value, dot.low, dot.high) if math.isfinite(v)]
    low, high = min(seen, default=0.0), max(seen, default=1.0)
    around = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    low, high = low - around, high + around
    place = lambda value: left + (WIDTH - left - right) * (value - low) / (high - low)  # noqa: E731
    parts = []
    for value in ticks(low, high, 6):
        x = place(value)
        parts.append(
            f'<path d="M{x:.1f} {top}V{height - bottom}" stroke="{GRID}"/>'
            f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{number(value)}</text>'
        )
    for i, name in enumerate(names):
        y = top + row * (i + 0.5)
        shown = name if len(name) <= 44 else name[:43] + "\u2026"
        parts.append(
            f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">'
            f"<title>{escape(name)}</title>{escape(shown)}</text>"
        )
    for dot in given:
        x, y = place(dot.value), top + row * (dot.row + 0.5)
        parts.append(f"<g><title>{escape(dot.title)}</title>")
        if math.isfinite(dot.low):
            parts.append(whisker(y, place(dot.low), place(dot.high), upright=False))
        if dot.kind == "paper":
            shape = (
                f'<path d="M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z" fill="#fff" stroke="{palette.TRUTH}"'
            )
            parts.append(shape + ' stroke-width="2"/>')
        else:
            fill = palette.STYLES[0].colour if dot.kind == "ours" else "#ffffff"
            edge = palette.STYLES[0 if dot.kind == "ours" else 5].colour
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{edge}" '
                'stroke-width="2"/>'
            )
        parts.append("</g>")
    return svg(WIDTH, height, "".join(parts), "dots")


def _tint(share: float) -> str:
    """White at nothing, the palette's first colour at all of it."""
    colour = palette.STYLES[0].colour
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)
