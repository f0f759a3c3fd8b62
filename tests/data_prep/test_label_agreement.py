"""Agreement against values computed by hand and in textbooks, and its bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.labelling import agreement

ITEMS = st.lists(st.lists(st.integers(0, 1), max_size=5), max_size=8)


def test_alpha_of_two_people_by_hand():
    """Krippendorff's own example of ten items: 4 of 10 differ, 14 zeros and 6 ones."""
    one, other = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert agreement.krippendorff(zip(one, other)) == pytest.approx(1 - 19 * 8 / (2 * 14 * 6))
    assert agreement.krippendorff(zip(one, other)) == pytest.approx(0.095, abs=5e-4)


def test_alpha_with_missing_answers():
    """His example of four people, twelve items and five values: 0.743."""
    people = ["123321412***", "1233224125*3", "*3332342251*", "12332441251*"]
    items = [[value for value in column if value != "*"] for column in zip(*people)]
    assert agreement.krippendorff(items) == pytest.approx(0.743, abs=5e-4)


def test_kappa_of_the_textbook():
    """Fleiss's table of ten items, fourteen answers each and five classes: 0.210."""
    table = ["0 0 0 0 14", "0 2 6 4 2", "0 0 3 5 6", "0 3 9 2 0", "2 2 8 1 1", "7 7 0 0 0",
             "3 2 6 3 0", "2 5 3 2 2", "6 5 2 1 0", "0 2 2 3 7"]  # fmt: skip
    rows = [[k for k, n in enumerate(row.split()) for _ in range(int(n))] for row in table]
    assert agreement.fleiss(rows) == pytest.approx(0.210, abs=5e-4)


def test_what_chance_would_agree_on_too_is_undefined():
    for measure in (agreement.krippendorff, agreement.fleiss):
        assert math.isnan(measure([])) and math.isnan(measure([[1], [0]]))
        assert math.isnan(measure([[1, 1], [1, 1]]))
        assert measure([[1, 1], [0, 0]]) == 1
    assert agreement.krippendorff([[1, 0], [0, 1]]) == pytest.approx(1 - 3 * 4 / 8)
    assert agreement.fleiss([[1, 0], [0, 1]]) == -1


@given(ITEMS)
def test_alpha_equals_its_definition(items):
    """1 - seen / expected disagreement, over all pairs of answers, as a slow loop counts them."""
    kept = [item for item in items if len(item) > 1]
    every = [value for item in kept for value in item]
    n = len(every)
    seen = sum(
        (a != b) / (len(item) - 1) for item in kept for i, a in enumerate(item)
        for j, b in enumerate(item) if i != j
    )  # fmt: skip
    chance = sum(every[i] != every[j] for i in range(n) for j in range(n) if i != j)
    found = agreement.krippendorff(items)
    if chance:
        assert found == pytest.approx(1 - (seen / n) / (chance / (n * (n - 1))))
    else:
        assert math.isnan(found)


def test_majority():
    assert agreement.majority([1, 0, 1]) == 1 and agreement.majority([0]) == 0
    assert agreement.majority([1, 0]) is None
