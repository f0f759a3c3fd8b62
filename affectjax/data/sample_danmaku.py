"""The sample's distributions: what a crowd's comments say in every window of five seconds.

A video is a run of episodes, each with a leading emotion. The truth of a window is drawn around
its episode's, by a Dirichlet law; a Poisson number of comments is drawn from it, of which a tenth
is taken for another emotion, and their shares are what a model sees. Picture, motion and sound show
the truth, each its part of it. Videos are of two kinds, told by a direction of their own: in the
second each emotion looks as the next one of its polarity does in the first, so that no one product
serves both.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from affectjax.data import records as records_lib
from affectjax.data import sample_store
from affectjax.data import sample_world as world
from affectjax.data.sample_story import ar1, between
from affectjax.data.sample_world import check_dials
from affectjax.errors import UserError

EMOTIONS = ("like", "joy", "surprise", "fear", "disgust", "sadness")
POLARITY = (0, 0, 0, 1, 1, 1)
NEXT = (1, 2, 0, 4, 5, 3)  # of the same polarity
K = len(EMOTIONS)
WINDOW = 5.0  # seconds
RATE = 2.0  # rows a second
SPEC = records_lib.Spec(modalities=dict(world.WIDTHS), distribution_names=EMOTIONS)

# Set once against the gates, before any model was trained on these stories.
CONSTANTS = {
    "version": 1,
    "emotions": EMOTIONS,
    "windows": (12, 30),
    "episode_windows": (2, 5),
    "base": (0.62, 0.11, 0.05),  # share of the leader, of its polarity's others, of each other
    "concentration": 14.0,
    "comments": 12.0,
    "least": 5,
    "flips": 0.1,
    "second_kind": 0.5,  # of the videos
    "amplitude": {"image": 1.9, "motion": 1.5, "audio": 1.9},  # of a share of 1, over noise of 1
    "kind": 2.0,
    "noise_ar": 0.5,
    "style": (1.0, 2.0),  # a video's nuisance over the signal's variance
}
SIZES = {
    "quick": {"train": 52, "test": 24},
    "study": {"train": 190, "test": 100},
}


@dataclasses.dataclass(frozen=True)
class Dials:
    """Each effect from 0 (gone) to 1 (as planted)."""

    signal: float = 1.0  # how much the features show
    kinds: float = 1.0  # how often a video is of the second kind
    flips: float = 1.0  # how often a comment is taken for another emotion
    style: float = 1.0  # nuisance of each video

    def __post_init__(self):
        check_dials(self)


@dataclasses.dataclass(frozen=True)
class Video:
    """One video and all that is planted in it; W windows."""

    id: str
    kind: int  # 0 or 1
    leader: np.ndarray  # int64 [W]
    truth: np.ndarray  # float64 [W, K]
    counted: np.ndarray  # int64 [W, K], comments by the emotion they were taken for
    features: dict[str, np.ndarray]  # {modality: float16 [rows, D]}

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return len(self.truth) * WINDOW

    @property
    def observed(self) -> np.ndarray:
        """float32 [W, K]: the comments' shares, NaN where too few were counted."""
        total = self.counted.sum(1, keepdims=True)
        shares = self.counted / np.maximum(total, 1)
        return np.where(total >= CONSTANTS["least"], shares, np.nan).astype(np.float32)


def base() -> np.ndarray:
    """float64 [K, K]: the mean distribution of a window, a row a leading emotion."""
    own, near, far = CONSTANTS["base"]
    alike = np.equal.outer(POLARITY, POLARITY)
    table = np.where(np.eye(K, dtype=bool), own, np.where(alike, near, far))
    return table / table.sum(1, keepdims=True)


def codes(name: str, kind: int) -> np.ndarray:
    """float64 [K, D]: how each emotion looks in a modality, in videos of a kind."""
    basis = world.bases()[name]
    shown = [NEXT[k] if kind else k for k in range(K)]
    return basis[shown]


