"""Hashed character n-grams against a slow loop; spellings, marks, lengths."""

import collections

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data.ngrams import ngrams, spelling

MANY = 1 << 30  # so many numbers that none is shared


@given(st.text("ab 一二", max_size=12), st.integers(1, 4))
def test_every_ngram_counts_as_often_as_it_stands(text, longest):
    marked = ["<", *spelling(text), ">"]
    wanted = collections.Counter(
        tuple(marked[i : i + n])
        for n in range(1, longest + 1)
        for i in range(len(marked) - n + 1)
        if n > 1 or marked[i] not in "<>"
    )
    numbers, counts = ngrams(text, longest, MANY)
    assert counts.tolist() == [float(count) for count in wanted.values()]
    assert len(set(numbers.tolist())) == len(numbers)


def test_numbers_follow_from_the_characters_alone():
    whole, part = ngrams("今天好开心", 2, 1000)[0], ngrams("开心", 2, 1000)[0]
    assert set(part[:2]) <= set(whole) and part[2] in ngrams("开始", 2, 1000)[0]
    assert whole.min() >= 1 and whole.max() < 1000
    # exports hold a row for each number, so these never change
    assert whole.tolist() == [930, 88, 212, 321, 253, 78, 612, 788, 759, 473, 621]


def test_one_spelling():
    assert spelling("  ＬＯＶＥ\n ｶﾜｲｲ ") == "love カワイイ"
    np.testing.assert_array_equal(ngrams("Ｗow!", 3, 999)[0], ngrams("wow!", 3, 999)[0])
    assert len(ngrams("", 1, 999)[0]) == 0
