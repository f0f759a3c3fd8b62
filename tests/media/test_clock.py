"""Stamps that lie, one by one."""

import collections

import pytest

from affectjax.media.clock import LONGEST_GAP, Clock


def run(stamps, lengths=None, rate=25.0, base=0.001):
    wrong = collections.Counter()
    clock = Clock(rate, wrong)
    lengths = lengths or [40] * len(stamps)
    starts = [clock.start(stamp, length, base) for stamp, length in zip(stamps, lengths)]
    return [None if s is None else round(s, 6) for s in starts], clock, wrong


def test_stamps_as_they_should_be():
    starts, clock, wrong = run([500, 540, 580])
    assert starts == [0, 0.04, 0.08] and clock.last_length == 0.04 and not +wrong


def test_a_missing_stamp_follows_from_the_length_before():
    starts, _, wrong = run([0, None, None, 120], [40, 30, None, 40])
    assert starts == [0, 0.04, 0.07, 0.12] and wrong["pictures without a time"] == 2
    starts, _, _ = run([None] * 4, [None] * 4, rate=10)
    assert starts == [0, 0.1, 0.2, 0.3]


def test_pictures_that_repeat_a_time_or_come_late_are_left_out():
    starts, _, wrong = run([0, 40, 40, 20, 80])
    assert starts == [0, 0.04, None, None, 0.08]
    assert wrong["pictures at a time that is past, left out"] == 2


@pytest.mark.parametrize("jump", [-80_000, (LONGEST_GAP + 1) * 1000])
def test_a_clock_that_starts_anew_goes_on(jump):
    stamps = [100_000, 100_040, 100_080 + jump, 100_120 + jump]
    starts, _, wrong = run([int(s) for s in stamps])
    assert starts == [0, 0.04, 0.08, 0.12] and wrong["jumps of the clock, closed"] == 1


def test_a_picture_may_stay_for_minutes():
    assert run([0, 300_000])[0] == [0, 300]


def test_after_the_stated_end_less_is_believed():
    wrong = collections.Counter()
    clock = Clock(25.0, wrong, stated=100.0)
    stamps = [0, 200, 259, 320, 340]
    assert [clock.start(s, 1, 1.0) for s in stamps] == [0, 200, 259, 260, 261]
    clock = Clock(25.0, wrong)
    assert [clock.start(s, 1, 1.0) for s in stamps] == stamps


@pytest.mark.parametrize("length", [None, 0, -5, 10**9])
@pytest.mark.parametrize("rate,usual", [(50.0, 0.02), (0.0, 0.04), (1e9, 0.04)])
def test_a_length_that_cannot_be_is_the_usual_one(length, rate, usual):
    assert run([0], [length], rate)[1].last_length == usual
