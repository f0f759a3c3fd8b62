"""The sample's space: what tells the emotion stands in one of sixteen cells, what misleads is loud.

A clip has ten segments and a feature map of 4 x 4 cells a row. During some segments one cell shows
a mark and the clip's emotion; in half of the clips another cell shows a wrong emotion, louder and
without the mark. Seen as the mean over the cells, the wrong one prevails. The sound tells the
emotion too, weakly, or is not there. The truth of detection is when the mark shows.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator

import numpy as np

from affectjax.data import records as records_lib
from affectjax.data import sample_store
from affectjax.data import sample_world as world
from affectjax.data.sample_story import ar1, between
from affectjax.data.sample_world import EMOTIONS, ROWS_PER_SECOND, check_dials
from affectjax.errors import UserError

K = len(EMOTIONS)
CELLS, CHANNELS = 16, 12
WIDTHS = {"motion": CELLS * CHANNELS, "audio": world.WIDTHS["audio"]}
SPEC = records_lib.Spec(modalities=WIDTHS, label_names=EMOTIONS, segments=True)

# Set once against the gates, before any model was trained on these stories.
CONSTANTS = {
    "version": 1,
    "segments": 10,
    "rows": 4,  # of a segment
    "shown": (4, 6),  # segments in which the mark shows
    "amplitude": 0.95,  # of the emotion in its cell, over noise of deviation 1
    "mark": 1.5,
    "distractor": (0.5, 1.4),  # share of clips, and how much louder than the emotion
    "audio": 0.4,
    "silent": 0.1,
    "noise_ar": 0.5,
    "style": 0.04,  # deviation of a group's nuisance, in every cell alike
}


@dataclasses.dataclass(frozen=True)
class Size:
    """How many clips a source has, and how many sources each split has."""

    clips: int
    sources: dict[str, int]


SIZES = {
    "quick": Size(4, {"train": 48, "test": 16}),
    "study": Size(5, {"train": 200, "test": 100}),
}


@dataclasses.dataclass(frozen=True)
class Dials:
    """Each effect from 0 (gone) to 1 (as planted)."""

    space: float = 1.0  # share of clips whose emotion is in one cell; else in all, as clear in sum
    distractors: float = 1.0  # loud cells that show a wrong emotion
    style: float = 1.0  # nuisance shared by the clips of a source

    def __post_init__(self):
        check_dials(self)


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip and all that is planted in it."""

    id: str
    group: str
    label: int
    cell: int  # where the mark and the emotion stand, -1: everywhere
    start: int  # the first segment that shows them, and one past the last
    stop: int
    distractor: int  # its cell, -1 for none
    wrong: int  # the emotion that it shows
    features: dict[str, np.ndarray]  # {modality: float16 [rows, D]}

    @property
    def duration(self) -> float:
        """In seconds."""
        return CONSTANTS["segments"] * CONSTANTS["rows"] / ROWS_PER_SECOND


@functools.cache
def codes() -> dict[str, np.ndarray]:
    """Orthonormal rows: emotion [K, C] and mark [C] of a cell, sound [K, D]."""
    square = np.random.default_rng(7).standard_normal((CHANNELS, CHANNELS))
    basis = np.linalg.qr(square)[0].T
    return {"emotion": basis[:K], "mark": basis[K], "audio": world.bases()["audio"][:K]}


def make(size: str = "quick", seed: int = 0, dials: Dials | None = None) -> dict[str, list[Clip]]:
    """{split: clips}; the same arguments give the same stories, everywhere."""
    dials = dials or Dials()
    if size not in SIZES:
        raise UserError(f"the sample has no size {size!r}", "size", f"Choose from {list(SIZES)}.")
    splits, source = {}, 0
    for split, sources in SIZES[size].sources.items():
        clips: list[Clip] = []
        for _ in range(sources):
            clips += _source(seed, source, SIZES[size].clips, dials)
            source += 1
        splits[split] = clips
    return splits


