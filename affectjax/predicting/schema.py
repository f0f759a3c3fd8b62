"""What a prediction file holds: version 1 of `NAME.json`, and the rows of `NAME.csv`.

    format      "affectjax.prediction"
    version     1; another number means that a name here has changed or is gone
    name        of the video within its call
    video       path, duration (seconds), width, height (as shown), frame_rate, has_sound, and
                notes: what was wrong with the file, in words
    model       name, export (folder), digest (sha256 of its parameters), dataset (it was trained
                on), trained (false: features of random weights, good for trying the way only)
    window      seconds, stride: how long the stretches were that the model looked at, and how far
                apart they begin
    edges       [n + 1] ascending seconds: step i lasts from edges[i] to edges[i + 1]
    tracks      what the model says, each with
                kind     "classes": chances of emotions, of which one is right; "distribution":
                         shares of emotions; "values": numbers in the dataset's own units, as
                         valence and arousal; "words": chances of the likeliest words
                names    [K]
                scores   [n][K], a row for each step
                overall  [K], the mean over the video
    attention   [n] from 0 to 1, or null: how much the model looked at each step
    segments    start, end (seconds), label, score (0 to 1): stretches of one emotion
    segments_by "attention": attention reaches a threshold and the emotion leads;
                "leading class": the emotion leads, nothing more; "": the model detects none
    maps        at (seconds), label, score (its chance): moments whose frames the page and the
                picture show with what in them speaks for the label (Grad-CAM); none where the
                model reads no frames, and a file from before there were any may lack the name
    copy        the name of the video's copy beside this file; "" where there is none, and a file
                from before it was told may lack the name
    card        what the page over all videos shows of this one; a part of the call's own memory
    made_from   what the file follows from; a call that would make it of the same finds it finished

While the files of a video are being written, format, version and copy stand here alone: so it is
known whose they are. A number that is not finite stands as null.

The CSV has a row for each step: start, end, a column for each name of each track (`joy`, `valence`;
where two tracks share a name, `distribution_joy`), attention where there is one, and `leading`, the
name that leads.
"""

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectjax.errors import UserError
from affectjax.predicting.timeline import Timeline

FORMAT, VERSION = "affectjax.prediction", 1
KINDS = ("classes", "distribution", "values", "words")
TEXTS = {
    "": ("format", "name", "segments_by"),
    "video": ("path",),
    "model": ("name", "export", "digest", "dataset"),
}
NUMBERS = {"video": ("duration", "width", "height", "frame_rate"), "window": ("seconds", "stride")}


def begun(copy: str = "") -> dict[str, Any]:
    """What stands in the file's place until it is finished."""
    return {"format": FORMAT, "version": VERSION, "copy": copy}


def as_json(
    made: Timeline,
    card: Mapping[str, Any] | None = None,
    made_from: Mapping[str, Any] | None = None,
    copy: str = "",
) -> dict[str, Any]:
    """The timeline as plain values, in the form above."""
    return {
        **begun(copy),
        "name": made.name,
        "video": dict(made.video),
        "model": dict(made.model),
        "window": {"seconds": made.window.seconds, "stride": made.window.stride},
        "edges": _plain(made.edges),
        "tracks": [
            {
                "kind": track.kind,
                "names": list(track.names),
                "scores": _plain(track.scores),
                "overall": _plain(made.overall(track)),
            }
            for track in made.tracks
        ],
        "attention": None if made.attention is None else _plain(made.attention),
        "segments": [
            {"start": _round(s.start), "end": _round(s.end), "label": s.label,
             "score": _round(s.score)}
            for s in made.segments
        ],
        "segments_by": made.segments_by,
        "maps": [
            {"at": _round(m.at), "label": m.label, "score": _round(m.score)} for m in made.maps
        ],
        "card": dict(card or {}),
        "made_from": dict(made_from or {}),
    }  # fmt: skip


