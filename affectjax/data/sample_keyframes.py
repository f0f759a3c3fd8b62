"""The sample's keyframes and context: a loud moment that admits two emotions, and what decides.

A clip has ten segments. One, the keyframe, shows a code that two emotions of one polarity share; in
training the first of them is the clip's emotion in 70 of 100 clips, in testing in half. Three or
four segments around it show, half as loud, which of the two it is. Some clips have a louder peak
elsewhere that tells nothing, some have no sound. The truth of detection is the keyframe with its
context; the split `test_key` holds the same clips with the keyframe alone as the truth.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from affectjax.data import records as records_lib
from affectjax.data import sample_store
from affectjax.data import sample_world as world
from affectjax.data.sample_story import ar1, between
from affectjax.data.sample_world import EMOTIONS, POLARITY, ROWS_PER_SECOND, check_dials
from affectjax.errors import UserError

K = len(EMOTIONS)
WIDTHS = {name: world.WIDTHS[name] for name in ("motion", "audio")}
SPEC = records_lib.Spec(modalities=WIDTHS, label_names=EMOTIONS, segments=True)

# Set once against the gates, before any model was trained on these stories.
CONSTANTS = {
    "version": 1,
    "segments": 10,
    "rows": 4,  # of a segment
    "first": (0.7, 0.5),  # how often the keyframe's first emotion is meant: training, testing
    "context_segments": (3, 4),
    "amplitude": {"motion": 1.45, "audio": 0.95},  # over noise of deviation 1
    "context": 0.5,  # of the keyframe's amplitude
    "distractor": (0.3, 1.3),  # share of clips, and how much louder than the keyframe
    "silent": 0.1,
    "noise_ar": 0.5,
    "style": (1.0, 2.0),  # a group's nuisance over the signal's variance
}


@dataclasses.dataclass(frozen=True)
class Size:
    """How many clips a source has, and how many sources each split has."""

    clips: int
    sources: dict[str, int]


SIZES = {
    "quick": Size(4, {"train": 48, "test": 16}),
    "study": Size(5, {"train": 200, "test": 100}),
    "large": Size(5, {"train": 2000, "test": 100}),  # where attention learns the place
}


@dataclasses.dataclass(frozen=True)
class Dials:
    """Each effect from 0 (gone) to 1 (as planted)."""

    context: float = 1.0  # how often the context tells the truth, and not either emotion
    shift: float = 1.0  # how far testing departs from the training's 70 to 30
    distractors: float = 1.0  # loud peaks that tell nothing
    style: float = 1.0  # nuisance shared by the clips of a source

    def __post_init__(self):
        check_dials(self)


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip and all that is planted in it."""

    id: str
    group: str
    label: int
    key: int  # which keyframe code; it admits emotions `key` and `second(key)`
    told: int  # the emotion that the context shows
    place: int  # the keyframe's segment
    start: int  # first segment of keyframe and context, and one past their last
    stop: int
    distractor: int  # its segment, -1 for none
    direction: int  # the distractor's code
    features: dict[str, np.ndarray]  # {modality: float16 [rows, D]}

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return CONSTANTS["segments"] * CONSTANTS["rows"] / ROWS_PER_SECOND


def second(key: int) -> int:
    """The other emotion that a keyframe admits: the next one of the same polarity."""
    own = [e for e in range(K) if POLARITY[e] == POLARITY[key]]
    return own[(own.index(key) + 1) % len(own)]


def codes(name: str) -> dict[str, np.ndarray]:
    """Orthonormal rows of one modality: key [K, D], context [K, D], distractor [3, D]."""
    basis = world.bases()[name]
    return {"key": basis[:K], "context": basis[K : 2 * K], "distractor": basis[2 * K : 2 * K + 3]}


def make(size: str = "quick", seed: int = 0, dials: Dials | None = None) -> dict[str, list[Clip]]:
    """{split: clips}; the same arguments give the same stories, everywhere."""
    dials = dials or Dials()
    if size not in SIZES:
        raise UserError(f"the sample has no size {size!r}", "size", f"Choose from {list(SIZES)}.")
    splits, source = {}, 0
    for split, sources in SIZES[size].sources.items():
        clips: list[Clip] = []
        for _ in range(sources):
            clips += _source(seed, source, SIZES[size].clips, split, dials)
            source += 1
        splits[split] = clips
    return splits


def first_share(split: str, dials: Dials) -> float:
    """How often a keyframe's first emotion is the clip's."""
    train, test = CONSTANTS["first"]
    return train if split == "train" else train + dials.shift * (test - train)


