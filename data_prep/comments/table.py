"""The neutral table, for comments of any other source: columns `time` (seconds) and `text`.

CSV with a header, separated by comma, semicolon or tab, or one JSON object a line (or a list of
them). Other columns are ignored. A line whose quotes do not come in pairs, as in tables that nobody
meant to quote, is a row as it stands; separators in a text that is not quoted belong to it, where
the text stands last.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from data_prep.comments.reading import Columns, check_count, number

SEPARATORS = ",;\t"
LONGEST = 200  # lines of a quoted text


def header(text: str) -> tuple[str, int, int] | None:
    """(separator, column of the time, column of the text) if the first line is a table's header."""
    line = text.lstrip().partition("\n")[0].rstrip("\r")[:1000]
    for separator in SEPARATORS:
        names = [name.strip().strip('"').strip().lower() for name in line.split(separator)]
        if "time" in names and "text" in names:
            return separator, names.index("time"), names.index("text")
    return None


def csv_columns(text: str, found: tuple[str, int, int], notes: Counter[str]) -> Columns:
    """Times in seconds and texts, in the file's order; a row too short or too long is counted."""
    return _columns(_rows(text.lstrip(), found, notes), found, notes)


def _columns(
    rows: Iterator[list[str]], found: tuple[str, int, int], notes: Counter[str]
) -> Columns:
    separator, time_at, text_at = found
    times, texts = [], []
    width = len(next(rows, []))
    for row in rows:
        if any(row[width:]) and text_at == width - 1:
            notes["unquoted separators"] += 1
            row[text_at:] = [separator.join(row[text_at:])]
        if max(time_at, text_at) < len(row) and not any(row[width:]):
            check_count(len(times))
            times.append(number(row[time_at]))
            texts.append(row[text_at])
        elif row:
            notes["damaged rows"] += 1
    return times, texts


def _rows(text: str, found: tuple[str, int, int], notes: Counter[str]) -> Iterator[list[str]]:
    """The rows of a table; a line whose quotes do not come in pairs is one as it stands."""
    lines = list(io.StringIO(text, newline=""))
    at = 0
    while at < len(lines):
        try:
            for row, after in _quoted(lines, at, found):
                yield row
                at = after
        except csv.Error:
            line = lines[at].rstrip("\r\n")
            at += 1
            if len(line) > csv.field_size_limit():
                notes["damaged rows"] += 1
            else:
                notes["stray quotes"] += 1
                yield line.split(found[0])


def _quoted(
    lines: list[str], at: int, found: tuple[str, int, int]
) -> Iterator[tuple[list[str], int]]:
    """Rows from a line on, and the line after each, until quotes do not come in pairs."""
    separator, time_at, text_at = found
    done = fed = at

    def feed() -> Iterator[str]:
        nonlocal fed
        while fed < len(lines):
            if fed - done == LONGEST:
                raise csv.Error("a quote that nobody closes")
            fed += 1
            yield lines[fed - 1]

    def like_a_row(line: str) -> bool:
        cells = line.split(separator)
        return len(cells) > max(time_at, text_at) and not math.isnan(number(cells[time_at]))

    for row in csv.reader(feed(), delimiter=separator, strict=True):
        if fed - done > 1:
            inside = [line for cell in row for line in cell.splitlines()[1:]]
            if 2 * sum(map(like_a_row, inside)) > len(inside):
                raise csv.Error("two stray quotes hold rows between them")
        done = fed
        yield row, done


def is_comment(value: Mapping[str, Any]) -> bool:
    """Whether an object of a JSON file is a row of the table."""
    return "time" in value and "text" in value


def of_object(value: Mapping[str, Any]) -> tuple[float, str]:
    """Time and text of one JSON object."""
    text = value["text"]
    return number(value["time"]), text if isinstance(text, str) else ""
