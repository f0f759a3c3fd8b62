"""A text as the hashed character n-grams in it: no tokeniser, no vocabulary, any language.

An n-gram's number follows from its characters alone, in 1 .. buckets - 1; 0 is padding. Two n-grams
may share a number. A text stands between marks, so that its first and last characters are told from
the same ones inside, and its one spelling is NFKC in lower case with single spaces.
"""

import functools
import unicodedata

import numpy as np

MARK = 0x10FFFF  # no character: it stands before and after a text
FACTOR, MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


def spelling(text: str) -> str:
    """The text in its one spelling."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


@functools.lru_cache(1 << 15)  # every epoch asks for the same texts again
def ngrams(text: str, longest: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """(int32 [n] numbers, float32 [n] counts) of the different n-grams of 1 .. longest characters.

    Shorter ones first, each length in the order of first appearance. Nobody may write to them.
    """
    codes = np.array([MARK, *map(ord, spelling(text)), MARK], np.uint64)
    hashed = np.zeros(len(codes), np.uint64)
    found = []
    for n in range(1, longest + 1):
        whole = len(codes) - n + 1
        if whole < 1:
            break
        hashed = (hashed[:whole] + codes[n - 1 :] + np.uint64(n)) * FACTOR  # wraps around
        mixed = (hashed ^ (hashed >> np.uint64(29))) * MIX
        found.append((mixed >> np.uint64(32)) % np.uint64(buckets - 1) + np.uint64(1))
    # the marks alone say nothing
    found[0] = found[0][1:-1]
    numbers = np.concatenate(found).astype(np.int32)
    kinds, first, counts = np.unique(numbers, return_index=True, return_counts=True)
    order = np.argsort(first)
    out = kinds[order], counts[order].astype(np.float32)
    for array in out:
        array.setflags(write=False)
    return out
