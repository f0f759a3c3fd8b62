"""The built-in sample: planted stories of clips, features and comments, from nothing but a seed.

`make` tells the stories, `records` turns them into a dataset's records, `prepare` keeps the
dataset in a folder. `references` and `gates` say what a model of the sample can be held to.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator

import numpy as np

from affectjax.data import records as records_lib
from affectjax.data import sample_store
from affectjax.data import sample_world as world
from affectjax.data.sample_comments import Comments, draw, vocabulary
from affectjax.data.sample_gates import gates
from affectjax.data.sample_references import references
from affectjax.data.sample_story import Timeline, features, timeline
from affectjax.data.sample_world import EMOTIONS, SEGMENT_SECONDS, Dials, lexicon
from affectjax.errors import UserError

__all__ = [
    "SIZES", "SPEC", "Clip", "Dials", "Stories",
    "gates", "lexicon", "make", "prepare", "records", "references",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Size:
    """How many clips a source has, and how many sources each split has."""

    clips: int
    sources: dict[str, int]


SIZES = {
    "quick": Size(4, {"train": 51, "test": 13}),  # 256 clips
    "study": Size(6, {"train": 334, "labelled": 199, "test": 167}),  # 2,004, 1,194, 1,002
}

SPEC = records_lib.Spec(
    modalities=dict(world.WIDTHS),
    comments=True,
    label_names=EMOTIONS,
)

# Streams of random numbers that one source uses; apart, so that a dial leaves the others alone.
TIMELINE, STYLE, NOISE, COMMENTS = range(4)


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip: what it is, what happens in it, what shows, what is said."""

    id: str
    group: str
    timeline: Timeline
    features: dict[str, np.ndarray]  # {modality: float16[T, D]}
    comments: Comments

    @property
    def label(self) -> int:
        """The number of its decisive emotion."""
        return self.timeline.label

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return self.timeline.segments * SEGMENT_SECONDS


@dataclasses.dataclass(frozen=True)
class Stories:
    """A corpus: its settings and the clips of each split, source by source."""

    size: str
    seed: int
    dials: Dials
    splits: dict[str, tuple[Clip, ...]]

    @property
    def digest(self) -> str:
        """Names every byte of features, texts, times and labels."""
        found = hashlib.sha256()
        for split, clips in self.splits.items():
            for clip in clips:
                found.update(f"{split} {clip.id} {clip.group} {clip.label}".encode())
                for name in world.WIDTHS:
                    found.update(clip.features[name].astype("<f2").tobytes())
                found.update(clip.comments.time.astype("<f4").tobytes())
                for words in clip.comments.words:
                    found.update(words.astype("<i4").tobytes())
        return found.hexdigest()


def make(size: str = "quick", seed: int = 0, dials: Dials | None = None) -> Stories:
    """The same arguments give the same stories, everywhere."""
    dials = dials or Dials()
    plan = _size(size)
    if not 0 <= seed < 2**62:
        raise UserError(f"the sample's seed must lie in 0..2^62, not {seed}", "seed")
    splits, source = {}, 0
    for split, sources in plan.sources.items():
        # A labelled pool holds equally many of each class, as people choose one.
        prior = np.full(len(EMOTIONS), 1.0) if split == "labelled" else world.prior()
        clips: list[Clip] = []
        for _ in range(sources):
            clips += _source(seed, source, plan.clips, dials, prior)
            source += 1
        splits[split] = tuple(clips)
    return Stories(size, seed, dials, splits)


def _size(size: str) -> Size:
    if size not in SIZES:
        raise UserError(f"the sample has no size {size!r}", "size", f"Choose from {list(SIZES)}.")
    return SIZES[size]


def _source(seed: int, source: int, count: int, dials: Dials, prior: np.ndarray) -> list[Clip]:
    def stream(purpose: int, clip: int = 0) -> np.random.Generator:
        return np.random.Generator(
            np.random.Philox(key=[seed, source], counter=[0, 0, clip, purpose])
        )

    lines = [timeline(stream(TIMELINE, i), dials, prior) for i in range(count)]
    shown = features(lines, dials, stream(STYLE), [stream(NOISE, i) for i in range(count)])
    return [
        Clip(
            id=f"sample-{source:04d}-{i}",
            group=f"source-{source:04d}",
            timeline=line,
            features=shown[i],
            comments=draw(stream(COMMENTS, i), line, dials),
        )
        for i, line in enumerate(lines)
    ]


def records(stories: Stories) -> dict[str, Iterator[dict]]:
    """{split: records}, as `affectjax.data.records` writes them."""
    return {
        split: (_record(clip, i % SIZES[stories.size].clips) for i, clip in enumerate(clips))
        for split, clips in stories.splits.items()
    }


def _record(clip: Clip, place: int) -> dict:
    names, said = vocabulary(), clip.comments
    none = np.zeros(0, bool)
    return {
        "id": clip.id,
        "group": clip.group,
        "start": place * 60.0,  # the clips of a source begin a minute apart
        "duration": clip.duration,
        "features": clip.features,
        "rate": {name: world.ROWS_PER_SECOND for name in world.WIDTHS},
        "comments": {
            "word": [names[i] for words in said.words for i in words],
            "length": np.array([len(words) for words in said.words], np.int32),
            "time": said.time,
            "emotional": np.concatenate([none, *said.emotional]).astype(np.uint8),
        },
        "label": clip.label,
    }


def settings(size: str, seed: int, dials: Dials | None = None) -> dict:
    """Everything that a prepared sample follows from."""
    plan = _size(size)
    return {
        "sample": size,
        "clips": plan.clips,
        "sources": dict(plan.sources),
        "seed": seed,
        "dials": dataclasses.asdict(dials or Dials()),
        "world": world.DIGEST,
    }


def prepare(
    folder: str | pathlib.Path,
    size: str = "quick",
    seed: int = 0,
    dials: Dials | None = None,
    format: str = "tfrecord",
) -> pathlib.Path:
    """The sample as a dataset under `folder`, made when no sound one is there yet."""
    chosen = {**settings(size, seed, dials), "format": format}
    path = sample_store.place(folder, f"{size}-{seed}", chosen)
    ensure(path, size, seed, dials, format, mend=True)
    return path


def ensure(
    path: str | pathlib.Path,
    size: str = "quick",
    seed: int = 0,
    dials: Dials | None = None,
    format: str = "tfrecord",
    mend: bool = False,
) -> bool:
    """Make `path` this sample unless it is already; says whether it had to.

    Only with `mend` is a dataset replaced that is damaged, or another.
    """
    chosen = {**settings(size, seed, dials), "format": format}
    modalities = {name: (width, world.ROWS_PER_SECOND) for name, width in world.WIDTHS.items()}
    metadata = {
        "lexicon": {word: list(names) for word, names in lexicon().items()},
        "modalities": sample_store.planted(modalities),
    }
    return sample_store.ensure(
        pathlib.Path(path),
        chosen,
        SPEC,
        lambda: records(make(size, seed, dials)),
        metadata,
        mend,
        shards=1 if size == "quick" else {"train": 4, "labelled": 2, "test": 2},
    )
