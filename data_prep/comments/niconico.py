"""Niconico comments: `vpos` in hundredths of a second (or `vposMs`), words in `content` or `body`.

JSON of three kinds: a list of comments, a list of `{"chat": comment}`, and threads that hold lists;
XML of `<packet><chat vpos="...">text</chat></packet>`. User numbers are never looked at.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from data_prep.comments import xml
from data_prep.comments.reading import Columns, number


def is_comment(value: Mapping[str, Any]) -> bool:
    """Whether an object of a JSON file is a comment of this site."""
    return "vpos" in value or "vposMs" in value


def of_object(value: Mapping[str, Any]) -> tuple[float, str]:
    """Time in seconds and text; a deleted comment has no text."""
    time = number(value["vpos"]) / 100 if "vpos" in value else number(value["vposMs"]) / 1000
    text = value.get("content", value.get("body"))
    return time, text if isinstance(text, str) else ""


def xml_columns(text: str, notes: Counter[str]) -> Columns:
    """Times in seconds and texts, in the file's order."""
    times, texts = [], []
    for attributes, inside in xml.elements(text, "chat", notes):
        times.append(number(xml.attribute(attributes, "vpos")) / 100)
        texts.append(inside)
    return times, texts
