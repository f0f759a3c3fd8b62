"""Whole videos in T segments: which row stands for which, and what is told of the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data.schema import Spec
from affectjax.data.snippets import SnippetExamples, segment_rows
from affectjax.errors import UserError

OUTPUTS = ("joy", "fear")


def record(rows=40, rate=2.0, duration=20.0, silent=False, segments=((1.0, 3.0, 1.0),)):
    """Features whose values are the numbers of their rows."""
    count = np.arange(rows, dtype=np.float16)
    return {
        "id": "clip",
        "duration": duration,
        "features": {
            "image": np.stack([count, -count], axis=1),
            "audio": np.zeros((0, 3), np.float16)
            if silent
            else np.repeat(count[: rows // 2, None], 3, axis=1),
        },
        "rate": {"image": rate, "audio": rate / 2},
        "label": 1,
        "segments": np.array(segments, np.float32).reshape(-1, 3),
    }


def examples(**settings):
    return SnippetExamples({"audio": 3, "image": 2}, OUTPUTS, **{"segments": 10} | settings)


@given(st.integers(1, 60), st.floats(0.3, 4.0), st.integers(1, 16), st.floats(1.0, 40.0))
def test_every_row_belongs_to_the_segment_that_holds_its_centre(rows, rate, segments, duration):
    seconds = duration / segments
    first, stop = segment_rows(rows, rate, segments, seconds)
    for t in range(segments):
        for row in range(rows):
            centre = (row + 0.5) / rate
            if min(abs(centre - t * seconds), abs(centre - (t + 1) * seconds)) > 1e-4:
                assert (first[t] <= row < stop[t]) == (t * seconds < centre < (t + 1) * seconds)


def test_testing_takes_the_centre_and_training_any_row_of_the_segment():
    made = examples().evaluate(record(), 0)
    np.testing.assert_array_equal(made["features/image"][:, 0], np.arange(10) * 4 + 2)
    drawn = [examples().train(record(), np.random.default_rng(i)) for i in range(200)]
    rows = np.stack([d["features/image"][:, 0] for d in drawn])
    for t in range(10):
        assert set(rows[:, t]) == set(range(4 * t, 4 * t + 4))
    # sight and sound are taken from the same moment
    sound = np.stack([d["features/audio"][:, 0] for d in drawn])
    np.testing.assert_array_equal(sound, rows // 2)
    assert all(d["present/audio"].all() and d["weight"] == 1 for d in drawn)


def test_the_mean_of_a_segment():
    made = examples(rows="mean").evaluate(record(), 0)
    np.testing.assert_array_equal(made["features/image"][:, 0], np.arange(10) * 4 + 1.5)


def test_few_rows_serve_several_segments_and_far_ones_none():
    made = examples().evaluate(record(rows=4, rate=0.2), 0)  # 4 rows of five seconds
    np.testing.assert_array_equal(made["features/image"][:, 0], [0, 0, 1, 1, 1, 2, 2, 3, 3, 3])
    half = examples().evaluate(record(rows=20), 0)  # features end in the middle
    np.testing.assert_array_equal(half["present/image"], [True] * 5 + [False] * 5)
    assert (half["features/image"][5:] == 0).all()


@pytest.mark.parametrize("hide", [(), ("audio",)])
def test_silence_is_marked(hide):
    made = examples(hide=hide).evaluate(record(silent=not hide), 0)
    assert not made["present/audio"].any() and (made["features/audio"] == 0).all()
    assert made["present/image"].all()


def test_truth_is_padded_and_empty_examples_have_none():
    rule = examples(truths=3)
    made = rule.evaluate(record(segments=((1, 3, 1), (4, 9, 0))), 0)
    np.testing.assert_array_equal(made["truth"], [(1, 3, 1), (4, 9, 0), (np.nan,) * 3])
    assert made["duration"] == 20 and made["label"] == 1
    assert np.isnan(rule.empty()["truth"]).all() and rule.empty()["label"] == -1
    assert {k: (v.shape, v.dtype) for k, v in made.items()} == rule.spec()
    with pytest.raises(UserError, match="room for 3"):
        rule.evaluate(record(segments=[(1, 2, 0)] * 4), 0)
    assert "truth" not in examples().evaluate(record(), 0)


def test_the_dataset_is_checked():
    with pytest.raises(UserError, match="model.outputs"):
        examples().check(Spec(label_names=("fear", "joy")), "there")
    with pytest.raises(UserError, match="intervals"):
        examples(truths=3).check(Spec(label_names=OUTPUTS), "there")
    examples(truths=3).check(Spec(label_names=OUTPUTS, segments=True), "there")
    with pytest.raises(UserError, match="width 2"):
        broken = record()
        broken["features"]["image"] = np.zeros((3, 5), np.float16)
        examples().evaluate(broken, 0)
