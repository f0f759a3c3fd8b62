"""The line of samples: where pieces come to lie, and what resampling keeps."""

import collections

import numpy as np
import pytest

from affectjax.media.clock import LONGEST_GAP
from affectjax.media.sound import Resampler, Track, mono

RATE = 1000


def lay(*pieces):
    """(start, length) pieces of ones, twos, ... -> the whole line, and what was counted."""
    wrong = collections.Counter()
    track = Track(wrong)
    line = [
        part
        for value, (start, length) in enumerate(pieces, 1)
        for part in track.lay(start, RATE, np.full(length, value, np.float32))
    ]
    whole = np.concatenate(line) if line else np.zeros(0)
    assert track.end == pytest.approx(len(whole) / RATE)
    return whole, wrong


def test_a_hole_is_silent_and_small_errors_of_stamps_are_not_holes():
    line, wrong = lay((0.0, 100), (0.1, 100), (0.21, 90), (0.5, 50))
    assert len(line) == 550 and (line[290:500] == 0).all() and (line[500:] == 4).all()
    assert wrong["holes in the sound, filled with silence"] == 1


def test_sound_before_the_first_picture_is_left_out_and_a_late_start_is_silent():
    line, _ = lay((-0.25, 100), (-0.15, 100), (-0.05, 100))
    assert (line == 3).all() and len(line) == 50
    line, wrong = lay((0.03, 100))
    assert (line[:30] == 0).all() and (line[30:] == 1).all() and not +wrong


def test_what_overlaps_is_heard_once():
    line, wrong = lay((0.0, 500), (0.3, 500))
    assert (line[:500] == 1).all() and (line[500:] == 2).all() and len(line) == 800
    assert wrong["pieces of sound that overlap"] == 1


def test_a_clock_that_jumps_is_mended():
    for jump in (-40.0, LONGEST_GAP + 50):
        line, wrong = lay((50.0 - 50.0, 2000), (2.0 + jump, 100), (2.1 + jump, 100))
        assert len(line) == 2200 and (line[2000:2100] == 2).all() and (line[2100:] == 3).all()
        assert wrong["jumps of the sound's clock, closed"] == 1


def test_pieces_without_a_stamp_follow_each_other():
    line, _ = lay((0.0, 100), (float("nan"), 100))
    assert len(line) == 200


@pytest.mark.parametrize("pair", [(44_100, 16_000), (8000, 16_000), (16_000, 16_000)])
@pytest.mark.parametrize("piece", [1024, 333])
def test_resampling_in_pieces_equals_resampling_at_once(pair, piece):
    import soxr

    rate, wanted = pair
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, rate).astype(np.float32)
    resampler = Resampler(wanted)
    parts = [resampler.push(wave[i : i + piece], rate) for i in range(0, len(wave), piece)]
    found = np.concatenate([*parts, resampler.finish()])
    expected = soxr.resample(wave, rate, wanted, quality="HQ")
    assert len(found) == len(expected) == wanted
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_tone_keeps_its_place_and_its_height():
    time = np.arange(48_000) / 48_000
    wave = np.sin(2 * np.pi * 100 * time).astype(np.float32)
    resampler = Resampler(16_000)
    found = np.concatenate([resampler.push(wave, 48_000), resampler.finish()])
    expected = np.sin(2 * np.pi * 100 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=1e-3)


def test_a_track_may_change_its_rate():
    resampler = Resampler(16_000)
    parts = [resampler.push(np.ones(8000, np.float32), 8000) for _ in range(2)]
    parts.append(resampler.push(np.ones(32_000, np.float32), 32_000))
    assert len(np.concatenate([*parts, resampler.finish()])) == 3 * 16_000


def frame(channels: np.ndarray, kind: str):
    """A frame as a decoder gives it: [C, S] in a sample format's own numbers."""
    import av

    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(channels)]
    data = channels if kind.endswith("p") else channels.T.reshape(1, -1)
    return av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format=kind, layout=layout)


@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize("kind", ["u8", "s16", "s16p", "s32", "flt", "fltp", "dbl"])
def test_channels_are_averaged_whatever_the_samples_are(kind, count):
    wave = np.random.default_rng(count).uniform(-1, 1, (count, 333))
    if kind == "u8":
        data = (wave * 127 + 128).astype("u1")
    elif kind.startswith("s"):
        whole = "i2" if "16" in kind else "i4"
        data = (wave * np.iinfo(whole).max).astype(whole)
    else:
        data = wave.astype("f8" if kind == "dbl" else "f4")
    np.testing.assert_allclose(mono(frame(data, kind)), wave.mean(0), atol=0.016)


def test_samples_that_are_no_numbers_are_silent():
    wave = np.array([[np.nan, np.inf, -np.inf, 0.5, 3.0]], "f4")
    assert mono(frame(wave, "fltp")).tolist() == [0.0, 1.0, -1.0, 0.5, 1.0]
