"""Clips follow K-means on the comments' times, on the grid, without a gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.segmentation import centres, clips

GRID = 16 / 30


def slow_centres(times, count):
    """Lloyd's iteration, comment by comment."""
    found = [float(np.quantile(times, (k + 0.5) / count)) for k in range(count)]
    before = None
    while True:
        groups = [[] for _ in range(count)]
        for t in times:
            # a comment in the middle goes to the earlier centre
            groups[min(range(count), key=lambda k: (round(abs(t - found[k]), 9), k))].append(t)
        if groups == before:
            return found
        before = groups
        found = [sum(g) / len(g) if g else c for g, c in zip(groups, found)]


@pytest.mark.parametrize("seed", range(12))
def test_centres_equal_the_slow_loop(seed):
    rng = np.random.default_rng(seed)
    times = np.sort(np.concatenate([rng.normal(m, 4, 30) for m in rng.uniform(20, 280, 5)]))
    np.testing.assert_allclose(centres(times, 7), slow_centres(times, 7), rtol=1e-9)


def test_planted_clusters_are_cut_between():
    rng = np.random.default_rng(0)
    times = np.concatenate([rng.normal(m, 2, 50) for m in (15, 50, 80)])
    found = clips(times, 90.0)
    assert len(found) == 3
    for (_, end), middle in zip(found[:-1], (32.5, 65)):
        assert abs(end - middle) < 1.5
    assert clips(times[::-1], 90.0) == found  # the order of the comments plays no part


def test_the_means_never_stand_further_from_the_comments_than_their_start():
    rng = np.random.default_rng(3)
    times = np.sort(rng.gamma(2, 40, 400))

    def cost(c):
        return (np.abs(times[:, None] - c).min(1) ** 2).sum()

    start = np.quantile(times, (np.arange(9) + 0.5) / 9)
    assert cost(centres(times, 9)) < cost(start)


@given(
    st.lists(st.floats(-10, 700) | st.sampled_from([5.0, 5.0, 100.0]), max_size=60),
    st.floats(0.01, 600),
    st.sampled_from([5.0, 30.0]),
)
def test_clips_are_contiguous_on_the_grid_and_cover_the_video(times, duration, seconds):
    found = clips(times, duration, seconds)
    assert found[0][0] == 0 and found[-1][1] == duration
    assert 1 <= len(found) <= max(1, round(duration / seconds))
    for (start, end), (following, _) in zip(found, found[1:]):
        assert end == following and start < end
        assert abs(end / GRID - round(end / GRID)) < 1e-9
    assert found[-1][0] < duration


def test_too_few_comments_give_equal_clips():
    for times in ([], [3.0], [3.0, 3.0, 3.0, 3.0]):
        lengths = [end - start for start, end in clips(times, 120.0)]
        assert len(lengths) == 4 and max(lengths) - min(lengths) <= 2 * GRID
    assert clips([1.0], 0.0) == []
    assert clips([0.1], 0.3) == [(0.0, 0.3)]
