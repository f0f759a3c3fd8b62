"""Intervals from curves, and average precision against the definition in plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax import detection
from affectjax.detection import Interval


def plain_overlap(a, b):
    """On a fine grid of whole numbers: the ends below are whole."""
    if a.video != b.video:
        return 0.0
    first = {x for x in range(20) if a.start <= x < a.end}
    second = {x for x in range(20) if b.start <= x < b.end}
    return len(first & second) / len(first | second) if first | second else 0.0


def plain_average_precision(predicted, true, least):
    """Walk the predictions; at each hit, take the best precision at this or any later place."""
    if not true:
        return math.nan
    order = sorted(predicted, key=lambda i: (-i.score, i.video, i.start, i.end))
    taken, hits = set(), []
    for one in order:
        best, size = None, -1.0
        for place, truth in sorted(enumerate(true), key=lambda x: (x[1].start, x[1].end)):
            if truth.video == one.video and place not in taken and plain_overlap(one, truth) > size:
                best, size = place, plain_overlap(one, truth)
        hit = best is not None and size >= least
        hits.append(hit)
        if hit:
            taken.add(best)
    total = 0.0
    for place, hit in enumerate(hits):
        if hit:
            total += max(sum(hits[: end + 1]) / (end + 1) for end in range(place, len(hits)))
    return total / len(true)


ends = st.tuples(st.integers(0, 9), st.integers(1, 10)).map(lambda x: (x[0], x[0] + x[1]))
scores = st.sampled_from([0.1, 0.25, 0.25, 0.5, 0.9])  # few values, so that many are equal


@st.composite
def some(draw, most):
    return [
        Interval(draw(st.integers(0, 2)), *map(float, draw(ends)), draw(st.integers(0, 2)),
                 draw(scores))
        for _ in range(draw(st.integers(0, most)))
    ]  # fmt: skip


@settings(max_examples=300)
@given(some(8), some(6), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_average_precision_is_its_definition(predicted, true, least):
    found = detection.average_precision(predicted, true, least)
    want = plain_average_precision(predicted, true, least)
    assert (math.isnan(found) and math.isnan(want)) or found == pytest.approx(want)


@settings(max_examples=100)
@given(some(8), some(6), st.randoms(use_true_random=False))
def test_neither_the_order_of_predictions_nor_of_truths_matters(predicted, true, random):
    want = detection.average_precision(predicted, true, 0.3)
    random.shuffle(predicted)
    random.shuffle(true)
    found = detection.average_precision(predicted, true, 0.3)
    assert (math.isnan(found) and math.isnan(want)) or found == want


@settings(max_examples=100)
@given(some(8), some(6))
def test_the_mean_is_over_the_classes_that_have_a_truth(predicted, true):
    each = [
        plain_average_precision(
            [p for p in predicted if p.label == k], [t for t in true if t.label == k], 0.3
        )
        for k in {t.label for t in true}
    ]
    found = detection.mean_average_precision(predicted, true, 0.3)
    assert found == pytest.approx(np.mean(each)) if each else math.isnan(found)


def test_cases_by_hand():
    true = [Interval(0, 0, 4, 1), Interval(0, 6, 8, 1), Interval(1, 2, 6, 2)]
    exact = [Interval(*t[:4], score=0.5) for t in true]
    assert detection.average_precision(exact, true, 1.0) == 1.0
    assert detection.average_precision([], true, 0.1) == 0.0
    assert math.isnan(detection.average_precision(exact, [], 0.1))
    twice = [Interval(0, 0, 4, 1, 0.9), Interval(0, 0, 4, 1, 0.8), Interval(1, 2, 6, 2, 0.7)]
    # the second of them finds its truth taken: hits at places 1 and 3
    assert detection.average_precision(twice, true, 0.5) == pytest.approx((1 + 2 / 3) / 3)
    wrong = [Interval(*t[:3], label=0, score=0.5) for t in true]
    assert detection.average_precision(wrong, true, 0.5) == 1.0  # blind to the class
    assert detection.mean_average_precision(wrong, true, 0.5) == 0.0


@settings(max_examples=100)
@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), min_size=1, max_size=12))
def test_runs_cover_exactly_what_is_high(curve):
    covered = np.zeros(len(curve), bool)
    for first, stop in detection.runs(np.array(curve), 0.5):
        assert first < stop and not covered[max(first - 1, 0) : stop].any()
        covered[first:stop] = True
    np.testing.assert_array_equal(covered, np.array(curve) >= 0.5)


def test_intervals_lie_in_seconds_and_carry_the_score():
    curve = np.array([[0.2, 0.5, 1.0, 0.0, 0.9]])
    found = detection.intervals(curve, np.array([[0.25, 0.75]]), np.array([10.0]), 0.5)
    assert found == [
        Interval(0, 2.0, 6.0, 1, pytest.approx(0.75 * 0.75)),
        Interval(0, 8.0, 10.0, 1, pytest.approx(0.9 * 0.75)),
    ]


def test_metrics_of_a_split():
    truth = np.full((3, 2, 3), np.nan)
    truth[0, 0] = (2, 6, 1)
    truth[1] = [(0, 5, 0), (8, 10, 0)]  # the third video was not annotated
    arrays = {
        "curve": np.array([[0.0, 1, 1, 0, 0], [1, 0.8, 0, 0, 1], [1, 1, 1, 1, 1.0]]),
        "probability": np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]),
        "duration": np.array([10.0, 10.0, 10.0]),
        "truth": truth,
    }
    found = detection.metrics(arrays, 0.5)
    assert found["map_any@0.5"] == found["map@0.5"] == 1.0
    assert found["whole_video/map_any@0.5"] == pytest.approx(1 / 3 / 2)
    assert found["centre_half/map_any@0.1"] == pytest.approx(2 / 3)
    assert found["intervals_per_video"] == 1.5
    assert detection.metrics(arrays | {"truth": np.full((3, 2, 3), np.nan)}, 0.5) == {}
    assert detection.metrics({"curve": arrays["curve"]}, 0.5) == {}
