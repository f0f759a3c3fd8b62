"""The sound track as one line of samples: one channel, laid on the video's time, resampled.

Where the track has a hole it is silent, where pieces overlap the later one gives way, and what
comes before the first picture is left out.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from affectjax.media.clock import BACK, LONGEST_GAP, longest_gap

TOLERANCE = 0.05  # seconds that stamps may be off before they are believed
QUALITY = "HQ"  # that of librosa's own loading


KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def mono(frame: Any) -> np.ndarray:
    """float32 [S]: the mean of a decoded frame's channels, in -1..1."""
    kind = np.dtype(KINDS[frame.format.name.removesuffix("p")])
    channels = len(frame.layout.channels)
    inside = 1 if frame.format.is_planar else channels  # channels that one plane holds
    data = [np.frombuffer(plane, kind)[: frame.samples * inside] for plane in frame.planes]
    if inside > 1:
        data = list(data[0].reshape(-1, channels).T)
    wave = data[0].astype(np.float32)
    for other in data[1:]:
        wave += other
    if kind.kind == "u":
        wave -= np.float32(128 * channels)
    full = {"f": 1.0, "u": 128.0}.get(kind.kind) or -float(np.iinfo(kind).min)
    wave *= np.float32(1 / (full * channels))
    if not np.isfinite(wave.sum()):
        wave = np.nan_to_num(wave, nan=0.0, posinf=1.0, neginf=-1.0)
    return wave.clip(-1.0, 1.0)


class Track:
    """Pieces with their times -> one line of samples that starts at time 0, piece by piece."""

    def __init__(self, wrong):
        self.end = 0.0  # seconds, of what was laid so far
        self.shift = 0.0  # of a clock that jumped
        self.wrong = wrong

    def lay(
        self, start: float, rate: int, wave: np.ndarray, stated: float = 0.0
    ) -> Iterator[np.ndarray]:
        """float32 [S] at the track's own rate, each directly after the one before."""
        start = self.end if np.isnan(start) else start + self.shift
        if self.end and (start < self.end - BACK or start > self.end + longest_gap(start, stated)):
            self.wrong["jumps of the sound's clock, closed"] += 1
            self.shift += self.end - start
            start = self.end
        gap = start - self.end
        if self.end == 0.0 and start < 0:  # sound before the first picture
            wave = wave[min(len(wave), round(-start * rate)) :]
        elif gap > TOLERANCE or (self.end == 0.0 and gap > 0):
            self.wrong["holes in the sound, filled with silence"] += self.end > 0
            missing = round(min(gap, LONGEST_GAP) * rate)
            self.end += missing / rate
            for first in range(0, missing, rate):
                yield np.zeros(min(rate, missing - first), np.float32)
        elif gap < -TOLERANCE:
            self.wrong["pieces of sound that overlap"] += 1
            wave = wave[min(len(wave), round(-gap * rate)) :]
        if len(wave):
            self.end += len(wave) / rate
            yield wave


class Resampler:
    """From the track's rate to a wanted one; the track may change its rate on the way."""

    def __init__(self, wanted: int):
        self.wanted, self.rate, self.stream = wanted, None, None

    def push(self, wave: np.ndarray, rate: int) -> np.ndarray:
        """float32 [S] -> what is ready of float32 [S'] at the wanted rate."""
        before = self.finish() if rate != self.rate else None
        if rate != self.rate:
            self.rate, self.stream = rate, self._open(rate)
        found = wave if self.stream is None else self.stream.resample_chunk(wave)
        return found if before is None else np.concatenate([before, found])

    def finish(self) -> np.ndarray:
        """The samples that were still inside."""
        if self.stream is None:
            return np.zeros(0, np.float32)
        found = self.stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self.stream = None
        return found

    def _open(self, rate: int):
        if rate == self.wanted:
            return None
        import soxr

        return soxr.ResampleStream(rate, self.wanted, 1, dtype="float32", quality=QUALITY)
