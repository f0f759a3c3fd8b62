"""All sources through their jobs: what is finished is skipped, what fails is named, and goes on.

What failed by itself is not tried again before its files or the settings change, or with `retry`.
Workers decode and clean; this process embeds what they send, while they are decoding what comes
next, and keeps each source's results the moment they are whole.
"""

import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from affectjax.errors import UserError
from affectjax.media import extractor as extractors
from affectjax.media import workers as processes
from affectjax.media.extract import Chunk
from affectjax.media.facts import Facts
from affectjax.media.features import Features, constant
from data_prep import failures, items, job
from data_prep.comments import tokenise
from data_prep.plan import Said, Source

VERSION = 1  # of what an item of features holds
READING = 2  # of how comments are read: what was read otherwise is read again


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that the items follow from, besides the files; travels to other machines."""

    extractors: tuple[tuple[str, str], ...]  # name, its options as JSON
    cleaning: job.Cleaning | None  # None: comments are not looked at
    folder: str  # of the items
    workers: int = 2
    timeout: float = processes.TIMEOUT
    memory: int | None = None
    retry: bool = False  # also what failed before and is unchanged


@dataclasses.dataclass(frozen=True)
class Keys:
    """Where the results of a source are kept; they follow from what its files hold."""

    features: tuple[str, ...]  # of each extractor
    said: str | None  # of the comments
    failure: str  # of why nothing can be made of these very files


@dataclasses.dataclass(frozen=True)
class Todo:
    """What is missing of a source, and its keys when that was found: its files may change."""

    source: Source
    keys: Keys
    job: job.Job


@dataclasses.dataclass(frozen=True)
class Made:
    """Where the results of a source are, or why there are none."""

    features: dict[str, str] = dataclasses.field(default_factory=dict)  # extractor -> key
    said: str | None = None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    failure: str | None = None


class Local:
    """The runner of this machine."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.store = items.Store(settings.folder)
        self.found = [job.made(name, options) for name, options in settings.extractors]
        self.parts = [identity(pair[0], one) for pair, one in zip(settings.extractors, self.found)]
        self.how = cleaning_identity(settings.cleaning) if settings.cleaning else None
        self.verified: dict[str, Made] = {}  # sources that were found whole, by name

    def keys(self, source: Source) -> Keys:
        """Under which keys everything of a source is kept, from what its files hold now."""
        video, said = self.store.content(source.video), None
        features = tuple(items.key({**part, "video": video}) for part in self.parts)
        if self.how is not None and source.comments is not None:
            said = items.key({**self.how, "comments": self.store.content(source.comments)})
        limits = {"timeout": self.settings.timeout, "memory": self.settings.memory}
        return Keys(features, said, items.key({"features": features, "said": said, **limits}))

    def survey(self, source: Source) -> Made | Todo:
        """What is finished and verified, or failed before, or what is to be made."""
        try:
            keys = self.keys(source)
        except UserError as error:
            return Made(failure=str(error))
        there = [self.store.read(key) for key in keys.features]
        said_there = keys.said is None or self.store.read(keys.said) is not None
        missing = [pair for pair, item in zip(self.settings.extractors, there) if item is None]
        if not missing and said_there:
            names = [one.name for one in self.found]
            facts = merged([item.facts for item in there])
            made = Made(dict(zip(names, keys.features)), keys.said, facts)
            self.verified[source.name] = made
            return made
        if not self.settings.retry and self.store.failure(keys.failure) is not None:
            return Made(failure=self.failure(source))
        todo = job.Job(
            source=source.name,
            video=source.video if missing else None,
            comments=None if said_there else source.comments,
            extractors=tuple(missing),
            cleaning=self.settings.cleaning,
        )
        return Todo(source, keys, todo)

    def make(self, sources: Iterable[Source]) -> Iterator[tuple[Source, bool]]:
        """Brings every source to its end; gives each, and whether it had been finished before."""
        waiting: dict[str, Todo] = {}
        finished: list[Source] = []

        def jobs() -> Iterator[job.Job]:
            for source in sources:
                found = self.survey(source)
                if isinstance(found, Made):
                    finished.append(source)
                else:
                    waiting[source.name] = found
                    yield found.job

        settings, under_way = self.settings, None
        pieces = processes.stream(
            jobs(), job.run, settings.workers, settings.timeout, settings.memory
        )
        try:
            for task, piece in pieces:
                while finished:
                    yield finished.pop(0), True
                if under_way is None or under_way.job is not task:
                    under_way = _UnderWay(self, waiting[task.source])
                if under_way.take(piece):
                    yield waiting.pop(task.source).source, False
        finally:
            pieces.close()
        yield from ((source, True) for source in finished)

    def result(self, source: Source) -> Made:
        """What became of a source after `make`, here or on another machine."""
        made = self.verified.get(source.name) or self.survey(source)
        if isinstance(made, Todo):
            made = Made(failure=self.failure(source) or "it was not extracted")
        return made

    def failure(self, source: Source) -> str | None:
        """Why the last try at a source failed; None where it did not."""
        if source.name in self.verified:
            return None
        try:
            places = (self.keys(source).failure, passing_key(source))
        except UserError as error:
            return str(error)
        reasons = [reason for place in places if (reason := self.store.failure(place)) is not None]
        return reasons[0].partition("\n")[0] if reasons else None


