"""Files of comments, with or without labels: tables, `label<TAB>text` lines, sites' comment files.

A table (CSV, separated by comma, semicolon or tab) has a column `text` and, as far as there are
any, `id`, `group` (comments of one group stay in one split), `split`, and either `label` (names,
several joined by `|`) or a column for each emotion with 1, 0 or nothing (unknown). A file without
such a header is lines of a label, a separator and a text. A folder, or a file of a site's format,
gives comments without labels; files of a folder that hold no comments are skipped and named.
"""

import csv
import dataclasses
import io
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Sequence

from affectjax.errors import UserError
from data_prep import find
from data_prep.comments import read
from data_prep.comments.encoding import decode

KNOWN = ("id", "group", "split", "text", "label")
JOIN = "|"  # between the labels of one comment
LONGEST = 2_000  # characters; longer texts are payloads, not comments


class NoComments(UserError):
    """A file that holds no comments, whatever its ending."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A comment as its file has it; `labels` None: nobody said; `marks` of columns of emotions."""

    id: str
    text: str
    group: str = ""
    split: str = ""
    labels: tuple[str, ...] | None = None
    marks: tuple[tuple[str, float], ...] = ()


def rows(path: str | os.PathLike, separator: str = "\t") -> tuple[list[Row], Counter[str]]:
    """(comments, what was left out) of a file, or of all comment files of a folder."""
    path = pathlib.Path(path)
    notes: Counter[str] = Counter()
    if path.is_dir():
        found = _of_folder(path, separator, notes)
    else:
        found = _of_file(path, path.stem, separator, notes)
    kept = [row for row in found if row.text and len(row.text) <= LONGEST]
    notes["empty texts"] += sum(not row.text for row in found)
    notes["texts too long"] += sum(len(row.text) > LONGEST for row in found)
    return kept, +notes


def _of_folder(folder: pathlib.Path, separator: str, notes: Counter[str]) -> list[Row]:
    """The comments of all files; ids are of the path, with its ending where two differ in it."""
    found, skipped, stems = [], [], set()
    for path in sorted(find.files(folder, find.COMMENTS)):
        name = find.said(path.relative_to(folder).as_posix())
        stem = name.removesuffix(path.suffix)
        try:
            found += _of_file(path, name if stem in stems else stem, separator, notes)
            stems.add(stem)
        except NoComments:
            skipped.append(name)
    if not stems:
        raise UserError("no comment file is there", str(folder), "Name a file, or their folder.")
    if skipped:
        few = ", ".join(skipped[:5]) + ", ..." * (len(skipped) > 5)
        print(f"skipped in {folder}: {len(skipped)} without comments ({few})", file=sys.stderr)
    return found


def _of_file(path: pathlib.Path, stem: str, separator: str, notes: Counter[str]) -> list[Row]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"The comments cannot be read: {error.strerror}", str(path)) from error
    text = decode(data, notes)
    if found := _header(text):
        return _table(text, *found, stem, str(path))
    if text.lstrip()[:1] in ("<", "[", "{") or path.suffix in (".pb", ".bin", ".so"):
        try:
            comments = read.read(data).comments
        except UserError as error:
            raise NoComments(error.what, str(path), error.mend) from None
        return [Row(f"{stem}/{i}", said.text, stem) for i, said in enumerate(comments)]
    return _lines(text, separator, stem, str(path))


def _header(text: str) -> tuple[str, list[str]] | None:
    """(separator, names) if the first line is that of a table with a column `text`."""
    line = text.lstrip().partition("\n")[0].rstrip("\r")
    for separator in ",;\t":
        names = [name.strip().strip('"').strip() for name in line.split(separator)]
        if "text" in names and len(names) > 1 or names == ["text"]:
            return separator, names
    return None


def _table(text: str, separator: str, names: list[str], stem: str, where: str) -> list[Row]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"The column {twice[0]!r} stands twice", where, "Give each its own name.")
    emotions = [name for name in names if name not in (*KNOWN, "time")]
    if "label" in names:
        emotions = []
    found = []
    table = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=separator, strict=True)
    try:
        next(table)
        for cells in table:
            if not cells:
                continue
            if len(cells) < len(names) or any(cells[len(names) :]):
                what = f"A row has {len(cells)} cells, the header {len(names)}"
                raise UserError(what, f"{where}, line {table.line_num}", "Quote texts with commas.")
            cell = dict(zip(names, (value.strip() for value in cells)))
            name = cell.get("id") or f"{stem}/{len(found)}"
            marks = tuple(
                (emotion, mark(cell[emotion], f"{where}, line {table.line_num}"))
                for emotion in emotions
                if cell[emotion]
            )
            labels = None
            if cell.get("label"):
                labels = tuple(part.strip() for part in cell["label"].split(JOIN))
            found.append(
                Row(name, " ".join(cell["text"].split()), cell.get("group", ""),
                    cell.get("split", ""), labels, marks)
            )  # fmt: skip
    except csv.Error as error:
        mend = "Save it as CSV again, with texts that hold quotes in quotes."
        raise UserError(f"The table cannot be read: {error}", where, mend) from error
    return found


def mark(cell: str, where: str) -> float:
    """1 or 0 of a cell, or one clear line."""
    if cell not in ("0", "1"):
        mend = "Write 1 for yes, 0 for no, and nothing where it is unknown."
        raise UserError(f"{cell!r} is no mark", where, mend)
    return float(cell)


def _lines(text: str, separator: str, stem: str, where: str) -> list[Row]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        label, parted, said = line.partition(separator)
        if not parted:
            mend = "Say the separator with --options, or give a table with the column `text`."
            what = f"A line has no {separator!r} between label and text"
            kind = UserError if found else NoComments
            raise kind(what, f"{where}, line {number}", mend)
        labels = tuple(part.strip() for part in label.split(JOIN)) if label.strip() else None
        found.append(Row(f"{stem}/{len(found)}", " ".join(said.split()), labels=labels))
    return found


def emotions_of(found: Sequence[Row], neutral: Sequence[str]) -> list[str]:
    """The names that the comments' labels and marks have, but for those of no emotion."""
    names = {name for row in found for name in (row.labels or ())}
    names |= {name for row in found for name, _ in row.marks}
    return sorted(names - {*neutral, ""})
