"""The sample's films: arousal that moves slowly, valence that depends on what came before.

A film is one record: clips of ten seconds end to end, a feature row and a valence and an arousal
each second, with holes where nobody annotated. Its arousal is an AR(1) along the clips. A clip's
valence is half what the clip itself tells, half that times what the up to three clips before it
told; a cut forgets them. Each modality shows both cues through a noise of its own, in a short
stretch of the clip; sound and scene err together, expression shows valence alone and has no face in
40 of 100 seconds, action shows arousal alone.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from affectjax.data import records as records_lib
from affectjax.data import sample_store
from affectjax.data.sample_story import ar1, between
from affectjax.data.sample_world import check_dials
from affectjax.errors import UserError

VALUES = ("valence", "arousal")

# Set once against the gates, before any model was trained on these stories.
CONSTANTS = {
    "version": 1,
    "rows": 10,  # of a clip, one a second
    "arousal_ar": 0.97,
    "cut": 0.15,
    "memory": 3,  # clips before, that a valence depends on
    "spread": 0.4,  # of the values: tanh(spread * latent)
    "wobble": (0.9, 0.03),  # of the annotation from second to second: AR, deviation
    "holes": (5, 25),  # seconds of the hole in a film, besides its first clip's first half
    # variance of a modality's own error over the cue's, a clip
    "arousal_error": {"audio": 2.0, "scene": 2.0, "action": 2.0},
    "valence_error": {"audio": 0.6, "scene": 0.6, "expression": 0.3},
    "shared": 0.5,  # correlation of the errors of audio and scene
    "amplitude": {"audio": 2.4, "scene": 2.4, "expression": 3.2, "action": 2.4},
    "event": (4, 6),  # rows that show the cues
    "no_face": (0.3, 1 / 7),  # share of clips without a face; of the other clips' seconds
    "noise_ar": 0.5,
    "style": (1.0, 2.0),  # a film's nuisance over the signal's variance
}
NAMES = ("audio", "scene", "expression", "action")
NARROW = {"audio": 16, "scene": 24, "expression": 32, "action": 16}
WIDE = {"audio": 128, "scene": 512, "expression": 3072, "action": 128}  # the paper's


@dataclasses.dataclass(frozen=True)
class Size:
    """How wide the features are, how many clips a film has, how many films each split has."""

    widths: dict[str, int]
    clips: tuple[int, int]
    films: dict[str, int]


SIZES = {
    "quick": Size(NARROW, (20, 40), {"train": 12, "test": 4}),
    "narrow": Size(NARROW, (60, 120), {"train": 30, "test": 10}),
    "study": Size(WIDE, (60, 120), {"train": 30, "test": 10}),  # validation takes 6 of the 30
}


@dataclasses.dataclass(frozen=True)
class Dials:
    """Each effect from 0 (gone) to 1 (as planted)."""

    slow: float = 1.0  # arousal's memory from clip to clip
    context: float = 1.0  # the half of valence that depends on the clips before
    shared: float = 1.0  # errors that sound and scene have in common
    faces: float = 1.0  # seconds without a face
    style: float = 1.0  # nuisance of a film

    def __post_init__(self):
        check_dials(self)


@dataclasses.dataclass(frozen=True)
class Film:
    """One film and all that is planted in it; N clips, R rows."""

    id: str
    arousal: np.ndarray  # float64 [N], latent, of deviation 1
    local: np.ndarray  # float64 [N], what each clip itself tells of valence
    context: np.ndarray  # float64 [N], what the clips before told; 0 after a cut
    valence: np.ndarray  # float64 [N]
    cut: np.ndarray  # bool [N], a new scene begins
    shown: dict[str, np.ndarray]  # {modality: float64 [N, 2]}, the cues with the modality's error
    face: np.ndarray  # bool [R]
    values: np.ndarray  # float32 [R, 2], NaN in holes
    features: dict[str, np.ndarray]  # {modality: float16 [R, D]}

    @property
    def clips(self) -> int:
        """How many there are, N."""
        return len(self.arousal)


def make(size: str = "quick", seed: int = 0, dials: Dials | None = None) -> dict[str, list[Film]]:
    """{split: films}; the same arguments give the same films, everywhere."""
    return {split: list(films) for split, films in stories(size, seed, dials or Dials()).items()}


def stories(size: str, seed: int, dials: Dials) -> dict[str, Iterator[Film]]:
    """The same films, each made when it is asked for."""
    if size not in SIZES:
        raise UserError(f"the sample has no size {size!r}", "size", f"Choose from {list(SIZES)}.")
    plan, splits, first = SIZES[size], {}, 0
    for split, count in plan.films.items():
        numbers = range(first, first + count)
        splits[split] = (film(plan, seed, number, dials) for number in numbers)
        first += count
    return splits


def film(plan: Size, seed: int, number: int, dials: Dials) -> Film:
    """One film of a corpus, from nothing but these arguments."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 2**41 + number]))
    count = int(between(rng, plan.clips))
    arousal = ar1(rng, count, 1, CONSTANTS["arousal_ar"] * dials.slow)[:, 0]
    local, cut = rng.standard_normal(count), rng.random(count) < CONSTANTS["cut"]
    cut[0] = True
    context = before(local, cut)
    half = 0.5 * dials.context
    valence = np.sqrt(1 - half) * local + np.sqrt(half) * local * context
    shown = _shown(rng, arousal, local, dials)
    face = _faces(rng, count, dials)
    values = _values(rng, valence, arousal)
    features = {}
    start, length = _events(rng, count)
    for name, width in plan.widths.items():
        told = signal(name, width, shown[name], start, length)
        low, high = CONSTANTS["style"]
        share = dials.style * (low + (high - low) * rng.random())
        style = np.sqrt(share) * style_unit(name, width) * rng.standard_normal(width)
        rows = told + style + ar1(rng, len(told), width, CONSTANTS["noise_ar"])
        if name == "expression":
            rows[~face] = mean_face(width)
        features[name] = rows.astype(np.float16)
    return Film(
        f"film-{number:03d}", arousal, local, context, valence, cut, shown, face, values, features
    )


