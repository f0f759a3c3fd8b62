"""Read a comment file of any known site, told by its content: path or bytes -> Reading.

Formats: Bilibili XML and protobuf, Niconico JSON and XML, AcFun JSON, a table as CSV or JSON lines.
What is damaged is read as far as it goes, with counts; what is no comment file is a UserError.
"""

import os
import pathlib
import re
from collections import Counter

from affectjax.errors import UserError
from data_prep.comments import (
    acfun,
    bilibili_protobuf,
    bilibili_xml,
    niconico,
    table,
    xml,
)
from data_prep.comments.encoding import decode
from data_prep.comments.json_text import objects
from data_prep.comments.reading import Columns, Comment, Reading, finish

__all__ = ["Comment", "Reading", "read"]

# Bytes; a busy video's whole history has about 10 MB. Memory stays below 40 times a file's size.
LIMIT = 32 << 20
_MEND = "Give Bilibili, Niconico or AcFun comments, or a CSV with the columns time and text."
_CHAT, _D = re.compile(r"<chat\s"), re.compile(r"<d\s")


def read(source: str | os.PathLike | bytes, limit: int = LIMIT) -> Reading:
    """The comments of a file, sorted by time; a file of more than `limit` bytes is refused."""
    where = "bytes" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _bytes(where, limit)
    if len(data) > limit:
        raise _too_large(where, limit)
    try:
        return _read(data)
    except UserError as error:
        raise UserError(error.what, where, error.mend) from None


def _too_large(where: str, limit: int) -> UserError:
    mend = "No video has as many comments."
    return UserError(f"The comment file has more than {limit} bytes", where, mend)


def _bytes(path: str, limit: int) -> bytes:
    try:
        if not pathlib.Path(path).exists():
            raise UserError("There is no such comment file", path)
        if not pathlib.Path(path).is_file():  # reading a pipe or a device may never end
            raise UserError("The comment file is no regular file", path)
        if os.path.getsize(path) > limit:
            raise _too_large(path, limit)
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise UserError(f"The comment file cannot be read: {error}", path) from error


def _read(data: bytes) -> Reading:
    notes = Counter()
    if not data.strip():
        raise UserError("The comment file is empty", mend=_MEND)
    if bilibili_protobuf.looks_like(data):
        return finish(bilibili_protobuf.columns(data, notes), "bilibili protobuf", notes)
    text = decode(data, notes).lstrip("\ufeff \t\r\n")
    if text[:1] in ("[", "{"):
        columns, format = _json(text, notes)
        return finish(columns, format, notes)
    if found := table.header(text):
        return finish(table.csv_columns(text, found, notes), "csv", notes)
    return _xml(text, notes)


def _xml(text: str, notes: Counter[str]) -> Reading:
    root = xml.root(text)
    d = _D.search(text)
    chat = not d and _CHAT.search(text)
    if root not in ("i", "oid", "packet") and not chat and not d:
        raise UserError("This is no comment file of a known format", mend=_MEND)
    if root:
        xml.check_end(text, root, notes)
    if chat or (root == "packet" and not d):
        return finish(niconico.xml_columns(text, notes), "niconico xml", notes)
    format = "bilibili archive xml" if root == "oid" else "bilibili xml"
    return finish(bilibili_xml.columns(text, root, notes), format, notes)


def _json(text: str, notes: Counter[str]) -> tuple[Columns, str]:
    """The columns of whichever site's objects stand in the file, and its name."""
    times, texts, format = [], [], ""
    for value in objects(text, notes):
        if niconico.is_comment(value):
            format, row = format or "niconico json", niconico.of_object(value)
        elif acfun.is_comment(value):
            format, row = format or "acfun json", acfun.of_object(value, notes)
        elif table.is_comment(value):
            format, row = format or "json table", table.of_object(value)
        else:
            continue
        if row is not None:
            times.append(row[0])
            texts.append(row[1])
    if not format:
        if re.fullmatch(r"\[[\s\[\],]*\]", text.strip()[:1000]):
            return (times, texts), "json without comments"
        raise UserError("The JSON holds no comments of a known format", mend=_MEND)
    return (times, texts), format
