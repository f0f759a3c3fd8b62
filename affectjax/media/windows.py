"""Windows around each row's centre, filled while a video streams by; no more is kept than needed.

Row i is centred on (i + 0.5) / rate seconds. Where a window reaches over the start or the end of
the video, the nearest picture is repeated, and sound is padded with zeros.
"""

import heapq
import math
from collections.abc import Callable, Iterator

import numpy as np

from affectjax.media.extractor import Frames, Sound

EPSILON = 1e-6  # seconds; a picture that starts at the wanted time is the wanted one


def rows_in(seconds: float, rate: float) -> int:
    """T: how many rows have their centre within so many seconds; at least one."""
    return max(1, math.ceil(seconds * rate - 0.5 - EPSILON))


class PictureWindows:
    """uint8 [n, F, H, W, 3] of one modality, in blocks of `chunk` rows (the last may be shorter).

    Pictures come in order, all of one size; each is asked for only if some window shows it.
    """

    def __init__(self, want: Frames, chunk: int):
        self.want, self.chunk = want, chunk
        self.offset = [(slot - (want.count - 1) / 2) * want.step for slot in range(want.count)]
        # What is filled next of each slot: (time, slot, row), the earliest first.
        self.due = [(self._time(slot, 0), slot, 0) for slot in range(want.count)]
        self.blocks: dict[int, np.ndarray] = {}
        self.first = self.whole = 0  # the row that the next block begins with, and whole rows
        self.picture: Callable[[], np.ndarray] | None = None

    def _time(self, slot: int, row: int) -> float:
        return (row + 0.5) / self.want.rate + self.offset[slot]

    def push(self, end: float, picture: Callable[[], np.ndarray]) -> Iterator[np.ndarray]:
        """The next picture, seen until `end`: it fills the slots whose time lies before that."""
        self.picture = picture
        while self.due[0][0] < end - EPSILON:
            self._fill()
            if self.whole >= self.first + self.chunk:
                yield self._take(self.chunk)

    def finish(self, end: float) -> Iterator[np.ndarray]:
        """The stream is over: the last picture fills what is still open in rows before `end`."""
        rows = rows_in(end, self.want.rate)
        while self.first < rows:
            count = min(rows - self.first, self.chunk)
            while self.whole < self.first + count:
                self._fill()
            yield self._take(count)

    def _fill(self) -> None:
        """Fill the slot that is due with the latest picture."""
        _, slot, row = self.due[0]
        block, place = divmod(row, self.chunk)
        picture = self.picture()
        if block not in self.blocks:
            shape = (self.chunk, self.want.count, *picture.shape)
            self.blocks[block] = np.empty(shape, np.uint8)
        self.blocks[block][place, slot] = picture
        heapq.heapreplace(self.due, (self._time(slot, row + 1), slot, row + 1))
        # The last slot of a row has its latest time; slots of one time go by their number.
        self.whole += slot == self.want.count - 1

    def _take(self, rows: int) -> np.ndarray:
        block = self.blocks.pop(self.first // self.chunk)
        self.first += rows
        return block[:rows]


class SoundWindows:
    """float32 [n, S] of one modality, in blocks of `chunk` rows (the last may be shorter)."""

    def __init__(self, want: Sound, chunk: int):
        self.want, self.chunk = want, chunk
        self.size = round(want.seconds * want.samples)  # S
        self.next = 0  # the row that comes next
        before = max(0, -self._start(0))
        self.begin = -before  # place of the first sample that is kept
        self.pieces, self.held = [np.zeros(before, np.float32)], before

    def _start(self, row: int) -> int:
        return round((row + 0.5) / self.want.rate * self.want.samples - self.size / 2)

    def push(self, wave: np.ndarray) -> Iterator[np.ndarray]:
        """The next samples, float32 [S], at the wanted rate."""
        self.pieces.append(wave)
        self.held += len(wave)
        while self.begin + self.held >= self._start(self.next + self.chunk - 1) + self.size:
            yield self._take(self.chunk)

    def finish(self, end: float) -> Iterator[np.ndarray]:
        """The stream is over at `end` seconds: zeros fill what the last windows lack."""
        rows = rows_in(end, self.want.rate)
        while rows > self.next:
            count = min(self.chunk, rows - self.next)
            lacking = self._start(self.next + count - 1) + self.size - self.begin - self.held
            if lacking > 0:
                self.pieces.append(np.zeros(lacking, np.float32))
                self.held += lacking
            yield self._take(count)

    def _take(self, rows: int) -> np.ndarray:
        wave = np.concatenate(self.pieces)
        starts = np.array([self._start(self.next + i) for i in range(rows)]) - self.begin
        found = wave[starts[:, None] + np.arange(self.size)]
        self.next += rows
        spent = min(max(0, self._start(self.next) - self.begin), len(wave))
        self.pieces, self.held = [wave[spent:].copy()], len(wave) - spent
        self.begin += spent
        return found
