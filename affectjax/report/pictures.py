"""Pictures of the papers as functions of arrays; each gives a matplotlib figure.

Nothing is drawn on a screen: figures are made without pyplot, so they may be made anywhere and are
freed when nobody holds them.
"""

import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from affectjax.detection import Interval
from affectjax.faithful import Curves
from affectjax.report import palette

DPI = 150


def figure(width: float, height: float):
    """An empty figure in inches, readable in print."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save(fig, path: str | pathlib.Path) -> None:
    """As PNG, the same bytes for the same picture."""
    fig.savefig(path, format="png", metadata={"Software": None})


def timeline(
    predicted: Mapping[str, Sequence[Interval]],
    truth: Sequence[Interval],
    duration: float,
    names: Sequence[str],
    curves: Mapping[str, np.ndarray] | None = None,
    threshold: float | None = None,
    title: str = "",
):
    """Detected intervals of several models over one video, the truth in the last row.

    predicted {model: intervals}, `names` of the classes; `curves` {model: [T]} over segments of
    equal length stand behind their rows, and `threshold` is the line that makes them intervals.
    """
    looks = palette.styles(names)
    rows = [*predicted, "truth"]
    fig = figure(7.0, 0.6 + 0.55 * len(rows))
    axes = fig.subplots()
    for row, model in enumerate(predicted):
        curve = (curves or {}).get(model)
        if curve is not None:
            _curve(axes, row, np.asarray(curve), duration, threshold)
        for one in predicted[model]:
            _bar(axes, row, one, looks[names[one.label]], names[one.label])
    for one in truth:
        _bar(axes, len(rows) - 1, one, looks[names[one.label]], names[one.label], true=True)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, duration)
    axes.set_xlabel("seconds")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    if title:
        axes.set_title(title, loc="left", fontsize=9)
    return fig


def _curve(axes, row: int, curve: np.ndarray, duration: float, threshold: float | None) -> None:
    """A curve from 0 to 1 in the upper part of a row, above the bars."""
    edges = np.linspace(0, duration, len(curve) + 1)
    axes.stairs(row + 0.05 - 0.5 * curve, edges, baseline=row + 0.05, fill=True, color="#dddddd")
    if threshold is not None:
        axes.hlines(row + 0.05 - 0.5 * threshold, 0, duration, color="#999999", lw=0.6, ls=":")


def _bar(axes, row: int, one: Interval, look: palette.Style, name: str, true: bool = False):
    """An interval with its class; the truth has a frame of its own."""
    axes.broken_barh(
        [(one.start, one.end - one.start)], (row + 0.08, 0.26), facecolor="white",
        edgecolor=look.colour, hatch=look.hatch, lw=2.0 if true else 1.2,
    )  # fmt: skip
    shown = name if true else f"{name} {one.score:.2f}"
    axes.annotate(
        shown, ((one.start + one.end) / 2, row + 0.21), ha="center", va="center", fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip
    for edge in (one.start, one.end):  # seen even where the words are wider than the interval
        axes.plot([edge, edge], [row + 0.08, row + 0.34], color=look.colour, lw=1.2, zorder=4)


def attention_frames(
    frames: np.ndarray,
    heat: np.ndarray | None,
    attention: np.ndarray,
    there: np.ndarray,
    title: str = "",
):
    """Frames of a video's segments, what speaks for the emotion in each, and attention below.

    frames uint8 [T, H, W, 3], heat [T, m] of square maps or None, attention [T] from 0 to 1,
    there [T]. All maps share one scale, so that segments compare.
    """
    count = len(frames)
    fig = figure(0.9 * count + 0.6, 2.0 if heat is not None else 1.5)
    rows = 3 if heat is not None else 2
    grid = fig.add_gridspec(rows, count, height_ratios=[4.0] * (rows - 1) + [1.0])
    top = float(heat.max()) or 1.0 if heat is not None else 1.0
    for t in range(count):
        _frame(fig.add_subplot(grid[0, t]), frames[t], there[t])
        if heat is not None:
            axes = fig.add_subplot(grid[1, t])
            grey = np.repeat(frames[t].mean(-1, keepdims=True).astype(np.uint8), 3, -1)
            _frame(axes, grey, there[t])  # whose own colours would mix with the map's
            if there[t]:
                _heat(axes, heat[t] / top, frames.shape[1:3])
    bar = fig.add_subplot(grid[rows - 1, :])
    shown = np.where(there, attention, np.nan)[None]
    bar.imshow(shown, aspect="auto", cmap=palette.HEAT, vmin=0, vmax=1, extent=(0, count, 0, 1))
    for t in range(count):
        said = f"{attention[t]:.2f}" if there[t] else "none"
        ink = "black" if there[t] and attention[t] > 0.5 else "white" if there[t] else "black"
        bar.text(t + 0.5, 0.5, said, ha="center", va="center", fontsize=7, color=ink)
    bar.set_xticks([])
    bar.set_yticks([])
    if title:
        fig.suptitle(title, fontsize=9, x=0.01, ha="left")
    return fig


def _frame(axes, frame: np.ndarray, there: bool) -> None:
    axes.imshow(frame if there else np.full_like(frame, 255))
    axes.set_xticks([])
    axes.set_yticks([])


def _heat(axes, cells: np.ndarray, size: tuple[int, int]) -> None:
    """Cells [m] of a square map over a picture, smoothly."""
    side = math.isqrt(len(cells))
    if side * side != len(cells):
        raise ValueError(f"{len(cells)} cells are no square")
    axes.imshow(
        cells.reshape(side, side), cmap=palette.HEAT, vmin=0, vmax=1, alpha=0.6,
        extent=(-0.5, size[1] - 0.5, size[0] - 0.5, -0.5), interpolation="bilinear",
    )  # fmt: skip


def faithfulness(of: Mapping[str, Curves], title: str = ""):
    """Deletion and insertion curves of several models, each beside its random orders.

    of {model: `faithful.Curves`}. What lies between a model's two lines is what its attention
    knows; the figures in the legend are the areas between.
    """
    looks = palette.styles(list(of))
    fig = figure(7.0, 3.0)
    panels = fig.subplots(1, 2, sharey=True)
    for side, axes in enumerate(panels):
        for model, found in of.items():
            own, by_chance = found[side], found[2 + side]
            share = np.linspace(0, 1, len(own))
            look, lead = looks[model], found.leads[side]
            axes.plot(share, own, color=look.colour, ls=look.line, marker=look.marker, ms=3,
                      label=f"{model}: {lead:+.3f}")  # fmt: skip
            axes.plot(share, by_chance, color=look.colour, lw=0.8, ls=":")
        axes.set_xlabel(("segments taken away", "segments put in")[side])
        axes.set_title(("deletion: lower is better", "insertion: higher is better")[side],
                       fontsize=9)  # fmt: skip
        axes.legend(fontsize=7, title="ahead of random orders (dotted)", title_fontsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("chance of the predicted emotion")
    if title:
        fig.suptitle(title, fontsize=9, x=0.01, ha="left")
    return fig


def sweep(
    values: Sequence[float],
    measured: Mapping[str, Sequence[tuple[float, float, float] | None]],
    label: str,
    unit: str,
):
    """A number against a setting: measured {dataset: (mean, low, high) a value, or None}."""
    looks = palette.styles(list(measured))
    fig = figure(4.5, 3.0)
    axes = fig.subplots()
    for name, each in measured.items():
        known = [(v, *found) for v, found in zip(values, each) if found is not None]
        x, mean, low, high = np.array(known).T
        look = looks[name]
        axes.plot(x, mean, color=look.colour, ls=look.line, marker=look.marker, label=name)
        sure = np.isfinite(low)
        axes.fill_between(x[sure], low[sure], high[sure], color=look.colour, alpha=0.15, lw=0)
    axes.set_xlabel(label)
    axes.set_ylabel(unit)
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return fig
