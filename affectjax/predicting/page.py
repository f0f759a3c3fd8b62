"""One page of HTML for one video: the player above its timeline, working from disk alone.

Script, style, data and pictures stand in the page. The video does not, unless it is asked for: a
film of a gigabyte has no place in a page. The page points to the file where it lies, relative to
itself, so a folder with both can be moved as a whole; where the file is gone, or of a kind that
browsers do not play, the page says so, takes another file, and the timeline works all the same.
"""

import base64
import html
import importlib.resources
import io
import json
import mimetypes
import os
import pathlib
import urllib.parse
from collections.abc import Mapping

import numpy as np

from affectjax.predicting import looks, schema
from affectjax.predicting.timeline import Timeline
from affectjax.report import palette

LARGEST = 100 * 2**20  # bytes of a video that a page may hold
SEGMENTS_BY = {
    "attention": "Where attention is above its threshold, and which emotion leads there; the "
    "number is attention times the emotion's chance. Click to go there.",
    "leading class": "The number is the emotion's mean chance. Click to go there.",
    "": "",
}


def render(made: Timeline, source: str, files: Mapping[str, str], back: str = "") -> str:
    """The page; `source` is the video's address, `files` {what: address} of what lies beside it."""
    tracks = [looks.shown(track) for track in made.tracks]
    colour = looks.of_segments(made)
    colour_of = looks.colours(looks.shown(made.emotions)) if made.maps else {}
    plain = schema.as_json(made)
    warned = looks.doubts(made) + [looks.sentence(note) for note in made.video["notes"]]
    data = {
        "edges": plain["edges"],
        "attention": plain["attention"],
        "segments_by": made.segments_by,
        "segments": [
            {**one, "colour": colour[one["label"]], "ink": looks.ink(colour[one["label"]])}
            for one in plain["segments"]
        ],
        "tracks": [
            {
                "kind": track.kind,
                "names": track.names,
                "colours": list(looks.colours(track).values()),
                "range": looks.extent(track),
                "scores": _short(track.scores),
                "overall": _short(made.overall(track)),
            }
            for track in tracks
        ],
        "maps": [
            {
                "at": round(one.at, 3),
                "label": one.label,
                "score": float(f"{one.score:.5g}"),
                "colour": colour_of.get(one.label, palette.TRUTH),
                "frame": picture(looks.frame(one)),
                "overlay": picture(looks.overlay(one)),
                "blank": not one.cells.any(),
            }
            for one in made.maps
        ],
        "strip": [{"at": at, "picture": picture(rows)} for at, rows in made.strip],
    }  # fmt: skip
    listed = ", ".join(
        f'<a href="{html.escape(where)}">{html.escape(what)}</a>' for what, where in files.items()
    )
    return fill(
        "video.html",
        title=html.escape(made.name),
        back=back,
        about=html.escape(_about(made)),
        caveats="\n".join(f'<p class="note">{html.escape(c)}</p>' for c in warned),
        source=html.escape(source),
        reading=html.escape(looks.reading(made)),
        duration=f"{made.edges[-1]:g}",
        segments_by=html.escape(SEGMENTS_BY[made.segments_by]),
        files=f"The same as {listed}." if listed else "",
        style=asset("page.css"),
        # "<" must not end the script that holds the data
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        script=asset("video.js"),
    )


def address(video: pathlib.Path, page: pathlib.Path) -> str:
    """Where the video lies, as the page says it."""
    try:
        relative = os.path.relpath(video, page.parent)
    except ValueError:  # on another drive
        return video.as_uri()
    # as bytes, for a name need not be UTF-8
    return urllib.parse.quote(os.fsencode(pathlib.PurePath(relative).as_posix()))


def embedded(video: pathlib.Path) -> str | None:
    """The video itself as an address; None for one that is too large for a page."""
    if video.stat().st_size > LARGEST:
        return None
    return as_data(video.read_bytes(), mimetypes.guess_type(video.name)[0] or "video/mp4")


def picture(rows: np.ndarray) -> str:
    """uint8 [H, W, 3] as an address."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(rows).save(file, "JPEG", quality=72)
    return as_data(file.getvalue(), "image/jpeg")


def as_data(content: bytes, kind: str) -> str:
    """Bytes of a MIME type as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def fill(name: str, **parts: str) -> str:
    """A template with every {{part}} in its place, in one pass: what is put in is not read."""
    pieces = asset(name).split("{{")
    found = [pieces[0]]
    for piece in pieces[1:]:
        key, _, rest = piece.partition("}}")
        found += [parts[key], rest]
    return "".join(found)


def asset(name: str) -> str:
    """The text of a file that all pages share."""
    return (importlib.resources.files("affectjax.predicting") / "pages" / name).read_text("utf-8")


def _about(made: Timeline) -> str:
    model, window, video, end = made.model, made.window, made.video, made.edges[-1]
    looked = "the whole video at once"
    if window.length(made.edges[-1]) < made.edges[-1]:
        looked = f"windows of {window.seconds:.3g} s, one every {window.stride:.3g} s"
    return (
        f"{looks.clock(end, end)}, {video['width']} x {video['height']}. Overall: "
        f"{looks.headline(made)}. Predicted by {model['name']}, trained on {model['dataset']}, "
        f"from {looked}."
    )


def _short(array: np.ndarray) -> list:
    """Five digits, which is more than a screen shows."""
    rows = np.asarray(array, np.float64)
    if rows.ndim > 1:
        return [_short(row) for row in rows]
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in rows.tolist()]
