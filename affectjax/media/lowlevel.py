"""Features that need no weights: colour layout, motion and sound statistics of 16/30 of a second.

They have the names, widths and rates of the built-in sample, so that a model of the sample runs on
any video, and whoever has nothing but videos can go all the way. One row is a segment of 16
pictures, 30 a second, and the sound that belongs to it.

image  [32]: on a 4 x 4 grid the mean brightness, 0..1; on 2 rows x 4 columns the mean blue and then
    the mean red difference, around 0.
motion [48]: on a 4 x 4 grid how strongly brightness changes from picture to picture (root mean
    square, in grey levels); then how far the cell moves to the right, then down, in pixels of the
    48 x 64 picture from one picture to the next, by least squares on the gradients.
audio  [16]: loudness in decibels; 13 bands, equally wide on the mel scale, in decibels over the
    sum of them all; how much louder the second half is than the first; how much the loudness
    flutters within the segment, over its mean.
"""

import functools

import numpy as np

from affectjax.media.extractor import Frames, Sound

RATE = 30 / 16
SIZE = 48, 64  # H, W
FRAMES = 16
GRID = 4
SAMPLES = 16_000
SECONDS = 16 / 30
BANDS = 13
LOWEST, HIGHEST = 60.0, 7600.0  # Hz
BLOCK = 1024  # samples of a spectrum, every BLOCK / 2
PARTS = 32  # of a segment, for the flutter
FLOOR = 1e-8  # of the power: -80 dB
STIFF = 4.0  # squared grey levels: what a gradient must exceed to tell a direction
MARGIN = 1  # pixels at the edge of a cell that tell nothing of the cell alone


class Lowlevel:
    """The extractor; see the module for what the numbers are."""

    name = "lowlevel"
    settings = {"version": 1}
    weights = ""
    trained = True
    modalities = {"image": 32, "motion": 48, "audio": 16}
    wants = {
        "image": Frames(RATE, SIZE, FRAMES, fit="stretch"),
        "motion": Frames(RATE, SIZE, FRAMES, fit="stretch"),
        "audio": Sound(RATE, SECONDS, SAMPLES),
    }

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """Windows [n, ...] -> float32 [n, D]."""
        work = {"image": image, "motion": motion, "audio": audio}[modality]
        return np.stack([work(row) for row in window])


def image(frames: np.ndarray) -> np.ndarray:
    """uint8 [F, H, W, 3] -> float32 [32]."""
    total = np.add.reduce(frames, axis=0, dtype=np.uint16)
    height, width = total.shape[:2]
    cells = total.reshape(GRID, height // GRID, GRID, width // GRID, 3).mean((1, 3), np.float32)
    red, green, blue = np.moveaxis(cells / (255 * len(frames)), -1, 0)
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    cool, warm = (
        d.reshape(2, GRID // 2, GRID).mean(1)
        for d in ((blue - bright) / 1.772, (red - bright) / 1.402)
    )
    return np.concatenate([bright.ravel(), cool.ravel(), warm.ravel()]).astype(np.float32)


def motion(frames: np.ndarray) -> np.ndarray:
    """uint8 [F, H, W, 3] -> float32 [48]."""
    grey = brightness(frames)
    change = grey[1:, 1:-1, 1:-1] - grey[:-1, 1:-1, 1:-1]
    middle = (grey[1:] + grey[:-1]) * np.float32(0.5)
    right = (middle[:, 1:-1, 2:] - middle[:, 1:-1, :-2]) * np.float32(0.5)
    down = (middle[:, 2:, 1:-1] - middle[:, :-2, 1:-1]) * np.float32(0.5)
    pairs = (
        (change, change), (right, right), (down, down),
        (right, down), (right, change), (down, change),
    )  # fmt: skip
    products = np.stack([np.einsum("fhw,fhw->hw", *pair) for pair in pairs])
    tt, xx, yy, xy, xt, yt = _cells(products / np.float32(len(change)))
    xx, yy = xx + STIFF, yy + STIFF
    under = xx * yy - xy * xy
    across, along = (xy * yt - yy * xt) / under, (xy * xt - xx * yt) / under
    found = np.stack([np.sqrt(tt), across, along])
    return found.reshape(-1).astype(np.float32)


def brightness(frames: np.ndarray) -> np.ndarray:
    """uint8 [F, H, W, 3] -> float32 [F, H, W] grey levels."""
    return frames.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _cells(inside: np.ndarray) -> np.ndarray:
    """[n, H - 2, W - 2] -> [n, 4, 4], the mean of each cell without its edge."""
    padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))  # what is padded is an edge
    count, height, width = padded.shape
    cells = padded.reshape(count, GRID, height // GRID, GRID, width // GRID)
    return cells[:, :, MARGIN:-MARGIN, :, MARGIN:-MARGIN].mean((2, 4))


def audio(wave: np.ndarray) -> np.ndarray:
    """float32 [S] -> float32 [16]."""
    power = np.mean(np.square(wave), dtype=np.float64)
    starts = np.arange(0, max(1, len(wave) - BLOCK + 1), BLOCK // 2)
    blocks = wave[starts[:, None] + np.arange(BLOCK)] * np.hanning(BLOCK).astype(np.float32)
    spectrum = np.square(np.abs(np.fft.rfft(blocks))).mean(0) / (BLOCK * BLOCK)
    band = np.add.reduceat(spectrum, edges()[:-1])
    band[-1] = spectrum[edges()[-2] : edges()[-1]].sum()  # reduceat runs on to the end
    share = (band + FLOOR / BANDS) / (band.sum() + FLOOR)
    halves = np.square(wave[: len(wave) // 2 * 2]).reshape(2, -1).mean(1) + FLOOR
    parts = np.square(wave[: len(wave) // PARTS * PARTS]).reshape(PARTS, -1).mean(1)
    level = np.sqrt(parts)
    place = np.linspace(-1, 1, PARTS)
    trend = level.mean() + place * (level @ place) / (place @ place)
    flutter = np.sqrt(np.square(level - trend).mean()) / (level.mean() + FLOOR**0.5)
    return np.concatenate(
        [
            [10 * np.log10(power + FLOOR)],
            10 * np.log10(share),
            [10 * np.log10(halves[1] / halves[0]), flutter],
        ]
    ).astype(np.float32)


@functools.cache
def edges() -> np.ndarray:
    """int [BANDS + 1]: the first bin of each band's spectrum, and the end of the last."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    hertz = 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2595) - 1)
    return np.round(hertz * BLOCK / SAMPLES).astype(int)
