"""Small real videos for the tests, made with real codecs: pictures that say which one they are."""

import pathlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from affectjax.media.extractor import Frames, Sound

STEP = 4  # grey levels from one picture to the next, so that a lossy codec cannot mix them up


def grey(index: int, size=(32, 48)) -> np.ndarray:
    """uint8 [3 H / 2, W] of yuv420p, the brightness of picture `index`."""
    height, width = size
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = 20 + STEP * (index % 54)
    return planes


def index_of(picture: np.ndarray) -> int:
    """Which of the `grey` pictures that RGB is."""
    level = picture.astype(np.float64).mean() / 255 * 219 + 16
    return round((level - 20) / STEP)


def write(
    path: str | pathlib.Path,
    times: Sequence[int | None] = tuple(range(0, 2000, 40)),
    sound: Sequence[tuple[int, np.ndarray]] | None = None,
    rate: int = 16_000,
    planes=grey,
    base: Fraction = Fraction(1, 1000),
    format: str | None = None,
    codec: str = "libx264",
    layout: str = "mono",
) -> pathlib.Path:
    """Pictures at `times` (in `base`) and pieces of sound (milliseconds, wave [S] or [C, S])."""
    import av

    path = pathlib.Path(path)
    with av.open(str(path), "w", format=format) as container:
        options = {"qp": "0", "preset": "ultrafast", "threads": "1"} if codec == "libx264" else {}
        picture = container.add_stream(codec, rate=25, options=options)
        first = planes(0)
        picture.width, picture.height = first.shape[1], first.shape[0] * 2 // 3
        picture.pix_fmt, picture.codec_context.time_base = "yuv420p", base
        heard = None
        if sound is not None:
            kinds = {".mkv": "pcm_s16le", ".avi": "pcm_s16le", ".webm": "libopus"}
            kind = kinds.get(path.suffix, "aac")
            heard = container.add_stream(kind, rate=rate, layout=layout)
        container.start_encoding()
        for place, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(planes(place), format="yuv420p")
            frame.pts, frame.time_base = time, base
            container.mux(picture.encode(frame))
        for start, wave in sound or ():
            wave = np.atleast_2d(wave)
            kind = heard.codec_context.format.name
            level = 32767 if kind == "s16" else 1
            data = wave if kind == "fltp" else wave.T.reshape(1, -1) * level
            data = np.rint(data) if kind == "s16" else data
            kinds = {"fltp": "f4", "flt": "f4", "s16": "i2"}
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(data.astype(kinds[kind])),
                format=kind, layout=layout,
            )  # fmt: skip
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate / 1000)
            container.mux(heard.encode(frame))
        container.mux(picture.encode(None))
        if heard is not None:
            container.mux(heard.encode(None))
    return path


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


class Keep:
    """An extractor that gives the windows themselves."""

    name = "keep"
    settings: dict = {}
    weights = ""
    trained = True

    def __init__(self, **wants: Frames | Sound):
        self.wants = wants
        self.modalities = {name: 1 for name in wants}

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        return window.copy()


def rows(path, chunk: int = 64, threads: int = 1, **wants):
    """({modality: all its rows}, facts) of a video."""
    from affectjax.media.extract import extract

    *chunks, facts = extract(path, [Keep(**wants)], chunk, threads)
    found: dict[str, list[np.ndarray]] = {}
    for part in chunks:
        parts = found.setdefault(part.modality, [])
        assert part.first == sum(map(len, parts)) and len(part.rows) <= chunk
        parts.append(part.rows)
    return {name: np.concatenate(parts) for name, parts in found.items()}, facts
