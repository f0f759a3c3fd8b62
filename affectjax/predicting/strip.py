"""A few small pictures of a video, for the strip under its player; seen in the same pass."""

import numpy as np

from affectjax.media.extractor import Frames

NAME = "affectjax.predicting.strip:Strip"
MODALITY = "strip"
RATE = 1.0  # pictures a second, while few
SIZE = 72, 128  # H, W
MOST = 64  # pictures that are kept


class Strip:
    """An extractor whose rows are pictures, uint8 [n, H, W, 3]."""

    name = "strip"
    settings = {"version": 1}
    weights = ""
    trained = True
    modalities = {MODALITY: 0}
    wants = {MODALITY: Frames(RATE, SIZE)}

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """uint8 [n, 1, H, W, 3] -> [n, H, W, 3]."""
        return window[:, 0]


class Kept:
    """Pictures as they come; when there are too many every second one goes."""

    def __init__(self):
        self.every, self.pictures = 1, []

    def push(self, first: int, rows: np.ndarray) -> None:
        """Rows [n, H, W, 3] from `first` on."""
        for row, picture in enumerate(rows, first):
            if row % self.every == 0:
                self.pictures.append((row, picture.copy()))
            if len(self.pictures) > MOST:
                self.every *= 2
                self.pictures = [p for p in self.pictures if p[0] % self.every == 0]

    def timed(self) -> list[tuple[float, np.ndarray]]:
        """(seconds, picture) of each."""
        return [((row + 0.5) / RATE, picture) for row, picture in self.pictures]
