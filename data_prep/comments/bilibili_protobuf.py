"""Bilibili protobuf segments (`DmSegMobileReply`, six minutes each; a file may hold several).

A reader of protobuf's wire format for the three fields wanted of each element: 2 progress
(milliseconds, 0 where absent), 3 mode, 7 content. All others, the sender's hash among them, are
stepped over. A file that is damaged or cut off gives the elements before and after the damage that
can be told apart.
"""

from collections import Counter
from collections.abc import Iterator

from data_prep.comments.bilibili_xml import words_of
from data_prep.comments.reading import Columns, check_count

ELEMENT, PROGRESS, MODE, CONTENT = 1, 2, 3, 7
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def looks_like(data: bytes) -> bool:
    """Whether the file starts with an element whose first field is a plausible one.

    A text file may start with the same byte, a line feed, but its third or so is no control
    character.
    """
    if data[:1] != b"\n":
        return False
    try:
        _, start = _varint(data, 1)
        number, kind = divmod(_varint(data, start)[0], 8)
    except ValueError:
        return False
    return data[start] < 32 and data[start : start + 1] not in b"\t\n\r " and 1 <= number <= 40


def columns(data: bytes, notes: Counter[str]) -> Columns:
    """Times in seconds and texts, in the file's order."""
    times, texts = [], []
    try:
        for number, value in _fields(data):
            if number == ELEMENT and isinstance(value, bytes):
                try:
                    time, mode, content = _element(value)
                except ValueError:
                    notes["damaged elements"] += 1
                    continue
                words = words_of(content.decode("utf-8", "replace"), mode, notes)
                if words is not None:
                    check_count(len(times))
                    times.append(time / 1000)
                    texts.append(words)
    except ValueError:
        notes["cut off"] += 1
    return times, texts


def _element(data: bytes) -> tuple[int, int, bytes]:
    found = {PROGRESS: 0, MODE: 1, CONTENT: b""}
    for number, value in _fields(data):
        if number in found and isinstance(value, type(found[number])):
            found[number] = value
    progress = found[PROGRESS]
    # a negative int32 is written as the 64 bits of its two's complement
    return progress - 2**64 if progress >= 2**63 else progress, found[MODE], found[CONTENT]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a message's fields; ValueError where the bytes are none."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = divmod(tag, 8)
        if kind == VARINT:
            value, at = _varint(data, at)
        elif kind in (BYTES, FIXED32, FIXED64):
            size, at = _varint(data, at) if kind == BYTES else (4 if kind == FIXED32 else 8, at)
            if at + size > len(data):
                raise ValueError("a field goes beyond the end")
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"a field has wire type {kind}")
        yield number, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a number goes beyond the end")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number has more than ten bytes")
