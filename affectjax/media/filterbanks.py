"""Log mel filter banks as Kaldi has them, which the released CTEN hears instead of MFCC.

Blocks of 25 ms every 10 ms, each without its mean, pre-emphasised, under a Hann window; triangles
between 20 Hz and half the rate on the scale 1127 ln(1 + f / 700). The rows are then shifted and
scaled by the numbers that the release keeps for them.
"""

import functools

import numpy as np

from affectjax.media.extractor import Sound, check_count

BLOCK, HOP = 0.025, 0.010  # seconds
PREEMPHASIS = 0.97
LOWEST = 20.0  # Hz
LEAST = float(np.finfo(np.float32).eps)  # of the energy of a band
MEAN, TWICE_DEVIATION = -6.6268077, 2 * 5.358466
RATE = 1 / HOP


class FilterBanks:
    """The extractor `filterbanks`, in the record's entry `mfcc`: a row for each hop."""

    name = "filterbanks"
    weights = ""
    trained = True
    entry = True

    def __init__(self, samples: int = 44_100, bands: int = 128):
        check_count(self.name, "samples", samples, 8000)
        check_count(self.name, "bands", bands)
        self.samples, self.bands = samples, bands
        self.settings = {"version": 1, "samples": samples, "bands": bands}
        self.modalities = {"mfcc": bands}
        # Row i is centred on (i + 0.5) hops; its block begins at i hops and is longer than that.
        self.wants = {"mfcc": Sound(RATE, 2 * BLOCK - HOP, samples)}

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """[n, S] -> float32 [n, bands]."""
        return banks(window[:, -round(BLOCK * self.samples) :], self.samples, self.bands)

    def gather(self, modality: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Rows [n, bands] -> the same, shifted and scaled."""
        if not len(rows):
            return {"mfcc": np.zeros((0, self.bands), np.float32)}
        return {"mfcc": ((rows - MEAN) / TWICE_DEVIATION).astype(np.float32)}


def banks(blocks: np.ndarray, samples: int, bands: int) -> np.ndarray:
    """[n, block] of so many samples a second -> float32 [n, bands], logarithms of the energies."""
    length = blocks.shape[1]
    flat = blocks.astype(np.float64) - blocks.mean(1, keepdims=True, dtype=np.float64)
    before = np.concatenate([flat[:, :1], flat[:, :-1]], 1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    size = 1 << (length - 1).bit_length()
    power = np.square(np.abs(np.fft.rfft((flat - PREEMPHASIS * before) * window, size)))
    energy = power[:, : size // 2] @ triangles(size, samples, bands).T
    return np.log(np.maximum(energy, LEAST)).astype(np.float32)


@functools.cache
def triangles(size: int, samples: int, bands: int) -> np.ndarray:
    """[bands, size / 2]: triangles on the mel scale, each reaching to its neighbours' tops."""
    corner = np.linspace(mel(LOWEST), mel(samples / 2), bands + 2)
    place = mel(np.arange(size // 2) * samples / size)
    rising = (place - corner[:-2, None]) / np.diff(corner)[:-1, None]
    falling = (corner[2:, None] - place) / np.diff(corner)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))


def mel(hertz):
    """Kaldi's mel of a frequency in hertz."""
    return 1127 * np.log1p(np.asarray(hertz) / 700)
