"""The videos that a command names, each under a name of its own."""

import dataclasses
import pathlib
from collections.abc import Iterable

from affectjax.errors import UserError
from affectjax.media.files import VIDEOS, files, said

RESERVED = ("index",)  # the page over all videos
LONGEST = 200  # bytes of a name, so that an ending and a number still fit into a file's name


@dataclasses.dataclass(frozen=True)
class Video:
    """A file, and the name that everything made of it bears: a relative path without an ending."""

    name: str
    path: pathlib.Path


def named(places: Iterable[str | pathlib.Path]) -> list[Video]:
    """Files and folders -> videos, in this order; a folder gives those below it, by name.

    A file that is named itself may have any ending, and need not be there: reading it says so.
    Names that would meet get the file's ending, then a number.
    """
    found: dict[pathlib.Path, str] = {}
    for place in map(pathlib.Path, places):
        if not place.is_dir():
            found.setdefault(place.absolute(), said(place.stem))
            continue
        below = sorted(files(place, VIDEOS))
        if not below:
            mend = f"Name a folder with videos ({', '.join(VIDEOS[:4])}, ...), or the files."
            raise UserError("there is no video in this folder", str(place), mend)
        for path in below:
            name = path.relative_to(place).with_suffix("").as_posix()
            found.setdefault(path.absolute(), said(name))
    taken = {name.casefold() for name in RESERVED}
    videos = []
    for path, name in found.items():
        name = _free(_short(name), path.suffix, taken)
        taken.add(name.casefold())
        videos.append(Video(name, path))
    return videos


def _short(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.encode()[:LONGEST].decode(errors="ignore")


def _free(name: str, ending: str, taken: set[str]) -> str:
    if name.casefold() not in taken:
        return name
    if (name + ending).casefold() not in taken and ending:
        return name + ending
    number = 2
    while f"{name}-{number}".casefold() in taken:
        number += 1
    return f"{name}-{number}"
