"""Bytes of a text file into text: UTF-8 or UTF-16 with or without a mark, GB18030 as a last guess.

Control characters, which the sites' own players strip, are removed and counted. A file that is
UTF-8 but for a few bytes stays UTF-8, with those bytes counted; one that is hardly UTF-8 at all is
tried in the encoding that it declares, then in GB18030.
"""

import codecs
import re
from collections import Counter

CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_CONTROL = re.compile(f"[{re.escape(CONTROLS.decode())}]")
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})""")
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
         (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip
TOLERATED = 0.1  # bad bytes over characters beyond ASCII, for a file to count as damaged UTF-8


def decode(data: bytes, notes: Counter[str]) -> str:
    """The text, without mark and control characters; what was lost is counted."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], name, notes)
    if data[1:2] == b"\0" != data[:1]:
        return _decode(data, "utf-16-le", notes)
    if data[:1] == b"\0" != data[1:2]:
        return _decode(data, "utf-16-be", notes)
    stripped = data.translate(None, CONTROLS)
    if len(stripped) < len(data):
        notes["control characters"] += len(data) - len(stripped)
    try:
        return stripped.decode()
    except UnicodeDecodeError:
        return _guess(stripped, notes)


def _decode(data: bytes, name: str, notes: Counter[str]) -> str:
    text = data.decode(name, "replace")
    notes["unreadable bytes"] += text.count("\ufffd")
    return strip_controls(text, notes)


def _guess(data: bytes, notes: Counter[str]) -> str:
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    beyond_ascii = len(re.findall(r"[^\x00-\x7f]", text))
    if bad > 1 and bad > TOLERATED * beyond_ascii:
        declared = _DECLARED.search(data, 0, 1000)
        for name in (declared and declared[1].decode(), "gb18030"):
            try:
                # a codec that gives no text, like base64, is no answer either
                return data.decode(name) if name else data.decode("ascii")
            except (UnicodeError, LookupError, ValueError):
                continue
    notes["unreadable bytes"] += bad
    return text


def strip_controls(text: str, notes: Counter[str]) -> str:
    """The text without control characters, counted."""
    text, count = _CONTROL.subn("", text)
    if count:
        notes["control characters"] += count
    return text
