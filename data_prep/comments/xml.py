"""A scanner for the elements of a comment file, safe and tolerant, in time linear in the file.

It looks for elements of one name, wherever they stand, and never expands anything but the five
entities of XML and character numbers, so no file can make it grow. A declaration of a document type
or an entity is refused. What a strict parser gives up on is mended and counted: bare & and <, an
element or start tag that is not closed, several roots, a file cut off in the middle. On a
well-formed file it finds what a strict parser finds.
"""

import re
from collections import Counter
from collections.abc import Iterator

from affectjax.errors import UserError
from data_prep.comments.encoding import CONTROLS

NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_NAME = re.compile(r"<([^\W\d][\w:.-]*)")
# Possessive quantifiers never go back, so that no text makes the search slow.
_QUOTED = r"""(?:"[^"<]*+"|'[^'<]*+')"""
_ATTRIBUTES = rf"((?:\s++[\w:.-]++\s*+=\s*+{_QUOTED})*+)\s*+(/?>)?+"
_INSIDE = r"([^<]*+(?:<(?!/?NAME[\s>/])[^<]*+)*+)(</NAME\s*+>)?+"
_ELEMENT = rf"<NAME(?=[\s/>]){_ATTRIBUTES}(?:(?<=/>)|{_INSIDE})"


def root(text: str) -> str:
    """The name of the first element, "" if there is none. Refuses declarations before it."""
    at = 0
    while (at := text.find("<", at)) >= 0:
        if text.startswith(("<!DOCTYPE", "<!ENTITY"), at):
            mend = "Comment files need none, and one can be a bomb; remove the declaration."
            raise UserError("The XML declares a document type or entities", mend=mend)
        if first := _NAME.match(text, at):
            return first[1]
        if text.startswith("<!--", at) and (at := text.find("-->", at)) < 0:
            break
        at += 1
    return ""


def check_end(text: str, name: str, notes: Counter[str]) -> None:
    """Counts a file that is cut off, and one of several roots."""
    end = f"</{name}>"
    tail = text.rstrip()
    if not tail.endswith((end, f"<{name}/>")):
        at = text.find(end)
        if at < 0 or not tail.endswith(">"):
            notes["cut off"] += 1
        if at >= 0 and _NAME.search(text, at):
            notes["several roots"] += 1


def elements(text: str, name: str, notes: Counter[str]) -> Iterator[tuple[str, str]]:
    """The attributes, as they stand, and the text of every element of that name."""
    if "<!" in text:
        text = _without_sections(text, notes)
    pattern = re.compile(_ELEMENT.replace("NAME", re.escape(name)))
    for match in pattern.finditer(text):
        attributes, closed, inside, end = match.groups()
        inside = inside or ""
        if closed is None:
            # What follows may be the rest of the attributes, which can name a person.
            notes["damaged start tag"] += 1
            if "=" in inside or not attributes:
                continue
        if end is None and closed != "/>":
            notes["unclosed element"] += 1
            inside = re.split(r"<[/\w]", inside, maxsplit=1)[0]
        elif "<" in inside:
            notes["bare <"] += 1
        yield attributes, unescape(inside, notes)


def attribute(attributes: str, name: str) -> str | None:
    """The value of one attribute."""
    found = re.search(rf"""(?<!\S){name}\s*=\s*(?:"([^"]*)"|'([^']*)')""", attributes)
    return None if found is None else found[1] if found[1] is not None else found[2]


def unescape(text: str, notes: Counter[str]) -> str:
    """The five entities and character numbers resolved, once; any other & is kept and counted."""
    if "&" not in text:
        return text
    out, last, bare = [], 0, text.count("&")
    for match in _REFERENCE.finditer(text):
        named, decimal, hexadecimal = match.groups()
        code = ord(NAMED[named]) if named else int(decimal) if decimal else int(hexadecimal, 16)
        out.append(text[last : match.start()])
        last = match.end()
        bare -= 1
        if (
            code < 0x110000
            and not 0xD800 <= code < 0xE000
            and not (code < 128 and code in CONTROLS)
        ):
            out.append(chr(code))
        else:
            notes["control characters"] += 1
    if bare:
        notes["bare &"] += bare
    return "".join(out) + text[last:]


def _without_sections(text: str, notes: Counter[str]) -> str:
    """Without <!-- remarks -->, and with <![CDATA[ sections ]]> as escaped text."""
    out, at = [], 0
    while (start := text.find("<!", at)) >= 0:
        remark, section = text.startswith("<!--", start), text.startswith("<![CDATA[", start)
        if not remark and not section:
            out.append(text[at : start + 2])
            at = start + 2
            continue
        end = text.find("-->" if remark else "]]>", start + (4 if remark else 9))
        if end < 0:  # never closed: taken for characters, as a strict parser would stop here
            notes["cut off"] += 1
            break
        out.append(text[at:start])
        if section:
            inside = text[start + 9 : end]
            out.append(inside.replace("&", "&amp;").replace("<", "&lt;"))
        at = end + 3
    return "".join(out) + text[at:]
