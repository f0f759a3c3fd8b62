"""AcFun JSON: objects `{"c": "time,colour,mode,...", "m": text}`, times in seconds.

The text of an advanced comment (mode 7) is JSON of its own, with the words under "n".
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from data_prep.comments.reading import number


def is_comment(value: Mapping[str, Any]) -> bool:
    """Whether an object of a JSON file is a comment of this site."""
    return isinstance(value.get("c"), str) and "m" in value and "," in value["c"]


def of_object(value: Mapping[str, Any], notes: Counter[str]) -> tuple[float, str] | None:
    """Time in seconds and text; None, and counted, for a program."""
    time, *rest = value["c"].split(",")
    text = value["m"]
    if isinstance(text, str) and rest[1:2] == ["7"]:
        try:
            text = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            pass  # words after all
    if isinstance(text, dict):
        text = text.get("n")
        if not isinstance(text, str) or not text.strip():
            notes["program comments"] += 1
            return None
        notes["advanced comments reduced to their words"] += 1
    return number(time), text if isinstance(text, str) else ""
