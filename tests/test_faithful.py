"""Deletion and insertion where the truth is known: a chance that adds up over segments."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax import faithful


def adding(worth):
    """A predictor whose chance is the sum of what the kept segments are worth."""
    return lambda masks: masks @ np.asarray(worth, float)


def by_hand(worth, order):
    """Both curves one segment after another."""
    deletion, insertion = [sum(worth[t] for t in order)], [0.0]
    for t in order:
        deletion.append(deletion[-1] - worth[t])
        insertion.append(insertion[-1] + worth[t])
    return deletion, insertion


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_true_attention_is_the_best_of_all_orders(worth, seed):
    there = np.random.default_rng(seed).random(len(worth)) < 0.8
    found = faithful.curves(adding(worth), np.array(worth), there)
    present = np.flatnonzero(there)
    if not len(present):
        assert found is None
        return
    order = sorted(present, key=lambda t: (-worth[t], t))
    deletion, insertion = by_hand(worth, order)
    np.testing.assert_allclose(found.deletion, deletion, atol=1e-9)
    np.testing.assert_allclose(found.insertion, insertion, atol=1e-9)
    for other in itertools.permutations(present):
        low, high = (faithful.area(np.array(c)) for c in by_hand(worth, other))
        assert faithful.area(found.deletion) <= low + 1e-9
        assert faithful.area(found.insertion) >= high - 1e-9
    assert all(lead >= -1e-9 for lead in found.leads)


def test_attention_turned_round_is_worse_than_chance_and_equal_worth_is_neither():
    worth = np.array([0.5, 0.3, 0.15, 0.05])
    there = np.ones(4, bool)
    good = faithful.curves(adding(worth), worth, there, draws=200)
    bad = faithful.curves(adding(worth), -worth, there, draws=200)
    assert min(good.leads) > 0.1 and max(bad.leads) < -0.1
    assert good.deletion_by_chance == pytest.approx(np.linspace(1, 0, 5), abs=0.05)
    even = faithful.curves(adding([0.25] * 4), worth, there)
    assert even.leads == pytest.approx((0, 0))


def test_curves_of_videos_of_different_length_have_a_mean():
    short = faithful.curves(adding([1.0, 0, 0]), np.array([3, 2, 1]), np.array([1, 1, 0], bool))
    long = faithful.curves(adding([1.0, 0, 0]), np.array([3, 2, 1]), np.ones(3, bool))
    mean = faithful.mean_curves([short, long], points=7)
    assert len(short.deletion) == 3 and len(long.deletion) == 4 and len(mean.deletion) == 7
    at = np.linspace(0, 1, 7)
    want = (np.interp(at, [0, 0.5, 1], [1, 0, 0]) + np.interp(at, [0, 1 / 3, 1], [1, 0, 0])) / 2
    np.testing.assert_allclose(mean.deletion, want)


def test_a_model_sees_what_is_kept():
    """Streams of T segments lose the same ones; a stream of another length keeps what it has."""
    example = {
        "features/image": np.arange(3.0)[:, None], "present/image": np.array([1, 1, 0], bool),
        "present/sound": np.ones(5, bool), "weight": np.float32(1),
    }  # fmt: skip

    def chances(batch):
        assert batch["present/sound"].all() and batch["features/image"].shape[1:] == (3, 1)
        seen = batch["present/image"] @ np.array([0.5, 0.25, 0.125])
        return np.stack([seen, 1 - seen], 1)

    predict = faithful.of_model(chances, example, 1)
    masks = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 0]], bool)
    np.testing.assert_allclose(predict(masks), [0.25, 0.75, 1.0])
