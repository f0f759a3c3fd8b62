"""The files of each video, written whole or not at all, and found again by the next call."""

import hashlib
import html
import json
import pathlib
from typing import Any

from affectjax import files
from affectjax.errors import UserError
from affectjax.media.files import said
from affectjax.predicting import index, ours, page, picture, schema
from affectjax.predicting.ours import ENDINGS, INDEX, place
from affectjax.predicting.run import Predictor
from affectjax.predicting.timeline import Timeline
from affectjax.predicting.videos import Video

BESIDE = {"JSON": ".json", "CSV": ".csv", "picture": ".png"}


def basis(predictor: Predictor, source: str) -> dict[str, Any]:
    """What all files of a call follow from, besides the videos."""
    about = predictor.export.about
    config = json.dumps(about["config"], sort_keys=True, default=str)
    return {
        "parameters": predictor.model["digest"],
        "config": hashlib.sha256(config.encode()).hexdigest(),
        "extractors": [
            {"name": one.name, "settings": dict(one.settings), "weights": one.weights}
            for one in predictor.extractors
        ],
        "threshold": predictor.threshold,
        "window": [predictor.windows.seconds, predictor.windows.stride],
        "source": source,
        "maps": predictor.maps,
    }


def made_from(video: Video, shared: dict[str, Any]) -> dict[str, Any]:
    """What a video's files follow from; a changed file has another size or time."""
    try:
        known = video.path.stat()
    except OSError:
        return {}
    found = {
        **shared,
        "path": said(str(video.path)),
        "bytes": known.st_size,
        "modified": known.st_mtime_ns,
    }
    return json.loads(json.dumps(found))


def finished(out: pathlib.Path, video: Video, shared: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON of a video whose files stand, all of them made of the same; else None."""
    paths = [place(out, video.name, ending) for ending in ENDINGS]
    if not all(path.is_file() for path in paths):
        return None
    try:
        found = schema.read(paths[-1].read_text("utf-8"), str(paths[-1]))
    except (UserError, OSError, UnicodeDecodeError):
        return None
    known = made_from(video, shared)
    return found if known and found["made_from"] == known else None


def write(out: pathlib.Path, video: Video, made: Timeline, shared: dict[str, Any]) -> dict:
    """Write the video's files, in whose way is none; gives the JSON, first begun and last whole."""
    target = {ending: place(out, video.name, ending) for ending in ENDINGS}
    target[".html"].parent.mkdir(parents=True, exist_ok=True)
    copy = ours.copy(out, video) if shared["source"] == "copy" else None
    # One of an earlier call stays ours, though the page may do without it now.
    known = ours.claim(target[".json"]) or {}
    copied = copy.name if copy is not None else str(known.get("copy", ""))
    files.put(target[".json"], json.dumps(schema.begun(copied)))
    if copy is not None:
        files.copy(video.path, copy)
    found = schema.as_json(made, index.card(made), made_from(video, shared), copied)
    beside = {what: page.address(target[ending], target[".html"])
              for what, ending in BESIDE.items()}  # fmt: skip
    up = html.escape(page.address(out / INDEX, target[".html"]))
    back = f'<a href="{up}">All videos</a>'
    source = page.address(copy or video.path, target[".html"])
    if shared["source"] == "embed":
        source = page.embedded(video.path) or source
    files.put(target[".png"], picture.png(made))
    files.put(target[".csv"], schema.as_csv(made).encode())
    files.put(target[".html"], page.render(made, source, beside, back).encode())
    files.put(target[".json"], json.dumps(found, ensure_ascii=False, allow_nan=False).encode())
    return found