def as_csv(made: Timeline) -> str:
    """A table with a row for each step."""
    names = [name for track in made.tracks for name in track.names]
    columns: dict[str, list] = {
        "start": _plain(made.edges[:-1]),
        "end": _plain(made.edges[1:]),
    }
    for track in made.tracks:
        for name, scores in zip(track.names, track.scores.T):
            taken = names.count(name) > 1 or name in columns or name in ("attention", "leading")
            columns[f"{track.kind}_{name}" if taken else name] = _plain(scores)
    if made.attention is not None:
        columns["attention"] = _plain(made.attention)
    if (emotions := made.emotions) is not None:
        columns["leading"] = [emotions.names[k] for k in emotions.scores.argmax(1)]
    file = io.StringIO(newline="")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*columns.values()))
    return file.getvalue()


def read(text: str, where: str) -> dict[str, Any]:
    """The JSON of a prediction file, checked against the form above."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"it is no JSON: {error}", where) from error
    validate(found, where)
    return found


def validate(found: Any, where: str = "prediction") -> None:
    """Raises a `UserError` that names the first entry which is not as the form says."""
    _hold(isinstance(found, dict) and found.get("format") == FORMAT, "format", where)
    _hold(found.get("version") == VERSION, f"version {VERSION}", where)
    for part, names in TEXTS.items():
        inside = found.get(part) if part else found
        for name in names:
            fits = isinstance(inside, dict) and isinstance(inside.get(name), str)
            _hold(fits, f"{part}.{name}".lstrip("."), where)
    for part, names in NUMBERS.items():
        for name in names:
            _hold(_is_number((found.get(part) or {}).get(name)), f"{part}.{name}", where)
    _hold(isinstance(found["video"].get("notes"), list), "video.notes", where)
    _hold(isinstance(found.get("copy", ""), str), "copy", where)
    for part in ("card", "made_from"):
        _hold(isinstance(found.get(part), dict), part, where)
    edges = found.get("edges")
    ascending = isinstance(edges, list) and len(edges) > 1 and all(map(_is_number, edges))
    _hold(ascending and edges == sorted(edges), "edges", where)
    steps = len(edges) - 1
    _hold(isinstance(found.get("tracks"), list), "tracks", where)
    for place, track in enumerate(found["tracks"]):
        at = f"tracks[{place}]"
        _hold(isinstance(track, dict) and track.get("kind") in KINDS, f"{at}.kind", where)
        names = track.get("names")
        _hold(isinstance(names, list) and all(isinstance(n, str) for n in names),
              f"{at}.names", where)  # fmt: skip
        _hold(_rows(track.get("scores"), steps, len(names)), f"{at}.scores", where)
        _hold(_rows([track.get("overall")], 1, len(names)), f"{at}.overall", where)
    attention = found.get("attention")
    _hold(attention is None or _rows([attention], 1, steps), "attention", where)
    _hold(isinstance(found.get("segments"), list), "segments", where)
    for place, segment in enumerate(found["segments"]):
        fits = isinstance(segment, dict) and isinstance(segment.get("label"), str)
        fits = fits and all(_is_number(segment.get(k)) for k in ("start", "end", "score"))
        _hold(fits and segment["start"] < segment["end"], f"segments[{place}]", where)
    _hold(isinstance(found.get("maps", []), list), "maps", where)
    for place, one in enumerate(found.get("maps", [])):
        fits = isinstance(one, dict) and isinstance(one.get("label"), str)
        fits = fits and all(_is_number(one.get(k)) for k in ("at", "score"))
        _hold(fits and edges[0] <= one["at"] <= edges[-1], f"maps[{place}]", where)


def _hold(fits: bool, name: str, where: str) -> None:
    if not fits:
        mend = "affectjax/predicting/schema.py says what a prediction file holds."
        raise UserError(f"{name} is missing or is not as it should be", where, mend)


def _rows(rows: Any, count: int, width: int) -> bool:
    return (
        isinstance(rows, list)
        and len(rows) == count
        and all(isinstance(row, list) and len(row) == width for row in rows)
        and all(value is None or _is_number(value) for row in rows for value in row)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(array: Any) -> list:
    array = np.asarray(array)
    if array.ndim > 1:
        return [_plain(row) for row in array]
    return [_round(value) for value in array.tolist()]


def _round(value: float) -> float | None:
    """Seven digits, which float32 has."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
