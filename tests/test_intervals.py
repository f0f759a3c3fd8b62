"""Intervals against SciPy and the textbook, and how often they hold the truth."""

import math

import numpy as np
import pytest

from affectjax import intervals


def test_seeds_equal_scipy_and_cover():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        values = random.normal(3.0, 2.0, size=5)
        mean, low, high = intervals.over_seeds(values)
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (low, high) == pytest.approx((expected.low, expected.high))
        assert mean == pytest.approx(values.mean())
        held += low < 3.0 < high
    assert 0.92 < held / 300 < 0.98


def test_splits_are_corrected_for_the_clips_they_share():
    values = [54.0, 56.0, 55.0, 57.0, 53.0, 55.0, 58.0, 54.0, 56.0, 52.0]
    found = intervals.over_splits(values, test_share=0.5)
    # t of 9 degrees at 97.5 % from a printed table; the values' variance is 30 / 9
    half = 2.2621572 * math.sqrt((1 / 10 + 1 / 2) * 30 / 9)
    assert found == pytest.approx((55.0, 55.0 - half, 55.0 + half))
    plain = intervals.over_splits(values, test_share=0.0)
    assert plain == intervals.over_seeds(values)
    assert plain.low > found.low and plain.high < found.high


def test_correlated_splits_need_the_correction():
    """Accuracy of a threshold learned on 2/3 of 60 clips, ten splits: the truth is outside."""
    random = np.random.default_rng(1)
    held = {0.0: 0, 0.5: 0}
    for _ in range(120):
        label = random.integers(2, size=60)
        score = random.normal(size=60) + label
        found = []
        for _ in range(10):
            order = random.permutation(60)
            train, test = order[:40], order[40:]
            at = (
                score[train][label[train] == 1].mean() + score[train][label[train] == 0].mean()
            ) / 2
            found.append(np.mean((score[test] > at) == label[test]))
        for share in held:
            _, low, high = intervals.over_splits(found, share)
            held[share] += low <= 0.6915 <= high  # the normal's mass below half a deviation
    assert held[0.0] / 120 < 0.75
    assert held[0.5] / 120 > 0.88


def test_groups_are_drawn_whole():
    random = np.random.default_rng(2)
    held, naive = 0, 0
    groups = np.repeat(np.arange(30), 8)
    for trial in range(100):
        values = random.normal(size=30)[groups] + 0.3 * random.normal(size=240)

        def score(rows, values=values):
            return float(values[rows].mean())

        _, low, high = intervals.over_groups(score, groups, draws=200, seed=trial)
        held += low < 0 < high
        _, low, high = intervals.over_groups(score, np.arange(240), draws=200, seed=trial)
        naive += low < 0 < high
    assert held >= 86
    assert naive < 70


def test_what_cannot_be_told_has_no_interval():
    def accuracy(rows):
        return float(np.mean(np.array([1.0, 0.0, 1.0])[rows]))

    one = intervals.over_groups(accuracy, ["film"] * 3)
    assert one.mean == pytest.approx(2 / 3) and math.isnan(one.low)
    never = intervals.over_groups(lambda rows: math.nan, ["a", "b", "c"], draws=20)
    assert math.isnan(never.mean) and math.isnan(never.high)
    assert intervals.over_seeds([2.0])[0] == 2.0 and math.isnan(intervals.over_seeds([2.0]).low)
    assert math.isnan(intervals.over_seeds([]).mean)
    same = [intervals.over_groups(accuracy, ["a", "b", "c"], seed=4) for _ in range(2)]
    assert same[0] == same[1] and same[0].low < 2 / 3 < same[0].high
