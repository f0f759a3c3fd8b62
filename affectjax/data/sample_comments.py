"""Time-synchronised comments on a clip of the sample, each with its hidden cause, and their laws.

The laws (how words and times follow from the time line) are written once, as arrays, and used
both to draw comments and to say what an ideal reader could know.
"""

import dataclasses
import functools

import numpy as np

from affectjax.data import sample_world as world
from affectjax.data.sample_story import Timeline, pick
from affectjax.data.sample_world import CONSTANTS, EMOTIONS, POLARITY, SEGMENT_SECONDS, Dials

CALM = len(EMOTIONS)  # the row of the context law for comments that express no emotion
STEP = 1e-3  # seconds, the grid on which delays are tabulated
HORIZON = 60.0


@dataclasses.dataclass(frozen=True)
class Comments:
    """The C comments of a clip, by time. Words are indices into `vocabulary()`."""

    time: np.ndarray  # float32[C], seconds
    words: tuple[np.ndarray, ...]  # C arrays int64[L]
    emotional: tuple[np.ndarray, ...]  # C arrays bool[L]
    cause: np.ndarray  # int64[C], the segment that moved the writer (a copy: the original's)
    episode: np.ndarray  # int64[C], its episode, -1 where calm
    emotion: np.ndarray  # int64[C], the true emotion at the cause, -1 where calm
    expressed: np.ndarray  # int64[C], the emotion that the words speak of, -1 for none
    off_topic: np.ndarray  # bool[C]
    copy_of: np.ndarray  # int64[C], index of the comment it copies, or -1

    def __len__(self) -> int:
        return len(self.time)


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Every word of the sample: the emotional ones first, then the context."""
    emotional = tuple(world.lexicon())
    hints = tuple(word for name in EMOTIONS for word in world.words_of(world.HINTS[name]))
    return emotional + world.words_of(world.NEUTRAL) + hints


@functools.cache
def emotional_law(overlap: float) -> np.ndarray:
    """float64[K, W]: how an emotion chooses an emotional word. Zipf lists with shared ranks."""
    index = {word: i for i, word in enumerate(vocabulary())}
    ranks = CONSTANTS["shared_ranks"]
    ranks = ranks[: round(overlap * len(ranks))]
    law = np.zeros((len(EMOTIONS), len(index)))
    for e, name in enumerate(EMOTIONS):
        words = list(world.words_of(world.OWN[name]))
        shared = world.words_of(world.SHARED[POLARITY[e]])
        for place, rank in enumerate(ranks):  # turned, or one word would lead all three lists
            words[rank] = shared[(place + 2 * (e % 3)) % len(ranks)]
        chances = world.zipf(len(words), CONSTANTS["word_exponent"])
        for word, chance in zip(words, chances):
            law[e, index[word]] = chance
    return law


@functools.cache
def context_law(hints: float) -> np.ndarray:
    """float64[K + 1, W]: how a context word follows from the emotion expressed (last row: none)."""
    index = {word: i for i, word in enumerate(vocabulary())}
    neutral = world.words_of(world.NEUTRAL)
    base = np.zeros(len(index))
    chances = world.zipf(len(neutral), CONSTANTS["neutral_exponent"])
    base[[index[word] for word in neutral]] = chances
    lists = np.zeros((len(EMOTIONS), len(index)))
    for e, name in enumerate(EMOTIONS):
        words = world.words_of(world.HINTS[name])
        chances = world.zipf(len(words), CONSTANTS["hint_exponent"])
        lists[e, [index[word] for word in words]] = chances
    law = np.repeat(base[None], len(EMOTIONS) + 1, 0)
    own, near = CONSTANTS["hint_own"], CONSTANTS["hint_polarity"]
    for e in range(len(EMOTIONS)):
        share = [
            own if o == e else near / 2 if POLARITY[o] == POLARITY[e] else (1 - own - near) / 3
            for o in range(len(EMOTIONS))
        ]
        told = sum(part * row for part, row in zip(share, lists))
        law[e] += hints * CONSTANTS["hint"] * (told - base)
    return law


@functools.cache
def lag_law(lag: float) -> np.ndarray:
    """float64[grid]: chance that a comment follows its event within i * STEP seconds."""
    if not lag:
        return np.ones(int(HORIZON / STEP) + 1)
    mean, deviation = CONSTANTS["lag"]
    shape, scale = (mean / deviation) ** 2, lag * deviation**2 / mean
    middle = (np.arange(int(HORIZON / STEP)) + 0.5) * STEP / scale
    density = np.exp((shape - 1) * np.log(middle) - middle)
    return np.concatenate([[0.0], np.cumsum(density) / density.sum()])


@functools.cache
def copy_law(lag: float) -> np.ndarray:
    """As `lag_law`, from the event to a copy: the original's lag and the copy's own delay."""
    fade = np.exp(-STEP / CONSTANTS["copy_delay"])
    first, found = lag_law(lag), np.zeros(int(HORIZON / STEP) + 1)
    state = 0.0
    for i in range(1, len(found)):  # an exponential delay is a leaky running mean of the first law
        state = fade * state + (1 - fade) * (first[i - 1] + first[i]) / 2
        found[i] = state
    return found


def rates(clip: Timeline) -> np.ndarray:
    """float64[T], events a second that lead to a comment."""
    return CONSTANTS["base_rate"] + CONSTANTS["rate"] * clip.intensity


def _poisson(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    """Counts by inversion: one uniform number each, the same in every version of NumPy."""
    reach = np.arange(1, 64)
    chances = np.exp(-mean)[:, None] * np.concatenate(
        [np.ones((len(mean), 1)), np.cumprod(mean[:, None] / reach, axis=1)], axis=1
    )
    return (np.cumsum(chances, axis=1) < rng.random(len(mean))[:, None]).sum(1)


def draw(rng: np.random.Generator, clip: Timeline, dials: Dials) -> Comments:
    """All comments of a clip, by the law of the generator under these dials."""
    herding = CONSTANTS["copies"] * dials.herding
    events = _poisson(rng, rates(clip) * SEGMENT_SECONDS * (1 - herding))
    cause = np.repeat(np.arange(clip.segments), events)
    count = len(cause)
    grid = np.arange(int(HORIZON / STEP) + 1) * STEP
    time = (cause + rng.random(count)) * SEGMENT_SECONDS
    if dials.lag:
        time = time + np.interp(rng.random(count), lag_law(dials.lag), grid)
    off_topic = rng.random(count) < CONSTANTS["off_topic"] * dials.off_topic
    expressed = np.where(off_topic, rng.integers(0, CALM, count), clip.emotions[cause])
    texts = [_text(rng, int(emotion), dials) for emotion in expressed]

    duration = clip.segments * SEGMENT_SECONDS
    kept = np.flatnonzero(time < duration)
    each = _poisson(rng, np.full(len(kept), herding / (1 - herding)))
    source = np.concatenate([kept, np.repeat(kept, each)]).astype(np.int64)
    copy = np.arange(len(source)) >= len(kept)
    delay = -CONSTANTS["copy_delay"] * np.log1p(-rng.random(len(source)))
    time = time[source] + np.where(copy, delay, 0.0)
    here = np.flatnonzero(time < duration)
    order = here[np.argsort(time[here], kind="stable")]
    place = np.full(count, -1)
    place[source[order][~copy[order]]] = np.flatnonzero(~copy[order])
    latest = np.nextafter(np.float32(duration), np.float32(0))
    return Comments(
        time=np.minimum(time[order].astype(np.float32), latest),
        words=tuple(texts[i][0] for i in source[order]),
        emotional=tuple(texts[i][1] for i in source[order]),
        cause=cause[source[order]],
        episode=clip.shown[cause[source[order]]],
        emotion=clip.emotions[cause[source[order]]],
        expressed=expressed[source[order]],
        off_topic=off_topic[source[order]],
        copy_of=np.where(copy[order], place[source[order]], -1),
    )


def _text(rng: np.random.Generator, expressed: int, dials: Dials) -> tuple[np.ndarray, np.ndarray]:
    """(int64[L] words, bool[L] emotional) of one comment."""
    length = 3 + int(pick(rng, CONSTANTS["length"]))
    words = pick(rng, context_law(dials.hints)[expressed], length)
    emotional = np.zeros(length, bool)
    if expressed >= 0:
        count = 1 + int(rng.random() < CONSTANTS["second_word"])
        emotional[rng.permutation(length)[:count]] = True
        words[emotional] = pick(rng, emotional_law(dials.text_overlap)[expressed], count)
    return words, emotional
