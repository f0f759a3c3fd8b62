"""Runs of frames and stretches of sound for T segments, from real JPEG bytes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data import frames
from affectjax.data.snippets import SnippetExamples
from affectjax.errors import UserError

PIL = pytest.importorskip("PIL.Image")


def jpeg(array):
    file = io.BytesIO()
    PIL.fromarray(array).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def film(count=40, tall=24, wide=48):
    """Grey frames, each as bright as its number says; the right half is brighter by 100."""
    pictures = []
    for i in range(count):
        array = np.full((tall, wide, 3), 3 * i, np.uint8)
        array[:, wide // 2 :] += 100
        pictures.append(jpeg(array))
    return pictures


@given(
    st.integers(1, 80), st.floats(1.0, 50.0), st.integers(1, 12), st.integers(1, 16),
    st.integers(0, 99),
)  # fmt: skip
def test_runs_are_successive_frames_of_their_segment(count, duration, segments, length, seed):
    times = ((np.arange(count) + 0.5) * duration / count).astype(np.float32)
    for rng in (None, np.random.default_rng(seed)):
        chosen, there = frames.runs(times, duration, segments, length, rng)
        for t in range(segments):
            low, high = t * duration / segments, (t + 1) * duration / segments
            inside = [i for i in range(count) if low + 1e-4 < times[i] < high - 1e-4]
            if not there[t]:
                assert not inside
                continue
            assert (low - 1e-3 <= times[chosen[t]]).all() and (
                times[chosen[t]] <= high + 1e-3
            ).all()
            if len(inside) >= length:
                assert (np.diff(chosen[t]) == 1).all()
            else:  # in a loop: no frame of the segment is left out
                assert set(inside) <= set(chosen[t].tolist())


def test_training_reaches_every_start_and_testing_takes_the_middle():
    times = np.arange(40) / 4
    starts = {
        int(frames.runs(times, 10.0, 2, 16, np.random.default_rng(i))[0][1, 0]) for i in range(100)
    }
    assert starts == {20, 21, 22, 23, 24}
    np.testing.assert_array_equal(frames.runs(times, 10.0, 2, 16)[0][:, 0], [2, 22])


def test_snippets_hold_the_frames_asked_for_cut_from_the_middle():
    chosen, there = np.array([[3, 4], [9, 10], [0, 0]]), np.array([True, True, False])
    made = frames.snippets(film(), chosen, there, 24, "x")
    assert made.shape == (3, 2, 24, 24, 3) and (made[2] == 0).all()
    for t, row in enumerate(chosen[:2]):
        for f, number in enumerate(row):
            assert abs(int(made[t, f, 12, 3, 0]) - 3 * number) < 4
            assert abs(int(made[t, f, 12, 20, 0]) - 3 * number - 100) < 4


def test_one_draw_of_cut_and_mirror_holds_for_the_video():
    chosen, there = np.array([[3, 4], [9, 10]]), np.array([True, True])
    seen = set()
    for seed in range(40):
        made = frames.snippets(film(), chosen, there, 24, "x", np.random.default_rng(seed))
        bright = made[..., 12, :, 0].astype(int) > 70
        assert (bright == bright[0, 0]).all()
        seen.add(tuple(bright[0, 0].tolist()))
    assert len(seen) > 20  # many places, both directions


def test_a_large_picture_is_brought_to_size_and_a_broken_one_is_named():
    (big,) = film(1, 120, 200)
    assert frames.decode(big, 24, "x").shape == (24, 40, 3)
    with pytest.raises(UserError, match="frame 0 of clip"):
        frames.snippets([b"no picture"], np.zeros((1, 1), int), np.array([True]), 8, "clip")


def test_sound_is_tiled_or_cut():
    sound = np.arange(10, dtype=np.float32)[:, None]
    made = frames.sound_segments(sound, 8, 2, "centre")
    np.testing.assert_array_equal(made[..., 0], [[1, 2, 3, 4], [5, 6, 7, 8]])
    made = frames.sound_segments(sound, 8, 2, "first")
    np.testing.assert_array_equal(made[..., 0], [[0, 1, 2, 3], [4, 5, 6, 7]])
    made = frames.sound_segments(sound, 25, 3, "centre")  # 24 rows of a loop
    np.testing.assert_array_equal(made[..., 0].reshape(-1), np.arange(24) % 10)


@pytest.mark.parametrize("silent", [False, True])
def test_examples_with_frames_and_sound(silent):
    rule = SnippetExamples({}, ("a", "b"), 5, frames=4, frame_size=16, mfcc=3, mfcc_rows=40)
    record = {
        "id": "clip",
        "duration": 10.0,
        "label": 1,
        "frames": film(40),
        "frames_time": (np.arange(40) / 4).astype(np.float32),
        "mfcc": np.ones((0 if silent else 50, 3), np.float32),
    }
    for made in (rule.evaluate(record, 0), rule.train(record, np.random.default_rng(0))):
        assert {k: (v.shape, v.dtype) for k, v in made.items()} == rule.spec()
        assert made["present/frames"].all() and made["frames"].any()
        assert made["present/mfcc"].all() == (not silent) == made["mfcc"].all()
