"""Comments are packed whole, none twice, none lost; held against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax.data import packing

# Limits that hold any single comment of the sizes below.
LIMITS = st.tuples(st.integers(10, 40), st.integers(1, 8), st.integers(9, 20))
SIZES = st.lists(st.tuples(st.integers(2, 10), st.just(1), st.integers(0, 9)), max_size=30).map(
    lambda sizes: np.array(sizes, np.int64).reshape(-1, 3)
)


def fits(sizes, limits):
    return all(total <= limit for total, limit in zip(sizes.sum(axis=0), limits))


@given(SIZES, LIMITS, st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_sample_fits_and_leaves_out_only_what_does_not_fit(sizes, limits, seed):
    chosen = packing.sample(sizes, limits, np.random.default_rng(seed)).tolist()
    assert chosen == sorted(set(chosen))
    assert fits(sizes[chosen], limits)
    for i in set(range(len(sizes))) - set(chosen):
        assert not fits(sizes[chosen + [i]], limits)


def test_surplus_is_sampled_uniformly():
    sizes = np.tile([[5, 1, 2]], (12, 1))
    draws, times = 3000, np.zeros(12)
    for seed in range(draws):
        chosen = packing.sample(sizes, (22, 8, 20), np.random.default_rng(seed))
        assert len(chosen) == 4
        times[chosen] += 1
    # Each is drawn with probability 1/3: five standard deviations.
    spread = np.sqrt(draws * (1 / 3) * (2 / 3))
    assert np.abs(times - draws / 3).max() < 5 * spread


@given(SIZES, LIMITS)
@settings(max_examples=200, deadline=None)
def test_spread_places_every_comment_once_as_a_plain_loop_does(sizes, limits):
    expected = [[]]
    for i in range(len(sizes)):
        if not fits(sizes[expected[-1] + [i]], limits):
            expected.append([])
        expected[-1].append(i)
    rows = packing.spread(sizes, limits)
    assert [row.tolist() for row in rows] == expected
    assert all(fits(sizes[row], limits) for row in rows)


def test_spread_refuses_a_comment_larger_than_a_row():
    with pytest.raises(AssertionError, match="larger than a row"):
        packing.spread(np.array([[3, 1, 1], [12, 1, 1]]), (10, 4, 4))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_words_of_lays_chosen_comments_end_to_end(length, random):
    chosen = sorted(random.sample(range(len(length)), random.randint(0, len(length))))
    expected = []
    for place, i in enumerate(chosen):
        expected.append((place, 0, None))
        for k in range(length[i]):
            expected.append((place, k + 1, sum(length[:i]) + k))
    comment, position, word = packing.words_of(np.array(length), np.array(chosen, np.int64))
    got = [
        (c, p, None if p == 0 else w)
        for c, p, w in zip(comment.tolist(), position.tolist(), word.tolist())
    ]
    assert got == expected
