"""Video files by their endings, below a folder."""

import os
import pathlib
from collections.abc import Iterable, Iterator

from affectjax.errors import UserError

VIDEOS = (
    ".mp4 .m4v .mov .mkv .webm .avi .flv .f4v .wmv .mpg .mpeg .m2ts .mts .ts .3gp .ogv .vob"
).split()


def files(root: pathlib.Path, endings: Iterable[str]) -> Iterator[pathlib.Path]:
    """The files below root with one of the endings; every real folder once, links to them last."""
    endings, seen, waiting = set(endings), set(), [str(root)]
    while waiting:
        begin = waiting.pop(0)
        for place, folders, files in os.walk(begin, onerror=_unreadable):
            now = os.stat(place)
            if (now.st_dev, now.st_ino) in seen:
                folders[:] = []
                continue
            seen.add((now.st_dev, now.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = [os.path.join(place, name) for name in folders]
            waiting += [path for path in below if os.path.islink(path)]
            for name in files:
                path = pathlib.Path(place, name)
                if path.suffix.lower() in endings and not name.startswith("."):
                    yield path


def _unreadable(error: OSError):
    mend = "Allow reading it, or move it away."
    what = f"The folder cannot be read: {error.strerror}"
    raise UserError(what, said(str(error.filename)), mend) from error


def said(name: str) -> str:
    """The name as it can be written down: bytes that are not UTF-8 as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
