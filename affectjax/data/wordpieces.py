"""A text as the word pieces of a vocabulary: BERT's way of cutting, from the vocabulary alone.

Words are cut at spaces, around punctuation and around every Chinese character; each is then spelled
by the longest entries of the vocabulary from the left, the second and later ones written with `##`.
A word that cannot be spelled is one unknown piece.
"""

import unicodedata
from collections.abc import Container, Iterator

CONTINUES, UNKNOWN, LONGEST = "##", "[#U]", 100
CHINESE = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def cut(text: str, vocabulary: Container[str], lowercase: bool = True) -> list[str]:
    """The pieces of a text, each an entry of the vocabulary or UNKNOWN."""
    return [piece for word in words(text, lowercase) for piece in spelled(word, vocabulary)]


def words(text: str, lowercase: bool = True) -> Iterator[str]:
    """The words of a text; in lower case they lose their accents too, as BERT has it."""
    if lowercase:
        parts = unicodedata.normalize("NFD", text.lower())
        text = "".join(c for c in parts if unicodedata.category(c) != "Mn")
    word = ""
    for character in text:
        kind = unicodedata.category(character)
        alone = _is_punctuation(character, kind) or _is_chinese(ord(character))
        if character.isspace() or alone:
            if word:
                yield word
            word = ""
            if alone:
                yield character
        elif kind[0] != "C":  # control characters and the like vanish
            word += character
    if word:
        yield word


def spelled(word: str, vocabulary: Container[str]) -> list[str]:
    """The longest entries from the left that spell a word."""
    if len(word) > LONGEST:
        return [UNKNOWN]
    pieces, begin = [], 0
    while begin < len(word):
        before = CONTINUES if begin else ""
        for end in range(len(word), begin, -1):
            if before + word[begin:end] in vocabulary:
                break
        else:
            return [UNKNOWN]
        pieces.append(before + word[begin:end])
        begin = end
    return pieces


def _is_punctuation(character: str, kind: str) -> bool:
    code = ord(character)
    ascii_symbol = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_symbol or kind[0] == "P"


def _is_chinese(code: int) -> bool:
    return code >= 0x3400 and any(low <= code <= high for low, high in CHINESE)
