"""Counts of emotions in windows, as a slow loop counts them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.errors import UserError
from data_prep.distributions import distributions, of_lexicon, of_probabilities
from data_prep.lexicon import build

COMMENTS = st.lists(
    st.tuples(
        st.floats(-3, 40) | st.integers(0, 40).map(float),
        st.lists(st.booleans(), min_size=3, max_size=3),
    ),
    max_size=60,
)


def slow(comments, duration, seconds, least, lag, smoothing, empty):
    rows, k = [], 0
    while k * seconds < duration:
        votes = [
            emotions for t, emotions in comments
            if k * seconds <= t - lag < min((k + 1) * seconds, duration) and any(emotions)
        ]  # fmt: skip
        counts = [sum(v[i] for v in votes) + smoothing for i in range(3)]
        filled = len(votes) >= least
        rows.append([c / sum(counts) for c in counts] if filled else None)
        k += 1
    full = [row for row in rows if row]
    fill = [math.nan] * 3
    if empty == "uniform":
        fill = [1 / 3] * 3
    elif empty == "mean" and full:
        fill = [sum(column) / len(full) for column in zip(*full)]
    return [row or fill for row in rows]


@given(
    COMMENTS,
    st.sampled_from([0.0, 3.0, 12.5, 30.0]),
    st.sampled_from([5.0, 2.5]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from(["mask", "uniform", "mean"]),
)
def test_it_equals_the_slow_loop(comments, duration, seconds, least, lag, smoothing, empty):
    times = [t for t, _ in comments]
    emotions = np.array([e for _, e in comments], bool).reshape(-1, 3)
    rows, starts = distributions(times, emotions, duration, seconds, least, lag, smoothing, empty)
    wanted = slow(comments, duration, seconds, least, lag, smoothing, empty)
    np.testing.assert_allclose(rows, np.array(wanted, np.float32).reshape(-1, 3), rtol=1e-6)
    np.testing.assert_array_equal(starts, np.arange(len(wanted), dtype=np.float32) * seconds)
    assert rows.dtype == starts.dtype == np.float32


def test_the_papers_windows():
    times = [0, 1, 2, 3, 4.999, 5, 6, 7, 8]
    emotions = np.eye(6, dtype=bool)[[0, 0, 0, 1, 2, 3, 3, 3, 3]]
    emotions[4, 5] = True  # one comment of two emotions counts for both
    rows, starts = distributions(times, emotions, 10.0)
    np.testing.assert_allclose(rows[0], np.array([3, 1, 1, 0, 0, 1]) / 6, rtol=1e-6)
    assert np.isnan(rows[1]).all()  # four are too few
    assert starts.tolist() == [0, 5]


def test_emotions_from_words_and_from_classifiers():
    lexicon = build([("so happy", ("joy",), 1), ("mad", ("anger", "disgust"), -1)])
    found = of_lexicon([["so", "happy"], ["mad"], ["the"]], lexicon, ["anger", "joy"])
    assert found.tolist() == [[False, True], [True, False], [False, False]]
    assert of_lexicon([], lexicon, ["joy"]).shape == (0, 1)
    p = np.array([[0.5, 0.49], [0.1, 0.9]])
    assert of_probabilities(p).tolist() == [[True, False], [False, True]]


def test_wrong_options_are_named():
    for options in ({"empty": "no"}, {"seconds": 0}, {"smoothing": -1}):
        with pytest.raises(UserError):
            distributions([], np.zeros((0, 2), bool), 10, **options)
