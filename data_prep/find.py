"""Files by name: videos under a folder, the comment file of a video, the annotations of a set."""

import os
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from affectjax.errors import UserError
from affectjax.media.files import VIDEOS, files, said
from data_prep.comments import read
from data_prep.comments.encoding import decode

COMMENTS = ".xml .json .jsonl .ndjson .csv .tsv .pb .bin .so".split()
LONG = 2**16  # bytes; what holds no comments is shorter
LIKELY = (".xml", ".pb", ".bin", ".so")  # the others hold all sorts of things besides comments
_HIGH = re.compile(rb"[\x80-\xff]+")


def folder(path: str | os.PathLike | None, flag: str, what: str) -> pathlib.Path:
    """The folder that a flag names, or one clear line."""
    if path is None:
        raise UserError(f"{flag} is missing", mend=f"Say {flag}=DIR, {what}.")
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(f"{flag} is no folder", str(path), f"Name {what}.")
    return path.absolute()


def videos(root: pathlib.Path, named: Iterable[str] = ()) -> dict[str, pathlib.Path]:
    """{path below root without its ending, "/" between: file}, by name.

    Of two endings the one that `named` has, names as a table writes them, else the first. Hidden
    files and folders are left out, and names that are not UTF-8: no record can hold them.
    """
    named = set(named)

    def rank(path: pathlib.Path) -> tuple[bool, pathlib.Path]:
        return named.isdisjoint((path.name, path.relative_to(root).as_posix())), path

    found: dict[str, pathlib.Path] = {}
    for path in sorted(files(root, VIDEOS), key=rank):
        if key := _key(path, root):
            found.setdefault(key, path)
    return dict(sorted(found.items()))


def _key(path: pathlib.Path, root: pathlib.Path) -> str | None:
    key = path.relative_to(root).with_suffix("").as_posix()
    return key if said(key) == key else None


def unnamed(root: pathlib.Path, endings: Iterable[str]) -> dict[str, str]:
    """{name as it can be written: reason} of the files that `videos` and `comments` leave out."""
    names = [os.path.relpath(path, root) for path in files(root, endings)]
    return {said(n): "its name is not UTF-8" for n in sorted(names) if said(n) != n}


def passed_over(taken: Iterable[str], root: pathlib.Path, endings: Iterable[str]) -> dict[str, str]:
    """{file: reason} of those that lie beside a taken one under the same name."""
    taken, endings = set(taken), set(endings)
    stems: dict[str, set[str]] = {}
    for path in taken:
        folder, name = os.path.split(path)
        stems.setdefault(folder, set()).add(_bare(os.path.splitext(name)[0]))
    found = {}
    for folder in sorted(stems):
        for name in sorted(os.listdir(folder)):
            stem, ending = os.path.splitext(name)
            path = os.path.join(folder, name)
            if _bare(stem) in stems[folder] and ending.lower() in endings and path not in taken:
                key = said(os.path.relpath(path, root))
                found[key] = "another file of the same name was taken"
    return found


def comments(names: Iterable[str], root: pathlib.Path) -> dict[str, pathlib.Path]:
    """{video's name: its comment file}: the same path below root, or the same bare name.

    A bare name that stands twice, below root or among the videos, belongs to nobody.
    `clip.danmaku.xml` is `clip`'s too, and goes before `clip.xml`, and that before `clip.json`;
    of several files the first that can be read is taken.
    """
    names = list(names)
    known, times = set(names), Counter(map(_last, names))
    of: dict[str, list[pathlib.Path]] = {}
    for path in sorted(files(root, COMMENTS), key=_likely):
        if key := _key(path, root):
            of.setdefault(key if key in known else _bare(key), []).append(path)
    alike: dict[str, list[str]] = {}
    for key in of:
        alike.setdefault(_last(key), []).append(key)
    found = {}
    for name in names:
        last = _last(name)
        if name in of:
            found[name] = _readable(of[name])
        elif times[last] == 1 and len(alike.get(last, [])) == 1:
            found[name] = _readable(of[alike[last][0]])
    return found


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _likely(path: pathlib.Path) -> tuple[bool, bool, pathlib.Path]:
    return _bare(path.stem) == path.stem, path.suffix.lower() not in LIKELY, path


def _readable(paths: list[pathlib.Path]) -> pathlib.Path:
    """The first comment file among them; where there is none, the first, for the report to name."""
    for path in paths if len(paths) > 1 else ():
        if path.suffix.lower() in LIKELY and path.stat().st_size > LONG:
            return path  # as good as sure, and reading many of them takes long
        try:
            read.read(path)
            return path
        except UserError:
            pass
    return paths[0]


def _bare(name: str) -> str:
    for tail in (".danmaku", ".comments"):
        name = name.removesuffix(tail)
    return name


def without_ending(name: str) -> str:
    """A video's name without the ending that its file may have."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in VIDEOS else name


def match(wanted: Iterable[str], there: Mapping[str, pathlib.Path]) -> dict[str, pathlib.Path]:
    """{wanted name: file}: the same path, or the same bare name where only one file has it.

    Published names have endings now and then, so a file may be called `clip.wmv.mp4`.
    """
    there = {without_ending(key): path for key, path in reversed(there.items())} | dict(there)
    bare: dict[str, list[str]] = {}
    for key in there:
        bare.setdefault(_last(key), []).append(key)
    found = {}
    for name in wanted:
        alike = bare.get(_last(name), [])
        if name in there:
            found[name] = there[name]
        elif len(alike) == 1 and ("/" not in name or "/" not in alike[0]):
            found[name] = there[alike[0]]
    return found


def annotation(request, names: Iterable[str], dataset: str, home: str) -> pathlib.Path:
    """The first of these files under --annotations; if none is there, who gives it out."""
    names = list(names)
    root = folder(request.annotations, "--annotations", f"the annotation files of {dataset}")
    for name in names:
        hits = sorted(root.rglob(name))
        if hits:
            return hits[0]
    raise UserError(
        f"{' or '.join(names)} is missing",
        str(root),
        f"{dataset}: its owners give it out at {home}.",
    )


def lines(path: pathlib.Path) -> list[str]:
    """The lines of a text file that are not empty; a byte order mark is left out."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"The file cannot be read: {error.strerror}", str(path)) from error
    # Accents stand alone among letters; the characters of UTF-8 and GBK are of several bytes.
    runs = _HIGH.findall(data)
    accents = b"\0" not in data and 2 * sum(len(run) == 1 for run in runs) > sum(map(len, runs))
    text = data.decode("latin-1") if accents else decode(data, Counter())
    return [line.strip() for line in text.splitlines() if line.strip()]
