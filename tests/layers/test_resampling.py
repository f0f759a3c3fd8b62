"""Frames of kept segments joined, divided anew and sampled, against a plain loop."""

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from affectjax.layers import resampling


def by_hand(kept, start, frames, length):
    """Lists and loops for one video: the numbers of T snippets, or None where nothing is kept."""
    line = [t * frames + i for t, keep in enumerate(kept) if keep for i in range(frames)]
    if not line:
        return None
    segments = len(kept)
    looped = list(line)
    while len(looped) < segments * length:
        looped += line
    total = max(len(line), segments * length)  # the last loop is cut off
    each = total // segments
    snippets = []
    for t in range(segments):
        own = looped[t * each : (t + 1) * each]
        first = min(int(np.float32(start[t]) * np.float32(each - length + 1)), each - length)
        snippets.append(own[first : first + length])
    return snippets


@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(0, 4), st.integers(0, 2**6 - 1),
    st.integers(0, 99),
)  # fmt: skip
def test_it_is_the_plain_loop(segments, length, more, mask, seed):
    frames = length + more
    kept = np.array([mask >> t & 1 for t in range(segments)], bool)
    start = np.random.default_rng(seed).random(segments).astype(np.float32)
    numbers, there = resampling.frame_numbers(kept[None], start[None], frames, length)
    want = by_hand(kept, start, frames, length)
    assert bool(there.all()) == bool(there.any()) == (want is not None)
    if want is not None:
        np.testing.assert_array_equal(numbers[0], want)


def test_the_whole_video_keeps_its_segments():
    kept, start = np.ones((1, 4), bool), np.full((1, 4), 0.5, np.float32)
    numbers, _ = resampling.frame_numbers(kept, start, 6, 2)
    assert numbers[0].tolist() == [[6 * t + 2, 6 * t + 3] for t in range(4)]


def test_pictures_are_those_of_their_numbers_and_carry_their_gradient():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(2, 3, 4, 2, 2, 1)).astype(np.float32)
    kept = np.array([[True, False, True], [False, True, False]])
    start = np.full((2, 3), 0.5, np.float32)
    found, there = resampling.resample(frames, kept, start, 2)
    numbers, _ = resampling.frame_numbers(kept, start, 4, 2)
    for b in range(2):
        np.testing.assert_array_equal(found[b], frames[b].reshape(12, 2, 2, 1)[numbers[b]])
    assert there.all()
    gradient = jax.grad(lambda x: resampling.resample(x, kept, start, 2)[0].sum())(frames)
    assert (np.abs(gradient).sum((2, 3, 4, 5)) > 0).tolist() == kept.tolist()
