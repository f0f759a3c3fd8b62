"""Which files under --out are ours to replace; all others belong to somebody, and stay.

A NAME.json of ours says it for the files of its name. It stands from before the first of them is
written, so those that a stopped call left are ours as well; and it names the video's copy, for
only that is ours and not another video beside it.
"""

import json
import os
import pathlib
from typing import Any

from affectjax.errors import UserError
from affectjax.media.files import said
from affectjax.predicting import schema
from affectjax.predicting.videos import Video

ENDINGS = (".html", ".csv", ".png", ".json")  # the last one says whose the others are
INDEX = "index.html"
MARK = b'<meta name="generator" content="affectjax.predict">'  # in the head of pages/index.html
EARLIER = b"default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # of a page without it
HEAD = 2**12  # bytes of a page that its mark stands in


def place(out: pathlib.Path, name: str, ending: str) -> pathlib.Path:
    """A file of a video; a point in the name is part of it."""
    return out / (name + ending)


def copy(out: pathlib.Path, video: Video) -> pathlib.Path | None:
    """Where the video's copy is to be; None where the video itself lies there."""
    ending = said(video.path.suffix)
    found = place(out, video.name, ".video" if ending in ("", *ENDINGS) else ending)
    try:
        return None if found.samefile(video.path) else found
    except OSError:  # one of them is not there
        return found


def claim(path: pathlib.Path) -> dict[str, Any] | None:
    """What a NAME.json of ours says, begun or finished; None of any other, and of none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("format") == schema.FORMAT else None


def has_copy(known: dict[str, Any] | None, name: str) -> bool:
    """Whether a NAME.json of ours says that this is the video's copy."""
    if known is None or "copy" in known:
        return known is not None and known["copy"] == name
    made = known.get("made_from")  # an earlier version did not name it
    return isinstance(made, dict) and made.get("source") == "copy"


def in_the_way(out: pathlib.Path, video: Video, source: str) -> pathlib.Path | None:
    """A file that stands where one of the video's is to be, and is not ours; None: there is none.

    `source` is how the page comes to the video; "copy" needs a place as well.
    """
    paths = [place(out, video.name, ending) for ending in reversed(ENDINGS)]
    known = claim(paths[0])
    others = paths if known is None else []
    copied = copy(out, video) if source == "copy" else None
    if copied is not None and not has_copy(known, copied.name):
        others = [*others, copied]
    return next((path for path in others if os.path.lexists(path)), None)


def check_index(out: pathlib.Path) -> None:
    """Raises a `UserError` where the page over all videos would replace somebody's own."""
    path = out / INDEX
    if not os.path.lexists(path):
        return
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            ours = MARK in head or EARLIER in head
    except OSError:
        ours = False
    if not ours:
        raise UserError("this file is none of ours, and stays", str(path), "Say another --out.")
