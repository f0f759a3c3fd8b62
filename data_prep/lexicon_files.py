"""Files of emotional words, told by their content, into rows (word, emotions, polarity or None).

- The Chinese affective lexicon ontology (DUTIR), as text or .xlsx: 21 classes become 7 emotions;
  its main and its auxiliary class both count. Its polarities 3 (both) and 7 (a slip) say nothing.
- NRC's list with a line for each word and emotion (`word<TAB>emotion<TAB>0 or 1`), and its wide
  form with a header of emotions; `positive` and `negative` are polarities, not emotions.
- A plain list, one word a line, each of the one class "emotional"; lines that begin with a
  semicolon are remarks.

Tables of text may be parted by commas, tabs or semicolons. Whatever else is refused, rather than
taken for words: binary files, and tables of columns that are not known.
"""

import codecs
import csv
import io
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from affectjax.errors import UserError
from data_prep.comments.encoding import decode

Row = tuple[str, tuple[str, ...], int | None]
_CLASSES = {
    "joy": "PA PE",
    "like": "PD PH PG PB PK",
    "anger": "NA",
    "sadness": "NB NJ NH PF",
    "fear": "NI NC NG",
    "disgust": "NE ND NN NK NL",
    "surprise": "PC",
}
DUTIR = {code: name for name, codes in _CLASSES.items() for code in codes.split()}
POLARITY = {"0": 0, "1": 1, "2": -1}
NRC = {"anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust"}
SIGNS = {"positive": 1, "negative": -1}
PLAIN = "emotional"
CLASS_AT, AFTER_CLASS, FIELDS = 4, 3, 10  # main class, steps to the auxiliary one, all fields
SEPARATORS = ",\t;"
LOOK = 50  # lines, by which a table is told
LOST = 0.01  # of the characters; a text of which more cannot be read is none
LIMIT = 64 << 20  # bytes
_MEND = "Give the DUTIR file (.csv or .xlsx), an NRC list, or a text file with a word a line."


def read(path: str, notes: Counter[str]) -> tuple[str, list[Row]]:
    """What kind of lexicon a file holds, and its rows."""
    try:
        if pathlib.Path(path).exists() and not pathlib.Path(path).is_file():
            # reading a pipe or a device may never end
            raise UserError("The lexicon is no regular file", path, _MEND)
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise UserError(f"The lexicon cannot be read: {error}", path, _MEND) from error
    if len(data) > LIMIT:
        raise UserError(f"The lexicon has more than {LIMIT} bytes", path, _MEND)
    if data.startswith(b"PK\x03\x04"):
        kind, rows = "DUTIR workbook", list(_dutir(_sheet(data, path), notes))
    else:
        text = decode(data, notes)
        lost = notes["control characters"] + notes["unreadable bytes"]
        if _holds_zeros(data) or lost > LOST * (len(text) + lost):
            raise UserError("The lexicon is a binary file", path, _MEND)
        try:
            kind, rows = _text(text, notes)
        except csv.Error as error:
            raise UserError(f"The lexicon cannot be read: {error}", path, _MEND) from error
        except UserError as error:
            raise UserError(error.what, path, error.mend) from None
    if not rows:
        raise UserError("The lexicon holds no words of a known form", path, _MEND)
    return kind, rows