def make(size: str = "quick", seed: int = 0, dials: Dials | None = None) -> dict[str, list[Video]]:
    """{split: videos}; the same arguments give the same stories, everywhere."""
    dials = dials or Dials()
    if size not in SIZES:
        raise UserError(f"the sample has no size {size!r}", "size", f"Choose from {list(SIZES)}.")
    if not 0 <= seed < 2**62:
        raise UserError(f"the sample's seed must lie in 0..2^62, not {seed}", "seed")
    found, number = {}, 0
    for split, count in SIZES[size].items():
        found[split] = [video(seed, number + i, dials) for i in range(count)]
        number += count
    return found


def video(seed: int, number: int, dials: Dials) -> Video:
    """One video of the sample: its windows, what is true in each, and what was counted there."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 2**41 + number]))
    windows = int(between(rng, CONSTANTS["windows"]))
    kind = int(rng.random() < CONSTANTS["second_kind"] * dials.kinds)
    leader: list[int] = []
    while len(leader) < windows:
        leader += [int(rng.integers(K))] * int(between(rng, CONSTANTS["episode_windows"]))
    leading = np.array(leader[:windows])
    truth = np.array([rng.dirichlet(CONSTANTS["concentration"] * row) for row in base()[leading]])
    counted = np.zeros((windows, K), np.int64)
    for w, count in enumerate(rng.poisson(CONSTANTS["comments"], windows)):
        meant = rng.choice(K, count, p=truth[w])
        wrong = rng.random(count) < CONSTANTS["flips"] * dials.flips
        other = (meant + 1 + rng.integers(K - 1, size=count)) % K
        counted[w] = np.bincount(np.where(wrong, other, meant), minlength=K)
    low, high = CONSTANTS["style"]
    share = dials.style * (low + (high - low) * rng.random())
    features = {}
    for name, width in world.WIDTHS.items():
        shown = np.repeat(signal(name, truth, kind, dials), int(WINDOW * RATE), axis=0)
        power = np.square(shown).mean()
        nuisance = np.sqrt(share * power) * rng.standard_normal(width)
        nuisance = nuisance + CONSTANTS["kind"] * (2 * kind - 1) * world.bases()[name][K]
        noise = ar1(rng, len(shown), width, CONSTANTS["noise_ar"])
        features[name] = (shown + nuisance + noise).astype(np.float16)
    return Video(f"danmaku-{number:04d}", kind, leading, truth, counted, features)


def signal(name: str, truth: np.ndarray, kind: int, dials: Dials) -> np.ndarray:
    """float64 [W, D], what a modality shows of each window's truth [W, K]."""
    return dials.signal * CONSTANTS["amplitude"][name] * (truth @ codes(name, kind))


def records(splits: dict[str, list[Video]]) -> dict[str, Iterator[dict]]:
    """{split: records}, as `affectjax.data.records` writes them."""
    return {split: (_record(one) for one in videos) for split, videos in splits.items()}


def _record(one: Video) -> dict:
    middles = (np.arange(len(one.truth)) + 0.5) * WINDOW
    return {
        "id": one.id,
        "group": one.id,
        "start": 0.0,
        "duration": one.duration,
        "features": one.features,
        "rate": dict.fromkeys(world.WIDTHS, RATE),
        "distribution": one.observed,
        "distribution_time": middles.astype(np.float32),
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
        "sample": f"danmaku-{size}",
        "seed": seed,
        "dials": dataclasses.asdict(dials or Dials()),
        "constants": CONSTANTS,
        "videos": SIZES.get(size, {}),
        "world": world.DIGEST,
        "format": format,
    }
    modalities = {name: (width, RATE) for name, width in world.WIDTHS.items()}
    made = lambda: records(make(size, seed, dials))  # noqa: E731
    name = f"danmaku-{size}-{seed}"
    return sample_store.prepare(folder, name, chosen, SPEC, made, modalities)
