"""A video file read once, in order: pictures and sound with times from the first picture on.

Files lie about themselves. Times that are missing, repeated or run backwards are mended here, and
what was mended is counted in the notes, so that all that follows sees each picture once, from its
start to its end, in order.
"""

import collections
import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from affectjax.media.clock import USUAL_RATE, Clock
from affectjax.media.facts import Facts, MediaError, told
from affectjax.media.sound import mono

ENOUGH = 0.95  # of the stated duration; a file that ends before was cut off
LONGEST = 24 * 3600.0  # seconds; whatever comes later is left out
MOST_PIXELS = 2**26  # twice as many as 8K has
EARLY_SOUND = 30.0  # seconds of sound that wait for the first picture

# Only what holds video: others (play lists, subtitles, pictures, text as art) open other files, or
# make a film of anything.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,asf,ogg,rm,"
    "nut,mxf,ivf,dv,gif,obu,av1,wtv,yuv4mpegpipe,vc1"
)


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture and the time [start, end) in which it is seen."""

    start: float
    end: float
    frame: Any  # av.VideoFrame, neither scaled nor turned
    shape: float = 1.0  # width of a stored pixel over its height


@dataclasses.dataclass(frozen=True)
class Samples:
    """A piece of the sound track, mixed to one channel."""

    start: float
    rate: int
    wave: np.ndarray  # float32 [S]


@contextlib.contextmanager
def opened(path: str | pathlib.Path) -> Iterator[tuple[Any, Any, Any]]:
    """(container, picture stream, sound stream or None) of a file that has pictures."""
    import av

    path = pathlib.Path(path)
    if not path.exists():
        raise MediaError("There is no such file", str(path))
    if not path.is_file():  # opening a pipe or a device may never end
        raise MediaError("This is no regular file", str(path))
    if not path.stat().st_size:
        raise MediaError("The file is empty", str(path))
    av.logging.set_level(av.logging.PANIC)  # what is wrong is counted in the notes
    rules = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    # Tags are often in some older code page; from version 19 on, PyAV replaces what it cannot read.
    lenient = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    try:
        container = av.open(f"file:{path.absolute()}", container_options=rules, **lenient)
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"This is no video that can be read: {_words(error)}", str(path)
        ) from error
    with container:
        yield container, *_streams(container, path)


def _streams(container, path):
    """The default picture, of several the largest, and the sound that goes with it."""
    import av

    cover, default = av.stream.Disposition.attached_pic, av.stream.Disposition.default
    moving = [s for s in container.streams.video if not s.disposition & cover]
    if not moving:
        raise MediaError("The file holds no video", str(path))
    known = [s for s in moving if s.codec_context is not None]
    if not known:
        raise MediaError("The codec of the pictures is not known", str(path))

    def worth(stream):
        context = stream.codec_context
        return bool(stream.disposition & default), context.width * context.height, -stream.index

    picture = max(known, key=worth)
    context = picture.codec_context
    if context.width * context.height > MOST_PIXELS:
        what = f"Pictures of {context.width} x {context.height} are larger than can be"
        raise MediaError(what, str(path))
    sound = container.streams.best("audio", related=picture) if container.streams.audio else None
    if sound is not None and sound.codec_context is None:
        sound = None
    return picture, sound


def decode(
    path: str | pathlib.Path, facts: Facts, threads: int = 1, listen: bool = True
) -> Iterator[Picture | Samples]:
    """Pictures and samples as they stand in the file; fills `facts` on the way.

    Threads make one file faster; a damaged file may then decode differently from run to run.
    """
    with opened(path) as (container, picture, sound):
        facts.has_sound, facts.stated = sound is not None, _stated(container, picture)
        picture.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        picture.codec_context.thread_count = threads
        picture.codec_context.thread_type = "AUTO"
        streams = [picture] + ([sound] if listen and sound is not None else [])
        wrong: collections.Counter[str] = collections.Counter()
        shape, base = _shape(picture), float(picture.time_base or 0)
        clock = Clock(float(picture.average_rate or USUAL_RATE), wrong, facts.stated)
        early: list[Samples] = []
        zero = None  # the stamp of time 0; where the pictures' clock jumps, the sound's own will
        held = None  # until the next picture's start tells this one's end
        for frame in _frames(container, streams, wrong):
            if hasattr(frame, "samples"):
                heard = _samples(frame, early)
                if heard is None:
                    continue
                early.append(heard)
                if clock.origin is None and _length(early) > EARLY_SOUND:
                    clock.origin = float((picture.start_time or 0) * picture.time_base)
            else:
                start = clock.start(frame.pts, frame.duration, base)
                if start is None:
                    continue
                if start > LONGEST:
                    facts.notes.append("longer than a day: the rest is left out")
                    break
                if held is None:
                    _appearance(facts, frame, shape)
                else:
                    yield Picture(held[0], start, held[1], shape)
                facts.frames += 1
                wrong["pictures marked as damaged"] += bool(frame.is_corrupt)
                held = start, frame
            if zero is None:
                zero = clock.origin
            if zero is not None and early:
                waiting, early = early, []
                for piece in waiting:
                    yield dataclasses.replace(piece, start=piece.start - zero)
        if held is None:
            facts.notes += told(wrong)
            raise MediaError("; ".join(["Not one picture can be decoded", *facts.notes]), str(path))
        facts.duration = held[0] + clock.last_length
        facts.frame_rate = facts.frames / facts.duration
        yield Picture(held[0], facts.duration, held[1], shape)
        facts.notes += told(wrong)
        if facts.duration < ENOUGH * facts.stated - 0.1:
            stated = f"{facts.stated:.2f} seconds that it states"
            facts.notes.append(f"ends after {facts.duration:.2f} of the {stated}")


def _frames(container, streams, wrong) -> Iterator[Any]:
    """Frames of all streams as they come; what cannot be decoded is counted and passed over."""
    import av

    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, ValueError):
            wrong["breaks off, or cannot be read to its end"] += 1
            packet = None
        if packet is None:
            break
        try:
            yield from packet.decode()
        except (av.error.FFmpegError, ValueError):
            wrong[f"packets of {packet.stream.type} that cannot be decoded"] += 1
    for stream in streams:  # what the decoders still hold, where the file broke off
        try:
            yield from stream.codec_context.decode(None)
        except (av.error.FFmpegError, ValueError):
            continue  # it was flushed by the reader


def _samples(frame, waiting: list[Samples]) -> Samples | None:
    if not frame.samples or not frame.sample_rate:
        return None
    start = frame.time
    if start is None and waiting:
        start = waiting[-1].start + len(waiting[-1].wave) / waiting[-1].rate
    elif start is None:
        start = float("nan")  # follows what came before
    return Samples(start, frame.sample_rate, mono(frame))


def _length(pieces: list[Samples]) -> float:
    return sum(len(piece.wave) / piece.rate for piece in pieces)


def _shape(stream) -> float:
    ratio = float(stream.sample_aspect_ratio or 1)
    return ratio if 0.1 <= ratio <= 10 else 1.0


def _appearance(facts: Facts, frame, shape: float) -> None:
    facts.rotation = frame.rotation
    facts.width, facts.height = shown(frame, shape)


def shown(frame, shape: float) -> tuple[int, int]:
    """Width and height of a picture as people see it: square pixels, upright."""
    width, height = max(1, round(frame.width * shape)), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


def probe(path: str | pathlib.Path) -> Facts:
    """What the file says of itself; only its first picture is decoded."""
    with opened(path) as (container, picture, sound):
        context = picture.codec_context
        context.options = {"max_pixels": str(MOST_PIXELS)}
        rate = float(picture.average_rate or 0)
        duration = _stated(container, picture)
        facts = Facts(duration, rate, context.width, context.height, has_sound=sound is not None)
        facts.stated = duration
        facts.frames = picture.frames or round(duration * rate)
        for frame in _frames(container, [picture], collections.Counter()):
            _appearance(facts, frame, _shape(picture))
            return facts
        raise MediaError("Not one picture can be decoded", str(path))


def _stated(container, picture) -> float:
    """The duration that the header states, 0 where it states none."""
    import av

    if picture.duration:
        return max(0.0, float(picture.duration * picture.time_base))
    return max(0.0, (container.duration or 0) / av.time_base)


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