def _holds_zeros(data: bytes) -> bool:
    """Whether there are zero bytes, other than those of UTF-16."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return b"\0" in data and not marked and data[:2].count(0) != 1


def _text(text: str, notes: Counter[str]) -> tuple[str, list[Row]]:
    lines = [line for line in text.splitlines() if line.strip()]
    for separator in SEPARATORS:
        form = {"delimiter": separator, "skipinitialspace": True}
        if any(_class_at(row) for row in csv.reader(lines[:LOOK], **form)):
            return "DUTIR table", list(_dutir(csv.reader(io.StringIO(text, None), **form), notes))
    for separator in SEPARATORS if lines else "":
        header = [cell.strip().strip('"').lower() for cell in lines[0].split(separator)]
        if len(NRC.union(SIGNS).intersection(header[1:])) > 1:
            rows = csv.reader(lines[1:], delimiter=separator)
            return "NRC table", list(_wide(rows, header, notes))
    for separator in SEPARATORS:
        if any(_is_long(line.split(separator)) for line in lines[:LOOK]):
            return "NRC list", list(_long(lines, separator, notes))
    return "plain list", list(_plain(lines, notes))


def _plain(lines: Sequence[str], notes: Counter[str]) -> Iterator[Row]:
    words = [line for line in lines if not line.startswith(";")]
    notes["remarks"] += len(lines) - len(words)
    if bad := next((word for word in words if re.search("[\t;]", word.strip())), None):
        what = f"The lexicon is neither a table of known columns nor a plain list: {bad[:40]!r}"
        raise UserError(what, mend=_MEND)
    # an idiom may have a comma, a table has them everywhere
    if 2 * sum("," in word for word in words) > len(words):
        what = f"The lexicon is a table of unknown columns: {words[0][:40]!r}"
        raise UserError(what, mend=_MEND)
    for word in words:
        yield word, (PLAIN,), None


def _sheet(data: bytes, path: str) -> Iterator[list[str]]:
    """The cells of a workbook's first sheet, as text."""
    try:
        import openpyxl
    except ImportError as error:
        mend = 'Install the extra "prep", or save the sheet as .csv.'
        raise UserError("openpyxl, which reads .xlsx, is not installed", path, mend) from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for cells in book.worksheets[0].iter_rows(values_only=True):
            yield ["" if cell is None else str(cell) for cell in cells]
    except Exception as error:  # a damaged workbook shows in many ways
        raise UserError(f"The workbook cannot be read: {error}", path, _MEND) from error


def _class_at(row: Sequence[str]) -> int:
    """Where the main class stands, 0 if nowhere; a row may have a field too many before it."""
    for at in (CLASS_AT, CLASS_AT + 1):
        if len(row) > at and row[at].strip() in DUTIR:
            return at
    return 0


def _dutir(rows: Iterable[Sequence[str]], notes: Counter[str]) -> Iterator[Row]:
    for place, row in enumerate(rows):
        row = [cell.strip(" \t\r\n") for cell in row]
        at = _class_at(row)
        if not at:
            # the header, and lines without anything
            notes["rows without a class"] += place > 0 and any(row)
            continue
        while row[-1] == "":
            row.pop()
        notes["rows with a field too many"] += at > CLASS_AT or len(row) > FIELDS
        word = row[0]
        if at > CLASS_AT and not re.fullmatch(r"[a-z]+", row[1], re.IGNORECASE):
            word += row[1]  # a comma within the word was taken for a separator
        # words are looked for among tokens, and a comma is none
        word = re.sub("[,，]", "", word)
        auxiliary = row[at + AFTER_CLASS] if len(row) > at + AFTER_CLASS else ""
        names = tuple(dict.fromkeys(DUTIR[c] for c in (row[at], auxiliary) if c in DUTIR))
        sign = row[at + 2].removesuffix(".0") if len(row) > at + 2 else ""
        if sign not in POLARITY:
            notes["polarity neither 0, 1 nor 2"] += 1
        yield word, names, POLARITY.get(sign, 0)


def _is_long(cells: Sequence[str]) -> bool:
    return len(cells) == 3 and cells[1].strip() in NRC.union(SIGNS) and cells[2].strip() in "01"


def _long(lines: Iterable[str], separator: str, notes: Counter[str]) -> Iterator[Row]:
    united: dict[str, tuple[list[str], int]] = {}
    for line in lines:
        cells = line.split(separator)
        if not _is_long(cells):
            notes["rows without a class"] += 1
            continue
        word, name, given = cells[0], cells[1].strip(), cells[2].strip()
        names, sign = united.get(word, ([], 0))
        if given == "1":
            names, sign = (names, sign + SIGNS[name]) if name in SIGNS else ([*names, name], sign)
        united[word] = names, sign
    yield from _associated((word, names, sign) for word, (names, sign) in united.items())


def _wide(
    rows: Iterable[Sequence[str]], header: Sequence[str], notes: Counter[str]
) -> Iterator[Row]:
    def split() -> Iterator[tuple[str, list[str], int]]:
        for row in rows:
            if len(row) != len(header):
                notes["rows without a class"] += 1
                continue
            given = [name for name, cell in zip(header[1:], row[1:]) if cell.strip() == "1"]
            signs = sum(SIGNS.get(name, 0) for name in given)
            yield row[0], [name for name in given if name not in SIGNS], signs

    yield from _associated(split())


def _associated(rows: Iterable[tuple[str, list[str], int]]) -> Iterator[Row]:
    """The rows that say anything: most words of the list have neither emotion nor polarity."""
    for word, names, sign in rows:
        if names or sign:
            yield word, tuple(names), sign or None
