"""Sequences of seconds: which rows and which windows an example holds."""

import numpy as np
import pytest

from affectjax.data.records import Spec
from affectjax.data.seconds import SecondsExamples
from affectjax.errors import UserError

NAMES = ("calm", "joy")


def rule(**changes):
    given = {"modalities": {"sound": 1, "sight": 2}, "outputs": NAMES, "segments": 6, "windows": 3}
    return SecondsExamples(**(given | changes))


def record(seconds=15, rate=2.0):
    rows = np.arange(seconds * rate)
    share = np.arange((seconds + 1) // 2) / 10
    distribution = np.stack([share, 1 - share], 1).astype(np.float32)
    distribution[1] = np.nan
    return {
        "id": "v",
        "duration": float(seconds),
        "features": {
            "sound": rows[:, None].astype(np.float16),
            "sight": np.zeros((0, 2), np.float16),
        },
        "rate": {"sound": rate, "sight": 1.0},
        "distribution": distribution[::-1],  # times say which window, not the order
        "distribution_time": (2.0 * np.arange(len(share)) + 1)[::-1].astype(np.float32),
    }


def test_testing_covers_the_clip_window_by_window():
    r, one = rule(), record()
    parts = [r.evaluate(one, i) for i in range(r.parts(one))]
    assert len(parts) == 3
    windows = np.concatenate([p["window"] for p in parts])
    np.testing.assert_array_equal(windows, [0, 1, 2, 3, 4, 5, 6, 7, -1])
    share = np.concatenate([p["distribution"][:, 0] for p in parts])
    np.testing.assert_allclose(share, [0, np.nan, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, np.nan], rtol=1e-6)
    seconds = np.concatenate([p["features/sound"][:, 0] for p in parts])
    there = np.concatenate([p["present/sound"] for p in parts])
    # second i is centred on i + 0.5, which row 2 i + 1 begins at
    np.testing.assert_array_equal(seconds[there], 2 * np.arange(15) + 1)
    assert there.sum() == 15 and not any(p["present/sight"].any() for p in parts)


def test_training_begins_with_any_window_that_leaves_a_full_stretch():
    r, one = rule(), record()
    rng = np.random.default_rng(0)
    starts = {int(r.train(one, rng)["window"][0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3, 4, 5}
    short = r.train(record(seconds=3), rng)
    np.testing.assert_array_equal(short["window"], [0, 1, -1])
    assert short["present/sound"].sum() == 3


def test_shapes_are_as_promised_and_an_empty_example_counts_for_nothing():
    r = rule()
    for example in (r.empty(), r.evaluate(record(), 0)):
        for key, (shape, dtype) in r.spec().items():
            assert example[key].shape == shape and example[key].dtype == dtype, key
    assert r.empty()["weight"] == 0 and np.isnan(r.empty()["distribution"]).all()


def test_a_clip_that_nobody_commented_on_can_be_predicted():
    r, one = rule(), record()
    told = r.evaluate(one, 0)
    new = r.evaluate({k: v for k, v in one.items() if not k.startswith("distribution")}, 0)
    assert np.isnan(new["distribution"]).all()
    np.testing.assert_array_equal(new["window"], told["window"])
    np.testing.assert_array_equal(new["features/sound"], told["features/sound"])


def test_statistics_are_of_known_windows():
    found = rule().statistics([record(), record()])["target"]
    known = np.array([0, 2, 3, 4, 5, 6, 7]) / 10
    np.testing.assert_allclose(found["mean"], [known.mean(), 1 - known.mean()], rtol=1e-6)


def test_what_does_not_fit_is_named():
    with pytest.raises(UserError, match="windows"):
        rule(windows=4)
    with pytest.raises(UserError, match="hide"):
        rule(hide=("touch",))
    with pytest.raises(UserError, match="danmaku_ldl"):
        rule().check(Spec(modalities={"sound": 1}), "here")
    with pytest.raises(UserError, match="outputs"):
        rule().check(Spec(modalities={"sound": 1}, distribution_names=("a", "b")), "here")
