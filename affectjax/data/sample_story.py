"""One clip of the sample: its time line of episodes, and the features that show it."""

import dataclasses

import numpy as np

from affectjax.data import sample_world as world
from affectjax.data.sample_world import CONSTANTS, Dials


@dataclasses.dataclass(frozen=True)
class Timeline:
    """What happens in a clip of T segments; the features and the comments follow from it."""

    segments: int  # T
    start: np.ndarray  # int64[E], first segment of each episode
    stop: np.ndarray  # int64[E], one past its last
    emotion: np.ndarray  # int64[E]
    strongest: int  # the most intense episode
    decisive: int  # the episode that the label speaks of
    binding: bool
    events: dict[str, np.ndarray]  # {image, audio: int64[2, 3]} (segment, key, symbol) if binding
    intensity: np.ndarray  # float64[T], 0 where calm
    shown: np.ndarray  # int64[T], the episode of each segment, -1 where calm

    @property
    def label(self) -> int:
        """The emotion of its decisive segment."""
        return int(self.emotion[self.decisive])

    @property
    def polarity(self) -> int:
        """0 where that emotion is pleasant, 1 where it is not."""
        return world.POLARITY[self.label]

    @property
    def emotions(self) -> np.ndarray:
        """int64[T], the emotion of each segment, -1 where calm."""
        return np.where(self.shown >= 0, self.emotion[self.shown], -1)


def pick(rng: np.random.Generator, weights: np.ndarray, count: int | None = None):
    """Draw by weights through the inverse of their running sum: one uniform number a draw."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, rng.random(count), side="right"), len(edges) - 1)


def between(rng: np.random.Generator, bounds: tuple[int, int], count: int | None = None):
    """Whole numbers from the first bound to the last, both included."""
    return rng.integers(bounds[0], bounds[1] + 1, count)


def ar1(rng: np.random.Generator, rows: int, width: int, keep: float) -> np.ndarray:
    """float64[rows, width] stationary AR(1) of deviation 1."""
    noise = rng.standard_normal((rows, width))
    fresh = np.sqrt(1 - keep * keep)
    for row in range(1, rows):
        noise[row] = keep * noise[row - 1] + fresh * noise[row]
    return noise


def timeline(rng: np.random.Generator, dials: Dials, prior: np.ndarray) -> Timeline:
    """`prior` float64[K] is the law of the strongest emotion; the others follow the world's."""
    segments = int(between(rng, CONSTANTS["segments"]))
    count = int(between(rng, CONSTANTS["episodes"]))
    length = between(rng, CONSTANTS["episode_segments"], count)
    spare = segments - length.sum() - (count - 1) * CONSTANTS["gap"]
    cuts = np.sort(between(rng, (0, int(spare)), count))
    start = cuts + np.cumsum(length) - length + np.arange(count) * CONSTANTS["gap"]
    stop = start + length
    strongest = int(rng.integers(count))
    binding = bool(rng.random() < CONSTANTS["binding"] * dials.binding)
    other = (strongest + 1 + int(rng.integers(count - 1))) % count
    agreed = rng.random() < CONSTANTS["strongest_decides"]
    decisive = strongest if binding or agreed else other

    leading = int(pick(rng, prior))
    emotion = pick(rng, world.prior(), count)
    repeats = rng.random(count) < CONSTANTS["repeat"] * dials.repeats
    # Never in a binding clip, where a repeated episode would show the label openly.
    emotion = np.where(repeats & (not binding), leading, emotion)
    emotion[strongest] = leading

    shown = np.full(segments, -1)
    for episode in range(count):
        shown[start[episode] : stop[episode]] = episode
    peak = np.where(shown == strongest, CONSTANTS["peak"][0], CONSTANTS["peak"][1])
    swing = ar1(rng, segments, 1, CONSTANTS["intensity_ar"])[:, 0]
    swing = np.exp(CONSTANTS["intensity_spread"] * swing)
    intensity = np.where(shown >= 0, peak * swing, 0.0)

    events = _events(rng, leading, segments, int(start[strongest])) if binding else {}
    return Timeline(
        segments, start, stop, emotion, strongest, decisive, binding, events, intensity, shown
    )


def _events(
    rng: np.random.Generator, label: int, segments: int, onset: int
) -> dict[str, np.ndarray]:
    """Two events a modality; one key is common to both, and only its symbols give the class."""
    keys = rng.permutation(CONSTANTS["keys"])[:3]
    symbols = rng.integers(0, 3, (2, 2))  # [image | audio, matched | other]
    symbols[1, 0] = (label % 3 - symbols[0, 0]) % 3
    taken: list[int] = []
    places = np.zeros((2, 2), np.int64)
    for pair in range(2):  # the matched pair begins with the strongest episode
        while True:
            first = onset if pair == 0 else int(rng.integers(segments))
            second = first + int(between(rng, CONSTANTS["event_distance"])) * (
                1 if rng.random() < 0.5 else -1
            )
            if 0 <= second < segments and not {first, second} & set(taken):
                break
        turned = int(rng.random() < 0.5)
        places[turned, pair], places[1 - turned, pair] = first, second
        taken += [first, second]
    return {
        name: np.stack([places[row], keys[[0, 1 + row]], symbols[row]], axis=1)
        for row, name in enumerate(("image", "audio"))
    }


def loudness(clip: Timeline, name: str, dials: Dials) -> np.ndarray:
    """float64[T], how strongly modality `name` shows each segment's episode."""
    return dials.signal * CONSTANTS["amplitude"][name] * clip.intensity ** CONSTANTS["compression"]


def signal(clip: Timeline, name: str, basis: np.ndarray, dials: Dials) -> np.ndarray:
    """float64[T, D], what modality `name` shows of the clip, before style and noise."""
    code = world.codes(basis)
    shows = np.concatenate([code["emotion"][clip.emotion], np.zeros((1, basis.shape[1]))])
    if clip.binding:  # the class stays hidden: motion shows the polarity, the others only events
        polarity = code["polarity"][clip.polarity]
        shows[clip.strongest] = polarity if name == "motion" else 0.0
    found = loudness(clip, name, dials)[:, None] * shows[clip.shown]
    for place, key, symbol in clip.events.get(name, ()):
        found[place] += (
            dials.signal
            * CONSTANTS["event_amplitude"]
            * (code["key"][key] + code["symbol"][symbol])
        )
    return found


def features(
    clips: list[Timeline],
    dials: Dials,
    style_rng: np.random.Generator,
    noise_rngs: list[np.random.Generator],
) -> list[dict[str, np.ndarray]]:
    """One source's clips -> per clip {modality: float16[T, D]}; they share a style vector."""
    found: list[dict[str, np.ndarray]] = [{} for _ in clips]
    for name, basis in world.bases().items():
        width = basis.shape[1]
        signals = [signal(clip, name, basis, dials) for clip in clips]
        rows = sum(len(rows) for rows in signals)
        power = sum((rows * rows).sum() for rows in signals) / rows
        low, high = CONSTANTS["style"]
        share = dials.style * (low + (high - low) * style_rng.random())
        style = np.sqrt(share * power / width) * style_rng.standard_normal(width)
        for clip, (rng, shown) in enumerate(zip(noise_rngs, signals)):
            noise = ar1(rng, len(shown), width, CONSTANTS["noise_ar"])
            found[clip][name] = (shown + style + noise).astype(np.float16)
    return found
