"""Runs of frames and stretches of sound for T segments, from real JPEG bytes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data import augment, frames
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


def shown(pictures, chosen, there, size, drawn=augment.MIDDLE):
    found = frames.decoded(pictures, chosen[there].ravel(), size, "x")
    return frames.snippets(found, chosen, there, size, drawn)


def test_snippets_hold_the_frames_asked_for_cut_from_the_middle():
    chosen, there = np.array([[3, 4], [9, 10], [0, 0]]), np.array([True, True, False])
    made = shown(film(), chosen, there, 24)
    assert made.shape == (3, 2, 24, 24, 3) and (made[2] == 0).all()
    for t, row in enumerate(chosen[:2]):
        for f, number in enumerate(row):
            assert abs(int(made[t, f, 12, 3, 0]) - 3 * number) < 4
            assert abs(int(made[t, f, 12, 20, 0]) - 3 * number - 100) < 4


def test_one_draw_of_cut_and_mirror_holds_for_the_video():
    chosen, there = np.array([[3, 4], [9, 10]]), np.array([True, True])
    seen = set()
    for seed in range(40):
        drawn = augment.draw("paper", np.random.default_rng(seed))
        made = shown(film(), chosen, there, 24, drawn)
        bright = made[..., 12, :, 0].astype(int) > 70
        assert (bright == bright[0, 0]).all()
        seen.add(tuple(bright[0, 0].tolist()))
    assert len(seen) > 20  # many places, both directions


def test_a_large_picture_is_brought_to_size_and_a_broken_one_is_named():
    (big,) = film(1, 120, 200)
    assert frames.decode(big, 24, "x").shape == (24, 40, 3)
    with pytest.raises(UserError, match="frame 0 of clip"):
        frames.decoded([b"no picture"], [0], 8, "clip")


@given(st.integers(0, 60), st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_runs_by_count_are_the_plain_division(count, segments, length, seed):
    for rng in (None, np.random.default_rng(seed)):
        chosen, there = frames.runs_by_count(count, segments, length, rng)
        assert there.all() == there.any() == (count > 0)
        if not count:
            continue
        line = list(range(count))
        while len(line) < segments * length:
            line += range(count)
        each = max(count, segments * length) // segments
        for t in range(segments):
            own = line[t * each : (t + 1) * each]
            places = [own[i : i + length] for i in range(each - length + 1)]
            assert chosen[t].tolist() in (places if rng else [places[(each - length) // 2]])


def test_the_release_changes_three_videos_of_ten_in_one_way_each():
    drawn = [augment.draw("release", np.random.default_rng(i)) for i in range(4000)]
    assert {d.place for d in drawn} == set(augment.PLACES)
    ways = np.array([[d.mirror, d.turn != 0, d.light != 1] for d in drawn])
    assert ways.sum(1).max() == 1
    np.testing.assert_allclose(ways.mean(0), 0.1, atol=0.02)
    turns, lights = [d.turn for d in drawn if d.turn], [d.light for d in drawn if d.light != 1]
    assert -20 <= min(turns) < -18 and 18 < max(turns) <= 20
    assert 0.5 <= min(lights) < 0.53 and 0.97 < max(lights) < 1
    assert augment.draw("none", np.random.default_rng(0)) == augment.MIDDLE


def test_what_a_draw_does_to_a_picture():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (5, 9, 3)).astype(np.uint8)
    for place, columns in (((0, 0), slice(0, 5)), ((1, 1), slice(4, 9)), ((0.5, 0.5), slice(2, 7))):
        made = augment.changed(picture, 5, augment.Draw(place))
        np.testing.assert_array_equal(made, picture[:, columns])
    left = picture[:, :5]
    made = augment.changed(picture, 5, augment.Draw((0, 0), mirror=True))
    np.testing.assert_array_equal(made, left[:, ::-1])
    made = augment.changed(picture, 5, augment.Draw((0, 0), light=0.5))
    np.testing.assert_array_equal(made, np.rint(left / 2))
    made = augment.changed(picture, 5, augment.Draw((0, 0), turn=90.0))
    np.testing.assert_array_equal(made, np.rot90(left))


def test_several_looks_are_the_same_frames_changed_each_in_its_way():
    rule = SnippetExamples({}, ("a", "b"), 4, frames=3, frame_size=24, looks=True)
    record = {"id": "clip", "duration": 10.0, "label": 1, "frames": film(40),
              "frames_time": (np.arange(40) / 4).astype(np.float32)}  # fmt: skip
    test = rule.evaluate(record, 0)
    assert {k: (v.shape, v.dtype) for k, v in test.items()} == rule.spec()
    assert all((test[f"frames/{look}"] == test["frames"]).all() for look in ("key", "left"))
    assert (test["frames_start"] == 0.5).all()
    made = rule.train(record, np.random.default_rng(0))
    assert not (made["frames/key"] == made["frames"]).all()
    # Darkest to brightest: the same pictures at the same places of the line, however cut.
    low = [made[key].min((2, 3, 4)).astype(int) for key in ("frames", "frames/key", "frames/left")]
    assert np.abs(low[0] - low[1]).max() <= 101 and len(np.unique(made["frames_start"])) == 12


def test_settings_of_frames_that_cannot_be():
    for change, words in (({"division": "weight"}, "time, count"), ({"augment": "all"}, "release"),
                          ({"frames": 0, "looks": True}, "looks")):  # fmt: skip
        with pytest.raises(UserError, match=words):
            SnippetExamples({}, ("a", "b"), 4, **{"frames": 3} | change)


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
