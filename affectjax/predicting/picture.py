"""The timeline as a picture for paper: frames, emotions, values, attention, detected segments."""

import io
import math

import numpy as np

from affectjax.predicting import looks
from affectjax.predicting.timeline import SHARES, Timeline
from affectjax.report import palette

WIDTH = 9.0  # inches
MAPS = 6  # frames in a row


def png(made: Timeline) -> bytes:
    """A PNG; drawn without any state that other pictures share."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tracks = [looks.shown(track) for track in made.tracks]
    thin = bool(made.segments) + (made.attention is not None)
    heights = [2.4] * len(tracks) + [0.34] * thin
    tall = sum(heights) + 0.25 * len(heights) + 0.7
    above = 0.4 + 1.75 * math.ceil(len(made.maps) / MAPS) if made.maps else 0.0
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False}):  # fmt: skip
        figure = Figure((WIDTH, tall + above), layout="constrained")
        FigureCanvasAgg(figure)
        below = figure
        if made.maps:
            top, below = figure.subfigures(2, 1, height_ratios=[above, tall])
            _maps(top, made)
        axes = below.subplots(len(heights), 1, sharex=True, squeeze=False,
                              height_ratios=heights)[:, 0]  # fmt: skip
        for axis, track in zip(axes, tracks):
            _curves(axis, made, track)
        rest = list(axes[len(tracks) :])
        if made.segments:
            _segments(rest.pop(0), made)
        if made.attention is not None:
            _attention(rest.pop(0), made)
        if not made.maps:
            axes[0].set_title(made.name, loc="left", fontsize=11)
        end = made.edges[-1]
        axes[-1].set_xlim(0, end)
        axes[-1].xaxis.set_major_formatter(lambda seconds, _: looks.clock(seconds, end))
        axes[-1].set_xlabel("time")
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=130, metadata={"Software": None})
    return file.getvalue()


def _maps(figure, made: Timeline) -> None:
    """Rows of frames under their maps; the last is filled with nothing, so that all are alike."""
    axes = figure.subplots(math.ceil(len(made.maps) / MAPS), MAPS).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, one in zip(axes, made.maps):
        axis.imshow(looks.overlay(one))
        when = looks.clock(one.at, made.edges[-1])
        axis.set_title(f"{when}\n{one.label} {one.score:.0%}", fontsize=8, loc="left")
    figure.suptitle(made.name, x=0.01, ha="left", fontsize=11)


def _curves(axis, made: Timeline, track) -> None:
    centre = (made.edges[1:] + made.edges[:-1]) / 2
    every = max(1, len(centre) // 14)
    for name, style, scores in zip(track.names, palette.STYLES, track.scores.T):
        # the ends of the video belong to its first and last step
        axis.plot(
            np.concatenate([[0.0], centre, [made.edges[-1]]]),
            np.concatenate([scores[:1], scores, scores[-1:]]),
            color=style.colour, linestyle=style.line, marker=style.marker, markersize=4,
            markevery=slice(1, -1, every), label=name, linewidth=1.5,
        )  # fmt: skip
    low, high = looks.extent(track)
    room = 0.03 * (high - low)
    axis.set_ylim(low - room, high + room)
    axis.grid(axis="y", color="#e3e6ea", linewidth=0.8)
    axis.set_ylabel({"classes": "chance", "distribution": "share", "words": "chance"}.get(
        track.kind, "value"))  # fmt: skip
    if track.kind in SHARES:
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    elif low < 0 < high:
        axis.axhline(0, color="#98a1ae", linewidth=0.8)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, handlelength=3.4)


def _segments(axis, made: Timeline) -> None:
    colour = looks.of_segments(made)
    for one in made.segments:
        own = colour[one.label]
        axis.axvspan(one.start, one.end, color=own, ec="white")
        if (one.end - one.start) / made.edges[-1] * WIDTH * 0.8 > 0.08 * len(one.label):
            axis.text((one.start + one.end) / 2, 0.5, one.label, ha="center", va="center",
                      color=looks.ink(own), fontsize=8)  # fmt: skip
    _bare(axis, "detected" if made.segments_by == "attention" else "leads")


def _attention(axis, made: Timeline) -> None:
    axis.pcolormesh(made.edges, [0, 1], made.attention[None], cmap="Blues", vmin=0, vmax=1)
    _bare(axis, "attention")


def _bare(axis, name: str) -> None:
    axis.set_yticks([])
    axis.set_ylim(0, 1)
    axis.spines["left"].set_visible(False)
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
