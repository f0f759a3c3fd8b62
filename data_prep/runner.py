"""All sources through their jobs: what is finished is skipped, what fails is named, and goes on.

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
from data_prep import items, job
from data_prep.comments import tokenise
from data_prep.plan import Said, Source

VERSION = 1  # of what an item holds


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that the items follow from, besides the files; travels to other machines."""

    extractors: tuple[tuple[str, str], ...]  # name, its options as JSON
    cleaning: job.Cleaning | None  # None: comments are not looked at
    folder: str  # of the items
    workers: int = 2
    timeout: float = processes.TIMEOUT
    memory: int | None = None


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

    def keys(self, source: Source) -> tuple[list[str], str | None]:
        """Of the features of each extractor, and of the comments."""
        video = self.store.content(source.video)
        features = [items.key({**part, "video": video}) for part in self.parts]
        if self.how is None or source.comments is None:
            return features, None
        return features, items.key({**self.how, "comments": self.store.content(source.comments)})

    def survey(self, source: Source) -> tuple[Made | None, job.Job | None]:
        """What is finished and verified, or the job of making what is not."""
        try:
            features, said = self.keys(source)
        except UserError as error:
            return Made(failure=str(error)), None
        there = [self.store.read(key) for key in features]
        said_there = said is None or self.store.read(said) is not None
        missing = [pair for pair, item in zip(self.settings.extractors, there) if item is None]
        if not missing and said_there:
            names = [one.name for one in self.found]
            facts = merged([item.facts for item in there])
            self.verified[source.name] = Made(dict(zip(names, features)), said, facts)
            return self.verified[source.name], None
        return None, job.Job(
            source=source.name,
            video=source.video if missing else None,
            comments=None if said_there else source.comments,
            extractors=tuple(missing),
            cleaning=self.settings.cleaning,
        )

    def make(self, sources: Iterable[Source]) -> Iterator[tuple[Source, bool]]:
        """Brings every source to its end; gives each, and whether it had been finished before."""
        waiting: dict[str, Source] = {}
        finished: list[Source] = []

        def jobs() -> Iterator[job.Job]:
            for source in sources:
                made, todo = self.survey(source)
                if todo is None:
                    finished.append(source)
                else:
                    waiting[source.name] = source
                    yield todo

        settings, under_way = self.settings, None
        pieces = processes.stream(
            jobs(), job.run, settings.workers, settings.timeout, settings.memory
        )
        try:
            for todo, piece in pieces:
                while finished:
                    yield finished.pop(0), True
                if under_way is None or under_way.job is not todo:
                    under_way = _UnderWay(self, todo, waiting[todo.source])
                if under_way.take(piece):
                    yield waiting.pop(todo.source), False
        finally:
            pieces.close()
        yield from ((source, True) for source in finished)

    def result(self, source: Source) -> Made:
        """What became of a source after `make`, here or on another machine."""
        made = self.verified.get(source.name) or self.survey(source)[0]
        if made is None:
            reason = self.store.failure(failure_key(source))
            made = Made(failure=(reason or "it was not extracted").partition("\n")[0])
        return made


class _UnderWay:
    """One job, piece by piece."""

    def __init__(self, runner: Local, todo: job.Job, source: Source):
        self.runner, self.job, self.source = runner, todo, source
        self.extractors = [job.made(*pair) for pair in todo.extractors]
        self.features = Features(self.extractors)
        self.keys, self.said_key = runner.keys(source)

    def take(self, piece: Any) -> bool:
        """Says whether it was the last one."""
        store = self.runner.store
        if isinstance(piece, processes.Failure):
            reason = piece.reason
            for path in (self.source.video, self.source.comments):  # the report names the source
                reason = reason.replace(f" ({path})", "")
            store.failed(failure_key(self.source), f"{reason}\n{piece.trace}")
            return True
        if isinstance(piece, Said):
            arrays, facts = pack(piece)
            store.write(self.said_key, arrays, facts)
        elif isinstance(piece, Chunk):
            self.features.push(piece)
        elif isinstance(piece, Facts):
            self._keep(piece)
        elif isinstance(piece, job.Done):
            store.failed(failure_key(self.source), None)
            return True
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
            self.runner.store.write(self.keys[everywhere], found, known)
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
        "item": VERSION,
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


def failure_key(source: Source) -> str:
    """Under which key the failure of a source is kept."""
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
