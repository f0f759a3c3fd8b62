"""One sequential pass over a video feeds every extractor; rows come out in chunks, in order."""

import collections
import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.media import workers as workers_lib
from affectjax.media.extractor import Extractor, Frames, Sound, resolve
from affectjax.media.facts import FEWEST_DECIBELS, Facts, MediaError, told
from affectjax.media.scaling import Scaler
from affectjax.media.sound import Resampler, Track
from affectjax.media.video import Picture, Samples, decode
from affectjax.media.windows import PictureWindows, SoundWindows

EARLY = 1.0  # seconds; a sound track that ends so long before the pictures is worth a note
MEMORY = 8 * 2**30  # bytes that a worker may reserve; pictures of 8K fit


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Rows of one modality from row `first` on, as `prepare` of the extractor gave them."""

    extractor: int  # its place among those that were asked for
    modality: str
    first: int
    rows: np.ndarray  # [n, ...]


def extract(
    path: str | pathlib.Path, extractors: Sequence[Extractor], chunk: int = 64, threads: int = 1
) -> Iterator[Chunk | Facts]:
    """Chunks of all modalities, and last the `Facts`.

    A video that breaks off gives what can be decoded, and a note. A modality of sound has no row
    where there is no sound track. Raises `MediaError` where there is no picture at all.
    """
    import av

    try:
        yield from _extract_all(path, extractors, chunk, threads)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:  # as of pictures of a kind that cannot be scaled
        raise MediaError(f"It cannot be read: {error.strerror}", str(path)) from error


def _extract_all(path, extractors, chunk: int, threads: int) -> Iterator[Chunk | Facts]:
    facts = Facts()
    wanted = [
        (place, modality, want)
        for place, extractor in enumerate(extractors)
        for modality, want in extractor.wants.items()
    ]
    seen = [Rows(extractors, *w, PictureWindows(w[2], chunk)) for w in wanted if _is(w, Frames)]
    heard = [Rows(extractors, *w, SoundWindows(w[2], chunk)) for w in wanted if _is(w, Sound)]
    watch, listen = Watch(seen), Listen(heard)
    for piece in decode(path, facts, threads, listen=bool(heard)):
        if isinstance(piece, Picture):
            yield from watch.push(piece)
        else:
            yield from listen.push(piece, facts.stated)
    yield from watch.finish(facts)
    if heard and facts.has_sound:
        yield from listen.finish(facts)
    yield facts


def extract_safely(
    paths: Iterable[str | pathlib.Path],
    extractors: Sequence[tuple[str, Mapping[str, Any]]],
    workers: int = 2,
    timeout: float = workers_lib.TIMEOUT,
    memory: int | None = MEMORY,
    chunk: int = 64,
) -> Iterator[tuple[Any, Chunk | Facts | workers_lib.Failure]]:
    """(path, piece) for every piece of every video in order, decoded in worker processes.

    Extractors go by name and options, as `resolve` takes them. The last piece of a video is its
    `Facts` or a `Failure`, which may come after some chunks: those are then not to be used.
    """
    named = json.dumps([(name, dict(options)) for name, options in extractors])
    function = functools.partial(_extract, named, chunk)
    yield from workers_lib.stream(paths, function, workers, timeout, memory)


def _extract(named: str, chunk: int, path) -> Iterator[Chunk | Facts]:
    yield from extract(path, _resolved(named), chunk)


@functools.cache
def _resolved(named: str) -> tuple[Extractor, ...]:
    return tuple(resolve(name, options) for name, options in json.loads(named))


def _is(wanted: tuple, kind: type) -> bool:
    return isinstance(wanted[2], kind)


class Rows:
    """One modality on its way: windows go in, chunks of rows come out."""

    def __init__(self, extractors, place: int, modality: str, want: Frames | Sound, windows):
        self.extractor, self.place, self.modality = extractors[place], place, modality
        self.want, self.windows, self.first = want, windows, 0

    def chunks(self, windows: Iterator[np.ndarray]) -> Iterator[Chunk]:
        """Prepared rows of some windows, numbered on from those before."""
        for window in windows:
            rows = self.extractor.prepare(self.modality, window)
            yield Chunk(self.place, self.modality, self.first, rows)
            self.first += len(window)


class Watch:
    """Pictures, scaled once for each form that is wanted, to all modalities that want it."""

    def __init__(self, rows: list[Rows]):
        self.rows = rows
        self.scalers: dict[tuple, Scaler] = {}

    def push(self, piece: Picture) -> Iterator[Chunk]:
        """Show a picture to every extractor; gives the rows that are now whole."""
        done: dict[tuple, np.ndarray] = {}
        for rows in self.rows:
            want = rows.want
            form = want.size, want.fit, want.scaling

            def picture(form=form, want=want, piece=piece):
                if form not in done:
                    if form not in self.scalers:
                        self.scalers[form] = Scaler(want, piece.shape)
                    done[form] = self.scalers[form](piece.frame)
                return done[form]

            yield from rows.chunks(rows.windows.push(piece.end, picture))

    def finish(self, facts: Facts) -> Iterator[Chunk]:
        """The last rows, once the length of the video is known."""
        for rows in self.rows:
            yield from rows.chunks(rows.windows.finish(facts.duration))


class Listen:
    """The sound track, resampled once for each rate that is wanted."""

    def __init__(self, rows: list[Rows]):
        self.rows = rows
        self.resamplers = {row.want.samples: Resampler(row.want.samples) for row in rows}
        self.wrong: collections.Counter[str] = collections.Counter()
        self.track, self.loudest = Track(self.wrong), 0.0
        self.waiting: list[np.ndarray] = []  # small pieces are resampled together
        self.rate = 0

    def push(self, piece: Samples, stated: float) -> Iterator[Chunk]:
        """Take a piece of the sound track; gives the rows that are now whole."""
        if piece.rate != self.rate:
            yield from self._resample()
            self.rate = piece.rate
        for wave in self.track.lay(piece.start, piece.rate, piece.wave, stated):
            self.waiting.append(wave)
            if sum(map(len, self.waiting)) * 2 > self.rate:
                yield from self._resample()

    def _resample(self) -> Iterator[Chunk]:
        if not self.waiting:
            return
        wave, self.waiting = np.concatenate(self.waiting), []
        self.loudest = max(self.loudest, float(wave.max()), -float(wave.min()))
        for samples, resampler in self.resamplers.items():
            yield from self._hand(samples, resampler.push(wave, self.rate))

    def _hand(self, samples: int, wave: np.ndarray) -> Iterator[Chunk]:
        for rows in self.rows:
            if rows.want.samples == samples:
                yield from rows.chunks(rows.windows.push(wave))

    def finish(self, facts: Facts) -> Iterator[Chunk]:
        """The last rows, and what there is to say of the track in `facts`."""
        facts.notes += told(self.wrong)
        facts.sound = self.track.end
        yield from self._resample()
        if not facts.sound:
            facts.has_sound = False
            facts.notes.append("the sound track cannot be decoded")
            return
        facts.silent = self.loudest < 10 ** (FEWEST_DECIBELS / 20)
        if facts.silent:
            facts.notes.append("the sound track is silent")
        if facts.sound < facts.duration - EARLY:
            facts.notes.append(
                f"the sound ends after {facts.sound:.2f} seconds, the pictures later"
            )
        for samples, resampler in self.resamplers.items():
            yield from self._hand(samples, resampler.finish())
        for rows in self.rows:
            yield from rows.chunks(rows.windows.finish(facts.sound))
