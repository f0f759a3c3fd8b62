"""Windows laid on steps: against plain loops, and against the models' own intervals."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax import detection
from affectjax.errors import UserError
from affectjax.predicting import timeline
from affectjax.predicting.timeline import Track
from affectjax.predicting.windows import NEAR, Windows, chosen

SECONDS = st.floats(0.2, 500).map(lambda x: round(x, 2))


@given(SECONDS, SECONDS, st.floats(0.05, 1))
def test_windows_cover_a_video_and_stay_in_it(duration, seconds, part):
    windows = Windows(seconds, max(seconds * part, duration / 200))
    starts, length = windows.starts(duration), windows.length(duration)
    assert starts[0] == 0 and starts == sorted(set(starts))
    assert starts[-1] + length == pytest.approx(duration)
    assert np.diff(starts, append=starts[-1]).max() <= windows.stride + NEAR


@settings(max_examples=60)
@given(SECONDS, st.floats(0.3, 5), st.floats(0.1, 1), st.none() | st.integers(1, 9), st.integers(0))
def test_laying_is_what_plain_loops_do(duration, times, overlap, parts, seed):
    rng = np.random.default_rng(seed)
    windows = Windows(duration / times, duration / times * overlap)
    starts, length = windows.starts(duration), windows.length(duration)
    part = length / parts if parts else None
    edges = timeline.step_edges(duration, windows, starts, part)
    assert edges[0] == 0 and edges[-1] == duration and (np.diff(edges) > 0).all()
    shape = (len(starts), 2) if parts is None else (len(starts), parts, 2)
    raw = rng.normal(size=shape).astype(np.float32)
    found = timeline.lay({"x": raw}, edges, starts, length, part)["x"]
    for step, (a, b) in enumerate(zip(edges, edges[1:])):
        middle = (a + b) / 2
        if parts is None:
            far = [round(abs(start + length / 2 - middle), 6) for start in starts]
            wanted = raw[far.index(min(far))]
        else:
            inside = []
            for w, first in enumerate(starts):
                at = int(np.floor((middle - first) / part + NEAR))
                if 0 <= at < parts:
                    inside.append(raw[w, at])
            assert inside
            wanted = np.mean(inside, axis=0)
        np.testing.assert_allclose(found[step], wanted, rtol=1e-5, atol=1e-6)


MICRO = 1_000_000  # times are counted, so that two windows are often equally near


@settings(max_examples=300)
@given(st.integers(0, 150), st.integers(10_000, 9 * MICRO), st.sampled_from((1, 2, 3, 4, 8)),
       st.integers(-2, 2), st.integers(1, 60))  # fmt: skip
def test_the_nearest_window_is_the_first_of_the_nearest(strides, long, parts, odd, steps):
    windows = Windows(long / MICRO, long / parts / MICRO)
    # the last window may begin that close to the one before
    duration = (long + long * strides // parts + odd) / MICRO
    starts, length = windows.starts(duration), windows.length(duration)
    middle = np.array(starts) + length / 2
    for edges in (
        timeline.step_edges(duration, windows, starts, None),
        np.linspace(0, duration, steps + 1),
    ):
        far = np.abs(middle[None] - (edges[1:] + edges[:-1])[:, None] / 2).round(6)
        np.testing.assert_array_equal(timeline.nearest(edges, starts, length), far.argmin(1))


def test_a_long_film_takes_no_more_memory_than_its_steps():
    starts = np.arange(4000.0)
    tracemalloc.start()
    found = timeline.nearest(np.arange(4001.0), starts, 1.0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**21 and (found == starts).all()


@given(st.integers(1, 12), st.floats(0.1, 1), st.integers(0, 999))
def test_a_video_that_is_one_window_gives_the_intervals_of_the_metrics(parts, threshold, seed):
    rng = np.random.default_rng(seed)
    duration, chance = 10.0, rng.dirichlet(np.ones(3)).astype(np.float32)
    curve = rng.random(parts).astype(np.float32).round(2)
    windows = Windows(30.0, 4.0)
    part = duration / parts
    edges = timeline.step_edges(duration, windows, [0.0], part)
    raw = {"p": chance[None], "c": curve[None, :, None]}
    laid = timeline.lay(raw, edges, [0.0], duration, part)
    track = Track("classes", ("a", "b", "c"), laid["p"])
    found = timeline.attended(edges, laid["c"][:, 0], track, threshold)
    wanted = detection.intervals(curve[None], chance[None], [duration], threshold)
    assert [s.label for s in found] == ["abc"[one.label] for one in wanted]
    for one, other in zip(found, wanted):
        np.testing.assert_allclose(
            [one.start, one.end, one.score], [other.start, other.end, other.score], rtol=1e-5
        )


def test_where_the_leading_emotion_changes_a_segment_ends():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    track = Track("classes", ("joy", "fear"), scores)
    found = timeline.led(np.arange(5.0), track)
    assert [(s.start, s.end, s.label) for s in found] == [
        (0, 2, "joy"), (2, 3, "fear"), (3, 4, "joy"),
    ]  # fmt: skip
    assert found[0].score == pytest.approx(0.85)
    attention = np.array([0.0, 1.0, 0.5, 0.2], np.float32)
    found = timeline.attended(np.arange(5.0), attention, track, 0.5)
    assert [(s.start, s.end, s.label) for s in found] == [(1, 2, "joy"), (2, 3, "fear")]
    assert found[1].score == pytest.approx(0.35)


class Clips:
    """Examples that read 10 s at once."""

    segments, segment_seconds = 20, 0.5


class Snippets:
    """Examples that read a video of any length."""

    segments = 10


class Seconds:
    """Examples that read 60 s at once and tell every 5 s apart."""

    segments, segment_seconds, each = 60, 1.0, 5


@pytest.mark.parametrize(
    ("examples", "clip", "wanted", "stride"),
    [
        (Clips, 8.0, 8.0, 1.0),
        (Clips, 28.0, 10.0, 1.25),
        (Clips, None, 10.0, 1.25),
        (Snippets, 95.0, 95.0, 9.5),
        (Snippets, None, 30.0, 3.0),
        (Seconds, 80.0, 60.0, 10.0),
        (Seconds, 7.0, 7.0, 5.0),
    ],
)
def test_a_window_is_as_long_as_what_was_learned_from(examples, clip, wanted, stride):
    assert chosen(examples(), clip) == Windows(wanted, pytest.approx(stride))
    assert chosen(examples(), clip, 6.0, 2.5) == Windows(6.0, 2.5)
    assert chosen(examples(), clip, 6.0, 6.0) == Windows(6.0, 6.0)


def test_windows_with_holes_between_them_are_refused_with_the_largest_stride():
    with pytest.raises(UserError, match="there would be holes. Say --stride=6 at most"):
        chosen(Clips(), 8.0, 6.0, 20.0)
    with pytest.raises(UserError, match="Say --stride=27.777 at most"):
        chosen(Snippets(), 27.7777, None, 27.8)
    assert chosen(Snippets(), 27.7777, None, 27.777).stride == 27.777
