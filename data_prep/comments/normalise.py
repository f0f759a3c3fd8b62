"""One spelling of a text: NFKC, lower case, no invisible characters, single spaces.

NFKC makes one of full-width and half-width forms (ＬＯＶＥ, ｶﾜｲｲ), of ligatures and of composed and
decomposed letters. Comments and lexicons go through the same function, so their words meet.
"""

import unicodedata
from collections.abc import Sequence

# Soft hyphen, zero-width characters, marks of direction: they change nothing that a viewer sees.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"
WIDE, NARROW = "！？，．：；（）～", "!?,.:;()~"  # what NFKC makes of them too


def normalise(text: str) -> str:
    """The text in its one spelling."""
    return " ".join(nfkc(prepare([" ".join(text.split())]))[0].split())


def prepare(texts: Sequence[str]) -> list[str]:
    """A first step for many texts without line breaks, at once: what leaves NFKC little to change.

    Invisible characters go, common wide punctuation becomes narrow, letters lower case.
    """
    if not texts:
        return []
    joined = "\n".join(texts)
    if not "".join(texts).isprintable():
        for character in INVISIBLE:
            joined = joined.replace(character, "")
    for wide, narrow in zip(WIDE, NARROW):
        joined = joined.replace(wide, narrow)
    return joined.lower().split("\n")


def nfkc(texts: Sequence[str]) -> list[str]:
    """NFKC of prepared texts, in lower case."""
    form = unicodedata.normalize
    return [text if (one := form("NFKC", text)) == text else one.lower() for text in texts]


def without(texts: Sequence[str], characters: str) -> list[str]:
    """Many texts without line breaks, each without these characters."""
    joined = "\n".join(texts)
    for character in characters:
        joined = joined.replace(character, "")
    return joined.split("\n") if texts else []
