"""LIRIS-ACCEDE's tables of clips: classes of MediaEval 2015, values of 2016, sets and films."""

import pathlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import numpy as np

from affectjax.errors import UserError, nearest
from data_prep import find
from data_prep.builders import lists
from data_prep.plan import Clip, Lookup, Plan, Request

HOME = "liris-accede.ec-lyon.fr"
DIMENSIONS = ("valence", "arousal")
CLASSES = {
    "valence": ("negative", "neutral", "positive"),
    "arousal": ("calm", "neutral", "active"),
}
SETS = {"0": "test", "1": "train", "2": "validation"}


def classes(request: Request) -> Plan:
    """MediaEval 2015: the classes -1, 0, 1 of both dimensions."""
    target = request.options["target"]
    if target not in DIMENSIONS:
        mend = nearest(target, DIMENSIONS)
        raise UserError(f"there is no target {target!r}", "--options", mend)
    rows = {}
    for path in _tables(request, "valenceClass", "arousalClass", file="ACCEDEaffect.txt"):
        rows |= _read(path, lambda row: [int(row[f"{d}class"]) for d in DIMENSIONS])
    for name, pair in rows.items():
        if not set(pair) <= {-1, 0, 1}:
            raise UserError(f"the classes of {name} are {pair}", mend="They are -1, 0 or 1.")
    place = DIMENSIONS.index(target)
    split_of = _sets(request, rows)
    targets = {name: _values(pair) | {"label": pair[place] + 1} for name, pair in rows.items()}
    return _plan(
        request,
        targets,
        split_of,
        {"label_names": CLASSES[target]},
        {"protocol": "MediaEval 2015, the sets of ACCEDEsets.txt", "target": target},
    )


def values(request: Request) -> Plan:
    """MediaEval 2016: one valence and one arousal a clip."""
    rows, split_of = {}, {}
    tables = _tables(request, "valenceValue", "arousalValue", file="ACCEDEranking.txt")
    for path in tables:
        found = _read(path, lambda row: [float(row[f"{d}value"]) for d in DIMENSIONS])
        rows = found | rows
        part = "train" if path.name == "ACCEDEranking.txt" or len(tables) == 1 else "test"
        split_of = dict.fromkeys(found, part) | split_of
    protocol = "MediaEval 2016: ACCEDEranking.txt trains, the other table tests"
    if len(tables) == 1:
        split_of, protocol = _sets(request, rows), "the sets of ACCEDEsets.txt"
    targets = {name: _values(pair) for name, pair in rows.items()}
    return _plan(request, targets, split_of, {}, {"protocol": protocol})


def _values(pair: list[float]) -> dict[str, Any]:
    """One row of values; NaN times do not exist, so a clip's value stands at its start."""
    return {"values": np.array([pair], np.float32), "values_time": np.zeros(1, np.float32)}


def _plan(request, targets, split_of, spec, metadata) -> Plan:
    sources, skipped = lists.sources(targets, request.videos)
    films = _films(request)
    notes = [] if films else ["no file says of which film a clip is: each is a group of its own"]

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        out = {split: [] for split in SETS.values()}
        for one in sources:
            if lookup(one) is not None:
                clip = Clip(
                    one.name, films.get(one.name, one.name), one.name, targets=targets[one.name]
                )
                out[split_of[one.name]].append(clip)
        return {split: out[split] for split in ("train", "validation", "test") if out[split]}

    return Plan(sources, {"value_names": DIMENSIONS, **spec}, clips, metadata, {}, skipped, notes)


def _tables(request: Request, *columns: str, file: str) -> list[pathlib.Path]:
    """Every text file whose header names these columns, the owners' own name first."""
    wanted = {column.lower() for column in columns}
    found = [
        path for path in sorted(request.annotations.rglob("*.txt")) if wanted <= set(_header(path))
    ]
    if not found:
        raise UserError(
            f"{file} is missing, or no table has the columns {' and '.join(columns)}",
            str(request.annotations),
            f"LIRIS-ACCEDE: its owners give it out at {HOME}.",
        )
    return sorted(found, key=lambda path: (path.name != file, str(path)))


def _header(path: pathlib.Path) -> list[str]:
    with open(path, "rb") as file:
        first = file.readline(4096).decode("utf-8-sig", "replace")
    return [word.strip().lower() for word in first.split("\t")]


def _read(path: pathlib.Path, of_row: Callable[[dict], list]) -> dict[str, list]:
    """{clip: of_row(its row)} of a table with a header; names lose their ending."""
    header, found = _header(path), {}
    for number, line in enumerate(find.lines(path)[1:], 2):
        cells = [cell.strip() for cell in line.split("\t")]
        try:
            row = dict(zip(header, cells, strict=True))
            found[find.without_ending(row["name"])] = of_row(row)
        except (ValueError, KeyError) as error:
            mend = f"A line has the columns {', '.join(header)}, with tabs between."
            raise UserError(f"{line!r} does not fit", f"{path}, line {number}", mend) from error
    return found


def _sets(request: Request, rows: dict[str, list]) -> dict[str, str]:
    """{clip: split} from ACCEDEsets.txt: 0 tests, 1 trains, 2 validates."""
    path = find.annotation(request, ["ACCEDEsets.txt"], "LIRIS-ACCEDE", HOME)
    found = _read(path, lambda row: [SETS[row["set"]]])
    missing = sorted(set(rows) - set(found))
    if missing:
        raise UserError(f"{missing[0]} is in no set", str(path), "Give the sets of this task.")
    return {name: found[name][0] for name in rows}


def _films(request: Request) -> dict[str, str]:
    """{clip: film}, {} where nothing says so."""
    for path in sorted(request.annotations.rglob("ACCEDEdescription.xml")):
        return _described(path)
    for path in sorted(request.annotations.rglob("*.txt")):
        if {"name", "movie"} <= set(_header(path)):
            return {name: film for name, (film,) in _read(path, lambda r: [r["movie"]]).items()}
    return {}


def _described(path: pathlib.Path) -> dict[str, str]:
    raw = path.read_bytes()
    if b"<!ENTITY" in raw.upper():
        raise UserError(
            "the description declares entities", str(path), "Take the owners' own file."
        )
    try:
        media = ElementTree.fromstring(raw).iter("media")
    except ElementTree.ParseError as error:
        raise UserError(f"the description is no XML: {error}", str(path)) from error
    pairs = [(one.findtext("name"), one.findtext("movie")) for one in media]
    return {
        find.without_ending(name.strip()): film.strip()
        for name, film in pairs
        if name and name.strip() and film and film.strip()
    }
