"""Pictures kept as JPEG, at a steady rate: for records from which a network learns by itself.

The extractor `frames` makes no features: its pictures stand in the record's own entry `frames`.
Nothing is cut off, the short side has `side` pixels, so training can choose its own cut.
"""

import io

import numpy as np

from affectjax.media.extractor import Frames, check_count, check_rate


class Pictures:
    """The extractor `frames`: picture i is the one seen (i + 0.5) / rate seconds into the video."""

    name = "frames"
    weights = ""
    trained = True
    entry = True
    modalities = {"frames": 0}

    def __init__(self, side: int = 112, rate: float = 30.0, quality: int = 90):
        check_count(self.name, "side", side, 8)
        check_count(self.name, "quality", quality, 1, 95)
        check_rate(self.name, rate)
        self.settings = {"version": 1, "side": side, "rate": float(rate), "quality": quality}
        self.wants = {"frames": Frames(float(rate), (side, side), fit="short")}

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """uint8 [n, 1, H, W, 3] -> JPEG bytes [n]."""
        found = np.empty(len(window), object)
        found[:] = [jpeg(row[0], self.settings["quality"]) for row in window]
        return found

    def gather(self, modality: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """JPEG bytes [n] of a whole video -> arrays that an item can hold; see `parted`."""
        sizes = np.array([len(blob) for blob in rows], np.int64)
        return {"frames": np.frombuffer(b"".join(rows), np.uint8), "frames_size": sizes}


def parted(arrays: dict[str, np.ndarray]) -> list[bytes]:
    """What `gather` put together, picture by picture."""
    whole, ends = arrays["frames"].tobytes(), np.cumsum(arrays["frames_size"])
    return [whole[end - size : end] for end, size in zip(ends, arrays["frames_size"])]


def jpeg(picture: np.ndarray, quality: int) -> bytes:
    """uint8 [H, W, 3] -> JPEG bytes."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()
