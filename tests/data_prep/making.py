"""Small videos, comment files and extractors for the tests of the builds; workers import it too."""

import os
import pathlib
import signal
import time
from collections.abc import Iterable

import numpy as np

from affectjax.media.extractor import Frames, Sound

WORDS = "happy sad angry scary sweet wow".split()
EXTRACTOR = "tests.data_prep.making:Tiny"
SLOW = "tests.data_prep.making:Slow"


class Tiny:
    """Three numbers of a picture, made in two steps, and two of the sound."""

    name = "tiny"
    weights = ""
    trained = True
    modalities = {"look": 3, "hear": 2}
    wants = {"look": Frames(2.0, (4, 6)), "hear": Sound(1.0, 1.0, 8_000)}

    def __init__(self, scale: float = 1.0, trained: bool = True):
        self.settings, self.trained = {"scale": scale}, trained
        self.shapes = set()

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        if modality == "hear":
            return np.stack([window.mean(1), window.std(1)], 1)
        return window[:, 0]

    def embed(self, modality: str, rows: np.ndarray) -> np.ndarray:
        if modality == "hear":
            return rows
        self.shapes.add(rows.shape)
        return rows.mean((1, 2), dtype=np.float32) / 255 * self.settings["scale"]


class Slow(Tiny):
    """As Tiny, and slow enough to be killed half-way."""

    name = "slow"

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        time.sleep(0.05)
        return super().prepare(modality, window)


class Broken(Tiny):
    """Fails as it is told to, and says in a file that it was asked."""

    name = "broken"

    def __init__(self, how: str, log: str):
        super().__init__()
        self.how, self.log = how, pathlib.Path(log)

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        with self.log.open("a") as file:
            file.write("asked\n")
        if self.how in signal.Signals.__members__:
            os.kill(os.getpid(), signal.Signals[self.how])
            time.sleep(60)
        raise {"OSError": OSError, "ValueError": ValueError}[self.how]("told to")


class Weighed(Tiny):
    """An extractor that takes weights."""

    name = "weighed"

    def __init__(self, weights: str = ""):
        super().__init__()
        self.weights, self.trained = weights, weights != "random"


def video(path: str | os.PathLike, seconds: float = 2.0, seed: int = 0, sound: bool = True):
    """A video of noise around a brightness that the seed gives, 10 pictures a second."""
    import av

    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        heard = file.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for _ in range(round(seconds * 10)):
            picture = rng.normal(60 + 20 * (seed % 8), 8, (32, 48, 3)).clip(0, 255)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")))
        file.mux(stream.encode())
        if heard is not None:
            wave = rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
            for first in range(0, len(wave), 1024):
                piece = av.AudioFrame.from_ndarray(wave[None, first : first + 1024], "fltp", "mono")
                piece.sample_rate, piece.pts = 16_000, first
                file.mux(heard.encode(piece))
            file.mux(heard.encode())
    return path


def comments(path: str | os.PathLike, times: Iterable[float], seed: int = 0) -> pathlib.Path:
    """A comment file as Bilibili writes it: at each time three words, an emotional one first.

    The last word differs from one to the next, so that none is a copy.
    """
    rng = np.random.default_rng(seed)
    rows = [
        f"<d p='{time:.3f},1,25,16777215,0,0,0,{i}'>{WORDS[rng.integers(6)]} scene "
        f"{'abcdefghijklmnopqrstuvwxyz'[i % 26]}</d>"
        for i, time in enumerate(times)
    ]
    path = pathlib.Path(path)
    path.write_text("<?xml version='1.0' encoding='UTF-8'?>\n<i>" + "\n".join(rows) + "</i>")
    return path


def same_files(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two folders hold the same names with the same bytes."""
    names = [sorted(p.relative_to(d) for p in d.rglob("*") if p.is_file()) for d in (one, other)]
    return names[0] == names[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names[0]
    )