def before(local: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """[N]: the sum of the up to three clips before in the same scene, of deviation 1; else 0."""
    found = np.zeros(len(local))
    scene = np.cumsum(cut)
    for k in range(len(local)):
        first = max(0, k - CONSTANTS["memory"])
        told = local[first:k][scene[first:k] == scene[k]]
        if len(told):
            found[k] = told.sum() / np.sqrt(len(told))
    return found


def _shown(rng, arousal: np.ndarray, local: np.ndarray, dials: Dials) -> dict[str, np.ndarray]:
    """{modality: [N, 2]}: both cues as the modality shows them, 0 where it does not."""
    shared = dials.shared * CONSTANTS["shared"]
    found = {name: np.zeros((len(arousal), 2)) for name in NAMES}
    for column, (truth, errors) in enumerate(
        ((local, CONSTANTS["valence_error"]), (arousal, CONSTANTS["arousal_error"]))
    ):
        common = rng.standard_normal(len(truth))
        for name in NAMES:
            own = rng.standard_normal(len(truth))
            if name in ("audio", "scene"):
                own = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
            if name in errors:
                found[name][:, column] = truth + np.sqrt(errors[name]) * own
    return found


def _faces(rng, count: int, dials: Dials) -> np.ndarray:
    """bool [R]: whether a second shows a face."""
    rows = CONSTANTS["rows"]
    whole, single = (share * dials.faces for share in CONSTANTS["no_face"])
    clips = rng.random(count) >= whole
    return np.repeat(clips, rows) & (rng.random(count * rows) >= single)


def _events(rng, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First row within the clip and number of rows of what shows the cues, each [N]."""
    length = between(rng, CONSTANTS["event"], count)
    start = np.floor(rng.random(count) * (CONSTANTS["rows"] - length + 1)).astype(np.int64)
    return start, length


def _values(rng, valence: np.ndarray, arousal: np.ndarray) -> np.ndarray:
    """float32 [R, 2] in -1..1 with holes."""
    rows = CONSTANTS["rows"]
    latent = np.repeat(np.stack([valence, arousal], 1), rows, 0)
    keep, size = CONSTANTS["wobble"]
    found = np.tanh(CONSTANTS["spread"] * latent) + size * ar1(rng, len(latent), 2, keep)
    found = np.clip(found, -1, 1)
    found[: rows // 2] = np.nan
    length = int(between(rng, CONSTANTS["holes"]))
    first = int(rng.integers(rows, len(found) - length))
    found[first : first + length] = np.nan
    return found.astype(np.float32)


def code(name: str, width: int) -> np.ndarray:
    """float64 [2, D], orthonormal: the directions of valence and of arousal."""
    rng = np.random.Generator(np.random.Philox(key=[2**62 + 1, NAMES.index(name)]))
    signs = np.where(rng.random(width) < 0.5, -1.0, 1.0) / np.sqrt(width / 2)
    even = np.arange(width) % 2 == 0
    return np.stack([np.where(even, signs, 0.0), np.where(even, 0.0, signs)])


def mean_face(width: int) -> np.ndarray:
    """float64 [D]: what stands where no face was found; it tells nothing."""
    return np.where(np.arange(width) % 3 == 0, 0.5, -0.25)


def signal(name: str, width: int, shown: np.ndarray, start: np.ndarray, length: np.ndarray):
    """float64 [R, D] before style and noise."""
    row = np.arange(CONSTANTS["rows"])
    on = (row >= start[:, None]) & (row < (start + length)[:, None])  # [N, rows]
    loud = CONSTANTS["amplitude"][name] * np.repeat(shown, len(row), 0) * on.reshape(-1, 1)
    return loud @ code(name, width)


def style_unit(name: str, width: int) -> float:
    """The deviation of the signal, spread over the features."""
    share = np.mean(CONSTANTS["event"]) / CONSTANTS["rows"]
    return float(CONSTANTS["amplitude"][name] * np.sqrt(share / width))


def records(size: str, seed: int, dials: Dials) -> dict[str, Iterator[dict]]:
    """{split: records}, a film each, made one at a time."""
    return {
        split: (_record(one) for one in films)
        for split, films in stories(size, seed, dials).items()
    }


def _record(one: Film) -> dict:
    return {
        "id": one.id,
        "group": one.id,
        "start": 0.0,
        "duration": float(len(one.values)),
        "features": one.features,
        "rate": dict.fromkeys(one.features, 1.0),
        "values": one.values,
        "values_time": np.arange(len(one.values), dtype=np.float32) + 0.5,
    }


def prepare(
    folder: str | pathlib.Path,
    size: str = "quick",
    seed: int = 0,
    dials: Dials | None = None,
    format: str = "tfrecord",
) -> pathlib.Path:
    """These films as a dataset under `folder`, made when no sound one is there yet."""
    dials = dials or Dials()
    stories(size, seed, dials)  # an unknown size is told here
    plan = SIZES[size]
    chosen = {
        "sample": f"films-{size}",
        "seed": seed,
        "dials": dataclasses.asdict(dials),
        "constants": CONSTANTS,
        "size": dataclasses.asdict(plan),
        "format": format,
    }
    modalities = {name: (width, 1.0) for name, width in plan.widths.items()}
    spec = records_lib.Spec(modalities=plan.widths, value_names=VALUES)
    made = lambda: records(size, seed, dials)  # noqa: E731
    return sample_store.prepare(folder, f"films-{size}-{seed}", chosen, spec, made, modalities)
