"""Windows that stream against windows cut from all the pictures and samples at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from affectjax.media.extractor import Frames, Sound
from affectjax.media.windows import PictureWindows, SoundWindows, rows_in

SIZE = (1, 2)
RATES = st.sampled_from([1.0, 30 / 16, 0.3, 12.5])


def seen_at(time: float, starts: list[float]) -> int:
    """The picture on the screen: the last that has started, or the first."""
    found = 0
    for place, start in enumerate(starts):
        if start <= time + 1e-6:
            found = place
    return found


@given(
    lengths=st.lists(st.integers(1, 900), min_size=1, max_size=60),
    rate=RATES,
    count=st.sampled_from([1, 2, 5, 16]),
    step=st.sampled_from([1 / 30, 0.2, 0.04]),
    chunk=st.integers(1, 7),
)
def test_pictures_as_a_plain_search_finds_them(lengths, rate, count, step, chunk):
    edges = np.cumsum([0, *lengths]) / 1000
    windows = PictureWindows(Frames(rate, SIZE, count, step), chunk)
    asked, blocks = [], []
    for place in range(len(lengths)):

        def picture(place=place):
            asked.append(place)
            return np.full((*SIZE, 3), place, np.uint8)

        blocks += list(windows.push(edges[place + 1], picture))
    blocks += list(windows.finish(edges[-1]))
    assert all(len(block) == chunk for block in blocks[:-1])
    found = np.concatenate(blocks)
    total = rows_in(edges[-1], rate)
    assert found.shape == (total, count, *SIZE, 3)
    for row in range(total):
        for slot in range(count):
            time = (row + 0.5) / rate + (slot - (count - 1) / 2) * step
            assert (found[row, slot] == seen_at(time, list(edges[:-1]))).all()
    assert not windows.blocks or max(windows.blocks) * chunk >= total  # nothing was forgotten


def test_a_picture_that_no_window_shows_is_not_asked_for():
    windows = PictureWindows(Frames(1.0, SIZE), 4)
    asked = []
    for place in range(100):  # 10 s, 10 pictures a second
        windows_made = windows.push(
            (place + 1) / 10, lambda place=place: asked.append(place) or np.zeros((*SIZE, 3))
        )
        assert sum(1 for _ in windows_made) <= 1
    list(windows.finish(10.0))
    assert asked == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]


@given(
    pieces=st.lists(st.integers(1, 4000), min_size=1, max_size=20),
    rate=RATES,
    seconds=st.sampled_from([0.01, 16 / 30, 0.96, 3.0]),
    chunk=st.integers(1, 5),
)
def test_sound_as_one_padded_line_gives_it(pieces, rate, seconds, chunk):
    samples = 1000
    total = sum(pieces)
    wave = np.arange(1, total + 1, dtype=np.float32)
    windows, blocks, first = SoundWindows(Sound(rate, seconds, samples), chunk), [], 0
    for length in pieces:
        blocks += list(windows.push(wave[first : first + length]))
        first += length
        assert windows.held <= (chunk / rate + seconds) * samples + max(pieces) + samples
    blocks += list(windows.finish(total / samples))
    found = np.concatenate(blocks)
    assert found.shape == (rows_in(total / samples, rate), round(seconds * samples))
    for row, window in enumerate(found):
        start = round((row + 0.5) / rate * samples - round(seconds * samples) / 2)
        for place in range(0, len(window), 7):
            at = start + place
            assert window[place] == (wave[at] if 0 <= at < total else 0)


def test_rows_have_their_centre_within():
    assert [rows_in(s, 1.0) for s in (0.0, 0.2, 0.5, 0.51, 1.5, 1.6, 100)] == [
        1,
        1,
        1,
        1,
        1,
        2,
        100,
    ]
    for segments in range(1, 200):  # of the sample's clips, each whole
        assert rows_in(segments * 16 / 30, 30 / 16) == segments
