"""Videos in, timelines out: decode once, extract, cut windows, predict them in batches."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from affectjax.errors import UserError
from affectjax.export import Export
from affectjax.media.extract import Chunk, extract, extract_safely
from affectjax.media.extractor import resolve
from affectjax.media.facts import Facts
from affectjax.media.workers import TIMEOUT, Failure
from affectjax.predicting import extractors as naming
from affectjax.predicting import maps, strip, windows, words
from affectjax.predicting.batches import Batches
from affectjax.predicting.job import Job, Reading
from affectjax.predicting.timeline import Timeline
from affectjax.predicting.videos import Video

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to predict; what is None follows from the export."""

    window: float | None = None  # seconds that the model looks at at once
    stride: float | None = None  # seconds from one window to the next
    threshold: float | None = None  # of attention, for segments
    batch: int = BATCH
    extractors: tuple[naming.Named, ...] = ()  # (name, options), instead of the export's own
    weights: str | None = None  # folder of the extractors' weights
    workers: int = 1  # decoding processes; 0: here, where a codec that crashes takes all along
    timeout: float = TIMEOUT  # seconds that a decoder may be silent
    pictures: bool = True  # keep small pictures for the pages
    maps: int = maps.MOST  # moments with a Grad-CAM map, of a model that reads frames; 0: none


class Predictor:
    """An export made ready: its extractors, its windows and its compiled program."""

    def __init__(self, export: Export, settings: Settings):
        self.export, self.settings = export, settings
        self.modalities = read_by(export)
        if not self.modalities:
            raise UserError(
                f"{export.config.model.name} reads no features of videos",
                str(export.folder),
                "Name the export of a model that does.",
            )
        about, given = export.about.get("modalities", {}), settings.extractors
        self.named = naming.named(self.modalities, about, settings.weights, given)
        self.extractors = [resolve(name, options) for name, options in self.named]
        self.windows = windows.chosen(
            export.examples, export.about.get("clip_seconds"), settings.window, settings.stride
        )
        self.threshold = settings.threshold
        if self.threshold is None:
            self.threshold = getattr(export.model, "curve_threshold", 0.5)
        self.model = {
            "name": export.config.model.name,
            "export": str(export.folder),
            "digest": export.about.get("files", {}).get("model.safetensors", ""),
            "dataset": export.about.get("dataset", {}).get("name", ""),
            "trained": all(one.trained for one in self.extractors),
        }
        look = maps.looker(export) if settings.maps else None
        self.maps = settings.maps if look else 0
        names = words.Names(export) if words.needed(export) else None
        self.predict: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
        self.predict = names.predict if names else export.apply
        self.reading = Reading(
            examples=export.examples,
            model=names or export.model,
            asked=names.asked if names else lambda record: record,
            about=self.model,
            modalities=self.modalities,
            extractors=self.extractors,
            windows=self.windows,
            threshold=self.threshold,
            look=look,
            maps=self.maps,
        )

    def __call__(
        self,
        videos: Iterable[Video],
        watch: Callable[[Video, float], None] = lambda video, seconds: None,
    ) -> Iterator[tuple[Video, Timeline | Failure]]:
        """(video, its timeline or why there is none), in order; `watch` hears how far it is."""
        by_path = {str(video.path): video for video in videos}
        stream = self._pieces(list(by_path))
        batches = Batches(self.predict, self.export.examples.empty(), self.settings.batch)
        jobs: collections.OrderedDict[Video, Job | Failure] = collections.OrderedDict()
        for path, piece in stream:
            video = by_path[path]
            if isinstance(piece, Failure):
                jobs[video] = piece
            else:
                job = jobs.setdefault(video, Job(self.reading, video))
                if isinstance(piece, Facts):
                    for key, row in job.rows(piece):
                        _put(jobs, batches.push((video, *key), row))
                else:
                    watch(video, job.push(piece))
            _put(jobs, batches.ripe())
            yield from _finished(jobs)
        _put(jobs, batches.flush())
        yield from _finished(jobs)

    def _pieces(self, paths: list[str]) -> Iterator[tuple[str, Chunk | Facts | Failure]]:
        """(path, piece) of every video in order; see `extract_safely`."""
        named = [*self.named, (strip.NAME, {})] if self.settings.pictures else self.named
        if self.settings.workers:
            workers, timeout = self.settings.workers, self.settings.timeout
            yield from extract_safely(paths, named, workers=workers, timeout=timeout)
            return
        made = [resolve(name, options) for name, options in named]
        for path in paths:
            try:
                yield from ((path, piece) for piece in extract(path, made))
            except UserError as error:
                yield path, Failure("refused", str(error))


def read_by(export: Export) -> dict[str, int]:
    """{modality: width} that the model reads: features, and entries of a record's own."""
    found = dict(export.config.model.get("modalities", {}))
    if getattr(export.examples, "frames", 0):
        found["frames"] = 0  # pictures have no width
    if getattr(export.examples, "mfcc", 0):
        found["mfcc"] = export.examples.mfcc
    return found


def _put(jobs: Mapping[Video, Job], made) -> None:
    for (video, window, place), found in made:
        jobs[video].put(window, place, found)


def _finished(jobs) -> Iterator[tuple[Video, Timeline | Failure]]:
    """Those at the front of the line of whom all is known."""
    while jobs:
        video, job = next(iter(jobs.items()))
        if isinstance(job, Job) and not job.finished:
            return
        del jobs[video]
        yield video, job.timeline() if isinstance(job, Job) else job
