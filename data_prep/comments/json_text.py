"""JSON that may be broken: all of it if it parses, else the objects in it that do.

`objects` gives the dictionaries of a document, however deep they lie, one after another. A list cut
off in the middle, a bad object between good ones, or an object a line are all read as far as they
go, in bounded time.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

WINDOW = 1 << 16  # characters; no object of a comment is as long
FAULTS = 10_000  # objects that do not parse, after which the rest is given up
PATIENCE = 8  # times that the text is read for objects that do not parse
_DECODER = json.JSONDecoder(strict=False)
_START = re.compile(r"\{")


def objects(text: str, notes: Counter[str]) -> Iterator[dict[str, Any]]:
    """Every dictionary in the text, an outer one before those inside it."""
    try:
        documents = [_DECODER.decode(text)]
    except (ValueError, RecursionError):
        documents = _recover(text, notes)
    for document in documents:
        yield from _dictionaries(document)


def _dictionaries(document: Any) -> Iterator[dict[str, Any]]:
    todo = [document]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield value
            todo.extend(v for v in reversed(value.values()) if isinstance(v, (dict, list)))
        elif isinstance(value, list):
            todo.extend(reversed(value))


def _recover(text: str, notes: Counter[str]) -> Iterator[Any]:
    """The outermost objects that parse; JSON lines are no damage, anything else is counted."""
    at, faults = 0, 0
    patience = PATIENCE * len(text)  # characters read in vain, so that nesting costs no square
    between = set()
    while (found := _START.search(text, at)) and faults < FAULTS:
        start = found.start()
        if len(between) < 4:
            between.add(text[at:start].strip()[:8])
        try:
            value, length = _DECODER.raw_decode(text[start : start + WINDOW])
            at = start + length
            yield value
            continue
        except json.JSONDecodeError as error:
            vain = error.pos
        except (ValueError, RecursionError):
            vain = WINDOW
        # Objects inside the damaged one may be whole.
        faults += 1
        patience -= vain
        at = start + (1 if patience > 0 else max(1, vain))
    if faults:
        notes["damaged objects"] += faults
    if text[at:].strip() or between != {""}:  # more than objects alone: what should have parsed
        notes["cut off or damaged JSON"] += 1
