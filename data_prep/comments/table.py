"""The neutral table, for comments of any other source: columns `time` (seconds) and `text`.

CSV with a header, separated by comma, semicolon or tab, or one JSON object a line (or a list of
them). Other columns are ignored. Where quotes do not come in pairs, as in tables that nobody meant
to quote, each line is a row; separators in a text that is not quoted belong to it, where the text
stands last.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from data_prep.comments.reading import Columns, check_count, number

SEPARATORS = ",;\t"


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
    text, quoted = text.lstrip(), Counter()
    try:
        columns = _columns(_quoted(text, found), found, quoted)
    except csv.Error:
        return _columns(_line_by_line(text, found[0], notes), found, notes)
    notes.update(quoted)
    return columns


def _columns(
    rows: Iterator[list[str]], found: tuple[str, int, int], notes: Counter[str]
) -> Columns:
    separator, time_at, text_at = found
    times, texts = [], []
    width = len(next(rows, []))
    for row in rows:
        if len(row) > width and text_at == width - 1:
            notes["unquoted separators"] += 1
            row[text_at:] = [separator.join(row[text_at:])]
        if max(time_at, text_at) < len(row) and not any(row[width:]):
            check_count(len(times))
            times.append(number(row[time_at]))
            texts.append(row[text_at])
        elif row:
            notes["damaged rows"] += 1
    return times, texts


def _quoted(text: str, found: tuple[str, int, int]) -> Iterator[list[str]]:
    """The rows of a table whose quotes come in pairs, else csv.Error sooner or later."""
    separator, time_at, text_at = found

    def like_a_row(line: str) -> bool:
        cells = line.split(separator)
        return len(cells) > max(time_at, text_at) and not math.isnan(number(cells[time_at]))

    rows, last = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 0
    for row in rows:
        if rows.line_num > last + 1:
            inside = [line for cell in row for line in cell.splitlines()[1:]]
            if 2 * sum(map(like_a_row, inside)) > len(inside):
                raise csv.Error("two stray quotes hold rows between them")
        last = rows.line_num
        yield row


def _line_by_line(text: str, separator: str, notes: Counter[str]) -> Iterator[list[str]]:
    """Each line as a row of its own; quotes that do not come in pairs there are characters."""
    for line in io.StringIO(text, newline=None):
        line = line.rstrip("\n")
        try:
            yield next(csv.reader([line], delimiter=separator, strict=True), [])
        except csv.Error:
            if len(line) > csv.field_size_limit():
                notes["damaged rows"] += 1
            else:
                notes["stray quotes"] += 1
                yield line.split(separator)


def is_comment(value: Mapping[str, Any]) -> bool:
    """Whether an object of a JSON file is a row of the table."""
    return "time" in value and "text" in value


def of_object(value: Mapping[str, Any]) -> tuple[float, str]:
    """Time and text of one JSON object."""
    text = value["text"]
    return number(value["time"]), text if isinstance(text, str) else ""
