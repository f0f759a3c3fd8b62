"""How a prediction looks in every picture and page: colours, scales, and words about it."""

import math

import numpy as np

from affectjax.predicting.timeline import SHARES, Map, Timeline, Track
from affectjax.report import palette

MOST = len(palette.STYLES)  # names that a picture shows
SIDE = 240  # pixels of a frame with its map
FAINT, STRONG = 0.3, 0.75  # how much a map covers where nothing speaks, and where most does
READING = {
    "classes": "How likely each emotion is in the stretch around each moment",
    "distribution": "Which share each emotion has in the stretch around each moment",
    "values": "The values of the stretch around each moment, in the training data's own units",
    "words": "How likely viewers are to write each word at each moment",
}


def shown(track: Track) -> Track:
    """The track, or where it has too many names to tell apart those that are strongest over all."""
    if len(track.names) <= MOST:
        return track
    strength = np.nanmean(np.abs(track.scores), axis=0)
    best = sorted(np.argsort(-strength, kind="stable")[:MOST].tolist())
    return Track(track.kind, tuple(track.names[k] for k in best), track.scores[:, best])


def colours(track: Track) -> dict[str, str]:
    """{name: #rrggbb} of a track that is `shown`."""
    return {name: style.colour for name, style in palette.styles(track.names).items()}


def of_segments(made: Timeline) -> dict[str, str]:
    """{label: #rrggbb} of every segment: that of its emotion's curve, or that of no curve."""
    curves = colours(shown(made.emotions)) if made.emotions else {}
    return {one.label: curves.get(one.label, palette.TRUTH) for one in made.segments}


def ink(colour: str) -> str:
    """Black or white, whichever is read more easily on the colour."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in
              (red, green, blue)]  # fmt: skip
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#ffffff"


def extent(track: Track) -> tuple[float, float]:
    """(least, most) of a track's axis: shares from 0, values around what they take."""
    known = track.scores[np.isfinite(track.scores)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if track.kind in SHARES:
        return 0.0, min(1.0, math.ceil(max(high, 0.05) * 10) / 10)
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high > low else (-1.0, 1.0)


def reading(made: Timeline) -> str:
    """What the timeline says, in words."""
    found = []
    for track in made.tracks:
        low, high = extent(shown(track))
        scale = f" (scale 0 to {high:.0%})" if track.kind in SHARES else ""
        found.append(READING[track.kind] + scale + ".")
    if made.attention is not None:
        found.append("Attention: how much the model looked at each part.")
    return " ".join(found)


def doubts(made: Timeline) -> list[str]:
    """What one must know of the model before believing any of it."""
    found = []
    if made.model["dataset"].startswith("sample"):
        found.append(
            "This model learned from the built-in sample, which is invented: it shows the way and "
            "says nothing about people."
        )
    if not made.model["trained"]:
        found.append("The features come from networks of random weights: good for a trial only.")
    return found


def sentence(note: str) -> str:
    """A note as a sentence."""
    return note[:1].upper() + note[1:].rstrip(".") + "."


def frame(one: Map) -> np.ndarray:
    """The frame of a map alone, uint8 [SIDE, SIDE, 3]."""
    from PIL import Image

    return np.asarray(Image.fromarray(one.frame).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def overlay(one: Map) -> np.ndarray:
    """The frame without its colours under those of the map, uint8 [SIDE, SIDE, 3].

    Every map fills its own scale: those of two windows, or of two emotions, do not compare.
    """
    import matplotlib
    from PIL import Image

    side = math.isqrt(len(one.cells))
    share = (one.cells / (one.cells.max() or 1.0)).reshape(side, side).astype(np.float32)
    smooth = Image.fromarray(share).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(smooth), 0, 1)[..., None]
    cover = FAINT + (STRONG - FAINT) * heat
    grey = frame(one).mean(-1, keepdims=True)
    colour = 255 * matplotlib.colormaps[palette.HEAT](heat[..., 0])[..., :3]
    return (grey * (1 - cover) + colour * cover).round().astype(np.uint8)


def headline(made: Timeline) -> str:
    """The prediction of the whole video in a few words."""
    emotions = made.emotions
    if emotions is not None:
        mean = made.overall(emotions)
        return f"{emotions.names[int(mean.argmax())]} {mean.max():.0%}"
    parts = [
        f"{name} {value:.3g}"
        for track in made.tracks
        for name, value in zip(track.names, made.overall(track))
    ]
    return ", ".join(parts)


def clock(seconds: float, end: float) -> str:
    """A moment, or the length, of something so long: 1:02:03, or 2:03, or 2.5 s."""
    if end < 60:
        return f"{seconds:.2f} s" if end < 2 else f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def leading(made: Timeline) -> list[tuple[float, float, str]]:
    """(start, end, colour) of the runs that one name leads, for a small strip."""
    if made.emotions is None:
        return []
    emotions = shown(made.emotions)
    top, colour = emotions.scores.argmax(1), colours(emotions)
    cuts = [0, *(np.flatnonzero(np.diff(top)) + 1), len(top)]
    return [
        (float(made.edges[a]), float(made.edges[b]), colour[emotions.names[top[a]]])
        for a, b in zip(cuts, cuts[1:])
    ]