class _UnderWay:
    """One job, piece by piece."""

    def __init__(self, runner: Local, todo: Todo):
        self.runner, self.source, self.keys, self.job = runner, todo.source, todo.keys, todo.job
        self.extractors = [job.made(*pair) for pair in todo.job.extractors]
        self.features = Features(self.extractors)

    def take(self, piece: Any) -> bool:
        """Says whether it was the last one."""
        store = self.runner.store
        if isinstance(piece, processes.Failure):
            reason = piece.reason
            for path in (self.source.video, self.source.comments):  # the report names the source
                reason = reason.replace(f" ({path})", "")
            own = failures.lasting(piece) and self._unchanged()
            place = self.keys.failure if own else passing_key(self.source)
            store.failed(place, f"{reason}\n{piece.trace}")
            return True
        if isinstance(piece, Chunk):
            self.features.push(piece)
        elif isinstance(piece, job.Done):
            for place in (self.keys.failure, passing_key(self.source)):
                store.failed(place, None)
            return True
        elif self._unchanged():  # what was made of another file has no place under these keys
            if isinstance(piece, Said):
                store.write(self.keys.said, *pack(piece))
            elif isinstance(piece, Facts):
                self._keep(piece)
        return False

    def _unchanged(self) -> bool:
        """Whether the files are still those that were surveyed."""
        try:
            return self.runner.keys(self.source) == self.keys
        except UserError:
            return False

    def _keep(self, facts: Facts) -> None:
        odd = self.features.odd
        for place, one in enumerate(self.extractors):
            found = self.features.finish(place)
            notes = [f"{count} {what}" for what, count in sorted(odd.items())]
            notes += [f"{modality} never changes" for modality in constant(found)]
            everywhere = [other.name for other in self.runner.found].index(one.name)
            known = dataclasses.asdict(facts) | {
                "rates": {modality: want.rate for modality, want in one.wants.items()},
                "notes": [*facts.notes, *notes],
            }
            self.runner.store.write(self.keys.features[everywhere], found, known)
            odd.clear()


def identity(name: str, extractor: extractors.Extractor) -> dict[str, Any]:
    """What features follow from, besides the video."""
    found = {
        "item": VERSION,
        "extractor": extractor.name,
        "settings": dict(extractor.settings),
        "weights": extractor.weights,
        "modalities": dict(extractor.modalities),
        "wants": {name: repr(want) for name, want in sorted(extractor.wants.items())},
    }
    if name not in extractors.BUILT_IN:  # who writes an extractor changes it and runs it again
        source = inspect.getsource(sys.modules[type(extractor).__module__])
        found["code"] = hashlib.sha256(source.encode()).hexdigest()
    return found


def cleaning_identity(cleaning: job.Cleaning) -> dict[str, Any]:
    """Everything that cleaned comments depend on."""
    from data_prep import lexicon

    return {
        "item": READING,
        "tokeniser": tokenise.settings(cleaning.tokeniser),
        "lexicon": lexicon.load(cleaning.lexicon).digest,
        "rules": dict(cleaning.rules),
    }


def merged(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """The facts of a source from those beside the features of each extractor."""
    rates = {m: rate for one in facts for m, rate in one["rates"].items()}
    notes = list(dict.fromkeys(note for one in facts for note in one["notes"]))
    heard = [one for one in facts if one["silent"] is not None] or facts
    return {**heard[0], "rates": rates, "notes": notes}


def passing_key(source: Source) -> str:
    """Under which key a failure is kept that came from outside: the next start tries again."""
    return items.key({"video": source.video, "comments": source.comments})


def pack(said: Said) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Cleaned comments as the arrays and facts of an item."""
    arrays = {
        "time": said.time,
        "every": said.every,
        "length": np.array([len(words) for words in said.words], np.int32),
        "emotional": np.array([f for flags in said.emotional for f in flags], np.uint8),
    }
    words = [word for words in said.words for word in words]
    return arrays, {"words": words, "counts": dict(said.counts)}


def unpack(item: items.Item) -> Said:
    """The inverse of `pack`."""
    ends = np.cumsum(item.arrays["length"]).tolist()
    starts = [0, *ends[:-1]]
    words, flags = item.facts["words"], item.arrays["emotional"].astype(bool).tolist()
    return Said(
        time=item.arrays["time"],
        words=[words[a:b] for a, b in zip(starts, ends)],
        emotional=[flags[a:b] for a, b in zip(starts, ends)],
        every=item.arrays["every"],
        counts=item.facts["counts"],
    )
