"""Features of the sample drawn as pictures and played as sound, in an .mp4 file.

What is drawn is what the `lowlevel` extractor measures: brightness and colour of cells, textures
that drift, cells that shimmer, and tones in bands. So extraction gives the features back, up to a
scale and what the codecs lose. No jax here: it runs in workers.
"""

import functools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from affectjax import files
from affectjax.data.sample_world import SEGMENT_SECONDS
from affectjax.media import lowlevel

GRID = lowlevel.GRID
HEIGHT, WIDTH = 2 * lowlevel.SIZE[0], 2 * lowlevel.SIZE[1]
FRAMES, FRAME_RATE = lowlevel.FRAMES, 30
LOUDEST_FEATURE = 4.0  # features have deviation 1; what lies beyond is cut

# Pictures: middle and change for one unit of a feature, in the units that stand beside.
BRIGHT = 128.0, 11.0  # grey levels
COLOUR = 128.0, 8.0  # levels of a colour difference
CHANGE = 13.0, 2.4  # grey levels from picture to picture, root mean square
DRIFT = 0.0, 0.16  # pixels of this picture from one to the next
TEXTURE = 10.0  # grey levels
WAVES = 2  # of the texture in a cell, each way

# Sound.
SAMPLES = 24_000  # a second; a segment is a whole number of them
LOUDNESS = -26.0, 1.5  # decibels
BAND = 0.0, 2.0  # decibels of one band
RISE = 0.0, 1.5  # decibels from the first half of a segment to the second
FLUTTER = 0.40, 0.09  # share by which the level swings
FLUTTER_WAVES = 6  # in a segment
TONES = 3  # a band

VERSION = 1  # of all that is written above: other numbers, other videos
VIDEO = {"preset": "superfast", "crf": "24", "threads": "1", "g": "60"}
SOUND_BITS = 96_000


def scaled(feature: np.ndarray, law: tuple[float, float]) -> np.ndarray:
    """Clipped features as positions on a law (centre, width)."""
    return law[0] + law[1] * np.clip(feature, -LOUDEST_FEATURE, LOUDEST_FEATURE)