def _source(seed: int, source: int, count: int, split: str, dials: Dials) -> list[Clip]:
    rng = np.random.Generator(np.random.Philox(key=[seed, 2**40 + source]))
    styles = {name: rng.standard_normal(width) for name, width in WIDTHS.items()}
    low, high = CONSTANTS["style"]
    share = dials.style * (low + (high - low) * rng.random())
    return [
        _clip(rng, f"key-{source:04d}-{i}", f"source-{source:04d}", split, dials, styles, share)
        for i in range(count)
    ]


def _clip(rng, name: str, group: str, split: str, dials: Dials, styles: dict, share: float) -> Clip:
    segments = CONSTANTS["segments"]
    key = int(rng.integers(K))
    label = key if rng.random() < first_share(split, dials) else second(key)
    tells = rng.random() < dials.context
    either = key if rng.random() < 0.5 else second(key)
    length = 1 + int(between(rng, CONSTANTS["context_segments"]))
    start = int(rng.integers(segments - length + 1))
    place = start + int(rng.integers(length))
    outside = [t for t in range(segments) if not start <= t < start + length]
    spot, wanted = outside[int(rng.integers(len(outside)))], rng.random()
    distractor = spot if wanted < CONSTANTS["distractor"][0] * dials.distractors else -1
    clip = Clip(
        name, group, label, key, label if tells else either, place, start, start + length,
        distractor, int(rng.integers(3)), {},
    )  # fmt: skip
    silent = rng.random() < CONSTANTS["silent"]
    for modality, width in WIDTHS.items():
        shown = signal(clip, modality)
        style = np.sqrt(share * style_unit(modality)) * styles[modality]
        rows = shown + style + ar1(rng, len(shown), width, CONSTANTS["noise_ar"])
        kept = rows[:0] if silent and modality == "audio" else rows
        clip.features[modality] = kept.astype(np.float16)
    return clip


def style_unit(modality: str) -> float:
    """A tenth of the keyframe's power, spread over the features: the signal's mean variance."""
    return 0.1 * CONSTANTS["amplitude"][modality] ** 2 / WIDTHS[modality]


def loudness(clip: Clip, modality: str) -> dict[str, np.ndarray]:
    """{key, context, distractor: float64 [rows]}, how loud each is."""
    segment = np.arange(CONSTANTS["segments"])
    loud = CONSTANTS["amplitude"][modality]
    around = (segment >= clip.start) & (segment < clip.stop) & (segment != clip.place)
    found = {
        "key": loud * (segment == clip.place),
        "context": loud * CONSTANTS["context"] * around,
        "distractor": loud * CONSTANTS["distractor"][1] * (segment == clip.distractor),
    }
    return {part: np.repeat(values, CONSTANTS["rows"]) for part, values in found.items()}


def signal(clip: Clip, modality: str) -> np.ndarray:
    """float64 [rows, D] before style and noise."""
    code, loud = codes(modality), loudness(clip, modality)
    return (
        np.outer(loud["key"], code["key"][clip.key])
        + np.outer(loud["context"], code["context"][clip.told])
        + np.outer(loud["distractor"], code["distractor"][clip.direction])
    )


def records(splits: dict[str, list[Clip]]) -> dict[str, Iterator[dict]]:
    """{split: records}; `test_key` are the test clips with the keyframe alone as the truth."""
    found = {
        split: (_record(clip, clip.start, clip.stop) for clip in c) for split, c in splits.items()
    }
    alone = (dataclasses.replace(clip, id=f"{clip.id}-keyframe") for clip in splits["test"])
    found["test_key"] = (_record(clip, clip.place, clip.place + 1) for clip in alone)
    return found


def _record(clip: Clip, start: int, stop: int) -> dict:
    seconds = CONSTANTS["rows"] / ROWS_PER_SECOND
    return {
        "id": clip.id,
        "group": clip.group,
        "start": 0.0,
        "duration": clip.duration,
        "features": clip.features,
        "rate": dict.fromkeys(WIDTHS, ROWS_PER_SECOND),
        "label": clip.label,
        "segments": np.array([[start * seconds, stop * seconds, clip.label]], np.float32),
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
        "sample": f"keyframes-{size}",
        "seed": seed,
        "dials": dataclasses.asdict(dials or Dials()),
        "constants": CONSTANTS,
        "sources": dict(SIZES[size].sources) if size in SIZES else {},
        "world": world.DIGEST,
        "format": format,
    }
    modalities = {name: (width, ROWS_PER_SECOND) for name, width in WIDTHS.items()}
    made = lambda: records(make(size, seed, dials))  # noqa: E731
    name = f"keyframes-{size}-{seed}"
    return sample_store.prepare(folder, name, chosen, SPEC, made, modalities)
