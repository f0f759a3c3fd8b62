"""List files of the benchmarks: a line says `class/video`, and maybe the number of the class."""

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence

from affectjax.errors import UserError
from data_prep import find
from data_prep.plan import Source

CLASSES = "classInd.txt"


@dataclasses.dataclass(frozen=True)
class Listed:
    """One line: the video's name as the list gives it, and its class."""

    name: str
    label: int


def read(path: pathlib.Path, classes: Sequence[str]) -> list[Listed]:
    """The videos of a list file. The folder is the class; an index beside it must agree."""
    places = {name: i for i, name in enumerate(classes)}
    found = []
    for number, line in enumerate(find.lines(path), 1):
        name, index = line, None
        if tail := re.fullmatch(r"(.*\S)\s+(\d+)", line):
            name, index = tail[1], int(tail[2])
        folder = name.partition("/")[0].lower()
        where = f"{path}, line {number}"
        if "/" not in name or folder not in places:
            raise UserError(
                f"{line!r} begins with no class", where, f"There are: {', '.join(classes)}."
            )
        if index is not None and index != places[folder] + 1:
            mend = f"{folder} is class {places[folder] + 1}; mend the list."
            raise UserError(f"{line!r} contradicts itself", where, mend)
        found.append(Listed(find.without_ending(name), places[folder]))
    return found


def check_classes(path: pathlib.Path, classes: Sequence[str]) -> None:
    """The index file, where there is one, must name our classes in our order."""
    for line in find.lines(path):
        index, _, name = line.partition(" ")
        place = int(index) - 1 if index.isdigit() else -1
        if not 0 <= place < len(classes) or classes[place] != name.strip().lower():
            mend = f"The classes are, from 1: {', '.join(classes)}."
            raise UserError(f"{line!r} names another class", str(path), mend)


def sources(
    names: Iterable[str],
    videos: pathlib.Path,
    comments: Mapping[str, pathlib.Path] | None = None,
    named: Iterable[str] = (),
) -> tuple[list[Source], dict[str, str]]:
    """The named videos that are there, and for each of the others why it is skipped.

    `named` has them as their table writes them: of two endings it says which is meant.
    """
    names = list(names)
    there = find.videos(videos, named)
    found = find.match(names, there)
    if not found:
        example = f" such as {names[0]!r}" if names else ""
        what = (
            f"none of the {len(names)} videos is there{example}" if there else "no video is there"
        )
        raise UserError(what, str(videos), "Name the folder of the videos with --videos=DIR.")
    skipped = {name: "no video file" for name in names if name not in found}
    said = comments or {}
    kept = [
        Source(name, str(path), str(said[name]) if name in said else None)
        for name, path in sorted(found.items())
    ]
    return kept, skipped
