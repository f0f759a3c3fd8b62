"""The neutral table, for comments of any other source: columns `time` (seconds) and `text`.

CSV with a header, separated by comma, semicolon or tab, or one JSON object a line (or a list of
them). Other columns are ignored.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
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
    """Times in seconds and texts, in the file's order; a row too short is counted."""
    separator, time_at, text_at = found
    times, texts = [], []
    rows = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=separator)
    next(rows)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return times, texts
        except csv.Error:  # a field longer than the reader allows
            notes["damaged rows"] += 1
            continue
        if len(row) > max(time_at, text_at):
            check_count(len(times))
            times.append(number(row[time_at]))
            texts.append(row[text_at])
        elif row:
            notes["damaged rows"] += 1


def is_comment(value: Mapping[str, Any]) -> bool:
    """Whether an object of a JSON file is a row of the table."""
    return "time" in value and "text" in value


def of_object(value: Mapping[str, Any]) -> tuple[float, str]:
    """Time and text of one JSON object."""
    text = value["text"]
    return number(value["time"]), text if isinstance(text, str) else ""
