"""Bilibili XML, `<d p="...">text</d>`, of every year; archives and live recordings among them.

`p` is read for the time and the mode alone: the hash of the sender and all that stands with it is
left in the file. Modes 1 to 6 are words; mode 7 is an array whose element 4 is the words; modes 8,
9 and beyond are programs and are left out. `/n` is a line break, unless a Latin letter follows in
modes 1 to 6 (and/not). An archive, known by its root `<oid>`, has the time third in `p`, in
milliseconds, and the mode fourth. Gifts and other events of a live recording are left out and
counted.
"""

import itertools
import json
import re
from collections import Counter

from data_prep.comments import xml
from data_prep.comments.reading import Columns, number

# An ordinary element, the only kind in most files. Negated sets of one character are the fastest;
# what they let through by that, `_ordinary` notices, and the full scanner takes the file. Each ends
# at the next start or after 40 characters, so that no file makes the search slow.
_ORDINARY = re.compile(r'<d p="([^,]{1,40}+),([^,]{1,40}+),[^"]*+">([^<]*+)</d>')
_BREAK = re.compile(r"/n(?![A-Za-z])")
_EVENT = re.compile(r"<(?:gift|sc|guard|toast)[\s>/]")
WORDS, ADVANCED = frozenset(range(1, 7)), 7
WORDS_AT = 4  # place of the words in the array of mode 7


def columns(text: str, root: str, notes: Counter[str]) -> Columns:
    """Times in seconds and texts, in the file's order."""
    found = None if root == "oid" else _ordinary(text)
    if found is None:
        return _scan(text, root == "oid", notes)
    times, modes, texts = found
    if "&" in text:
        texts = [xml.unescape(t, notes) if "&" in t else t for t in texts]
    if not set(map(int, set(modes))).issubset(WORDS):
        rows = zip(times, map(words_of, texts, modes, itertools.repeat(notes)))
        rows = [row for row in rows if row[1] is not None]
        return [time for time, _ in rows], [words for _, words in rows]
    if "/n" in "".join(texts):
        texts = [_BREAK.sub("\n", t) if "/n" in t else t for t in texts]
    return times, texts


def _ordinary(text: str) -> tuple[list[float], list[str], list[str]] | None:
    """Times, modes and texts of a file that holds ordinary elements alone, else None."""
    found = _ORDINARY.findall(text)
    if not found:
        return None
    # Every < of the body must belong to a start or an end that was found.
    start, end = text.find("<d p="), text.rfind("</d>")
    if text.count("<", start, end + 1) != 2 * len(found) or "<!" in text[:start]:
        return None
    if "<d" in text[:start] or "<d" in text[end + 1 :]:
        return None
    times, modes, texts = zip(*found)
    try:
        times = list(map(float, times))
        set(map(int, set(modes)))
    except ValueError:  # a match that went on into the next element, or damage
        return None
    return times, modes, texts


def _scan(text: str, archive: bool, notes: Counter[str]) -> Columns:
    notes["live events left out"] += len(_EVENT.findall(text))
    times, texts = [], []
    for attributes, inside in xml.elements(text, "d", notes):
        parts = (xml.attribute(attributes, "p") or "").split(",")
        time, mode = (*parts[2 * archive :], "", "")[:2]
        words = words_of(inside, mode, notes)
        if words is not None:
            times.append(number(time) / 1000 if archive else number(time))
            texts.append(words)
    return times, texts


def words_of(text: str, mode: str | int, notes: Counter[str]) -> str | None:
    """The words of a comment of that mode; None, and counted, for what holds none."""
    try:
        mode = int(mode)
    except ValueError:
        notes["unreadable mode"] += 1
        return None
    if mode in WORDS:
        return _BREAK.sub("\n", text) if "/n" in text else text
    if mode != ADVANCED:
        notes["program comments"] += 1
        return None
    try:
        words = json.loads(text, strict=False)[WORDS_AT]
    except (ValueError, RecursionError, LookupError, TypeError):
        words = None
    if not isinstance(words, str):
        notes["program comments"] += 1
        return None
    notes["advanced comments reduced to their words"] += 1
    return words.replace("/n", "\n")