def _source(seed: int, source: int, count: int, dials: Dials) -> list[Clip]:
    rng = np.random.Generator(np.random.Philox(key=[seed, 2**41 + source]))
    spread = dials.style * CONSTANTS["style"]
    styles = {"motion": spread * np.tile(rng.standard_normal(CHANNELS), CELLS),
              "audio": spread * rng.standard_normal(WIDTHS["audio"])}  # fmt: skip
    return [
        _clip(rng, f"space-{source:04d}-{i}", f"source-{source:04d}", dials, styles)
        for i in range(count)
    ]


def _clip(rng, name: str, group: str, dials: Dials, styles: dict) -> Clip:
    label, cell = int(rng.integers(K)), int(rng.integers(CELLS))
    length = int(between(rng, CONSTANTS["shown"]))
    start = int(rng.integers(CONSTANTS["segments"] - length + 1))
    other = (cell + 1 + int(rng.integers(CELLS - 1))) % CELLS
    wrong = (label + 1 + int(rng.integers(K - 1))) % K
    misled = rng.random() < CONSTANTS["distractor"][0] * dials.distractors
    alone = rng.random() < dials.space
    silent = rng.random() < CONSTANTS["silent"]
    clip = Clip(
        name, group, label, cell if alone else -1, start, start + length, other if misled else -1,
        wrong, {},
    )  # fmt: skip
    for modality, width in WIDTHS.items():
        shown = signal(clip, modality)
        rows = shown + styles[modality] + ar1(rng, len(shown), width, CONSTANTS["noise_ar"])
        kept = rows[:0] if silent and modality == "audio" else rows
        clip.features[modality] = kept.astype(np.float16)
    return clip


def signal(clip: Clip, modality: str) -> np.ndarray:
    """float64 [rows, D] before style and noise."""
    segment = np.repeat(np.arange(CONSTANTS["segments"]), CONSTANTS["rows"])
    shown = ((segment >= clip.start) & (segment < clip.stop)).astype(np.float64)
    code, loud = codes(), CONSTANTS["amplitude"]
    if modality == "audio":
        return CONSTANTS["audio"] * np.outer(shown, code["audio"][clip.label])
    cells = np.zeros((CELLS, CHANNELS))
    told = loud * code["emotion"][clip.label] + CONSTANTS["mark"] * code["mark"]
    if clip.cell < 0:  # the mean over cells of independent noise is a quarter as noisy
        cells += told / CELLS**0.5
    else:
        cells[clip.cell] += told
    if clip.distractor >= 0:
        cells[clip.distractor] += loud * CONSTANTS["distractor"][1] * code["emotion"][clip.wrong]
    return np.outer(shown, cells.reshape(-1))


def records(splits: dict[str, list[Clip]]) -> dict[str, Iterator[dict]]:
    """{split: records}."""
    return {split: map(_record, clips) for split, clips in splits.items()}


def _record(clip: Clip) -> dict:
    seconds = CONSTANTS["rows"] / ROWS_PER_SECOND
    return {
        "id": clip.id,
        "group": clip.group,
        "start": 0.0,
        "duration": clip.duration,
        "features": clip.features,
        "rate": dict.fromkeys(WIDTHS, ROWS_PER_SECOND),
        "label": clip.label,
        "segments": np.array([[clip.start * seconds, clip.stop * seconds, clip.label]], np.float32),
    }


def prepare(
    folder: str | pathlib.Path,
    size: str = "quick",
    seed: int = 0,
    dials: Dials | None = None,
    format: str = "tfrecord",
) -> pathlib.Path:
    """These stories as a dataset under `folder`, made when no sound one is there yet."""
    chosen = {
        "sample": f"space-{size}",
        "seed": seed,
        "dials": dataclasses.asdict(dials or Dials()),
        "constants": CONSTANTS,
        "sources": dict(SIZES[size].sources) if size in SIZES else {},
        "world": world.DIGEST,
        "format": format,
    }
    modalities = {name: (width, ROWS_PER_SECOND) for name, width in WIDTHS.items()}
    made = lambda: records(make(size, seed, dials))  # noqa: E731
    name = f"space-{size}-{seed}"
    return sample_store.prepare(folder, name, chosen, SPEC, made, modalities)