class Painter:
    """Draws segment after segment; the textures move on where they stood."""

    def __init__(self):
        self.phase = np.zeros((2, GRID, GRID))  # of the textures across and along, radians

    def __call__(self, image: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Features [32] and [48] of a segment -> uint8 [F, 3 H / 2, W], planes of yuv420p."""
        cell = HEIGHT // GRID, WIDTH // GRID
        change, across, along = motion.reshape(3, GRID, GRID)
        pace = 2 * np.pi * WAVES / np.array([cell[1], cell[0]])  # radians a pixel
        step = np.stack([scaled(across, DRIFT), scaled(along, DRIFT)]) * pace[:, None, None]
        phase = self.phase + step * np.arange(1, FRAMES + 1)[:, None, None, None]  # [F, 2, 4, 4]
        self.phase = phase[-1] % (2 * np.pi)
        # What the drift itself changes from picture to picture, the shimmer need not.
        moved = 2 * np.square(TEXTURE * np.sin(step / 2)).sum(0)
        left = np.square(scaled(change, CHANGE)) - moved
        shimmer = np.sqrt(np.maximum(left, 0)) / 2 * CHECKER
        flat = scaled(image[:16].reshape(GRID, GRID), BRIGHT)
        level = flat + shimmer * (-1.0) ** np.arange(FRAMES)[:, None, None]  # [F, 4, 4]
        x = np.arange(cell[1]) * pace[0]
        y = np.arange(cell[0]) * pace[1]
        wide = TEXTURE * np.sin(x - phase[:, 0, :, :, None])  # [F, 4, 4, w]
        tall = TEXTURE * np.sin(y - phase[:, 1, :, :, None])  # [F, 4, 4, h]
        grey = (level[..., None] + wide)[:, :, None] + tall.transpose(0, 1, 3, 2)[..., None]
        planes = np.empty((FRAMES, HEIGHT * 3 // 2, WIDTH), np.uint8)
        planes[:, :HEIGHT] = np.clip(np.rint(grey), 16, 235).reshape(FRAMES, HEIGHT, WIDTH)
        colour = np.rint(scaled(image[16:].reshape(2, 2, GRID), COLOUR))
        for plane, cells in enumerate(colour):
            full = cells.repeat(HEIGHT // 4, 0).repeat(WIDTH // 2 // GRID, 1)
            first = HEIGHT + plane * HEIGHT // 4
            planes[:, first : first + HEIGHT // 4] = full.reshape(HEIGHT // 4, WIDTH)
        return planes


CHECKER = (-1.0) ** np.add.outer(np.arange(GRID), np.arange(GRID))  # neighbours shimmer in turn


class Player:
    """Plays segment after segment; levels glide where segments meet."""

    def __init__(self):
        self.count = round(SEGMENT_SECONDS * SAMPLES)

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """Features [16] of a segment -> float32 [S]."""
        place = (np.arange(self.count) + 0.5) / self.count
        gain = 10 ** (scaled(audio[1:14], BAND) / 20)
        wave = gain.astype(np.float32) @ tones()
        rise = scaled(audio[14], RISE) * np.clip((place - 0.5) * 8, -0.5, 0.5)
        swing = 1 + scaled(audio[15], FLUTTER) * np.sin(2 * np.pi * FLUTTER_WAVES * place)
        wave = wave * (10 ** (rise / 20) * swing)
        level = np.sqrt(np.mean(np.square(wave)))
        wave *= 10 ** (scaled(audio[0], LOUDNESS) / 20) / level
        return np.clip(wave, -1, 1).astype(np.float32)


@functools.cache
def tones() -> np.ndarray:
    """float32 [bands, S]: tones of each band that repeat from segment to segment without a seam."""
    count = round(SEGMENT_SECONDS * SAMPLES)
    bins = lowlevel.edges() * lowlevel.SAMPLES / lowlevel.BLOCK  # Hz
    found = np.zeros((lowlevel.BANDS, count), np.float32)
    time = np.arange(count) / count
    turn = 0.0
    for band, (low, high) in enumerate(zip(bins[:-1], bins[1:])):
        for tone in range(TONES):
            hertz = low + (high - low) * (0.25 + 0.5 * tone / (TONES - 1))
            cycles = round(hertz * SEGMENT_SECONDS)
            turn += 0.381966  # phases far from each other
            found[band] += np.sin(2 * np.pi * (cycles * time + turn)).astype(np.float32)
    return found / np.float32(np.sqrt(TONES / 2))


def film(clips: Sequence[dict[str, np.ndarray]], path: str | pathlib.Path) -> None:
    """Clips {modality: [T, D]} one after the other -> an .mp4 file, H.264 and AAC."""
    import av

    paint, play = Painter(), Player()
    with av.open(str(path), "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=FRAME_RATE, options=VIDEO)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SAMPLES, layout="mono")
        sound.bit_rate = SOUND_BITS
        segment = 0
        for clip in clips:
            rows = zip(*(clip[name].astype(np.float64) for name in ("image", "motion", "audio")))
            for image, motion, audio in rows:
                for place, planes in enumerate(paint(image, motion)):
                    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                    frame.pts = segment * FRAMES + place
                    container.mux(picture.encode(frame))
                wave = play(audio)
                frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = SAMPLES, segment * len(wave)
                container.mux(sound.encode(frame))
                segment += 1
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))


def source(item: tuple) -> str:
    """(path, features of its clips, comments) -> the path, once both files stand whole."""
    path, features, xml = item
    path = pathlib.Path(path)
    part = path.with_name(f".{path.name}.part")
    film(features, part)
    files.put(path.with_suffix(".xml"), xml)
    os.replace(part, path)  # last: a video that stands has its comments
    return str(path)
