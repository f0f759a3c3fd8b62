"""The built-in sample's frozen world: emotions, codes, words, rates. `DIGEST` names it.

Nothing here depends on a seed: all corpora share one world, so that a model of one corpus can be
tested on another. The numbers were set once, against the gates of `sample_gates`, before any
model was trained; a test holds `DIGEST` to the value it had then. Who changes how the stories
follow from them raises `version`, so that folders of the older stories are not taken for new ones.
"""

import dataclasses
import functools
import hashlib
import json
from typing import Any

import numpy as np

from affectjax.errors import UserError

EMOTIONS = ("joy", "surprise", "tenderness", "fear", "sadness", "anger")  # three a polarity
POLARITY = (0, 0, 0, 1, 1, 1)
WIDTHS = {"image": 32, "motion": 48, "audio": 16}
SEGMENT_SECONDS = 16 / 30
ROWS_PER_SECOND = 30 / 16

CONSTANTS = {
    "version": 1,
    "emotions": EMOTIONS,
    "widths": WIDTHS,
    "prior": (3, 2, 1, 3, 2, 1),  # imbalance 3:1
    "cosine": 0.6,  # between the codes of one polarity; 0 across
    # time line
    "segments": (45, 58),
    "episodes": (2, 4),
    "episode_segments": (3, 8),
    "gap": 2,  # calm segments between episodes, at least
    "repeat": 0.3,  # an episode of a plain clip repeats the strongest's emotion
    "peak": (5.0, 1.5),  # intensity of the strongest episode and of the others
    "strongest_decides": 0.76,  # or another does; in a binding clip always the strongest
    "intensity_ar": 0.9,
    "intensity_spread": 0.25,
    # features
    "amplitude": {"image": 1.1, "motion": 0.86, "audio": 0.63},  # over noise of deviation 1
    "compression": 0.75,  # features show intensity to this power
    "noise_ar": 0.5,
    "style": (1.0, 2.0),  # a group's nuisance over the signal's variance
    "binding": 0.3,
    "keys": 4,
    "event_amplitude": 3.5,
    "event_distance": (2, 6),
    # comments
    "base_rate": 0.2,
    "rate": 1.0,
    "lag": (3.0, 2.0),  # mean and deviation of a Gamma law, seconds
    "off_topic": 0.25,
    "copies": 0.3,
    "copy_delay": 1.0,
    "length": (10, 9, 8, 7, 6, 5, 4, 3, 2, 1),  # weights of 3, 4, ... 12 words
    "second_word": 0.3,  # a second emotional word
    "word_exponent": 1.5,
    "shared_ranks": (1, 4, 7, 10, 13, 16),  # of 20: the 30 % that a polarity shares
    "neutral_exponent": 1.0,
    "hint": 0.09,  # a context word hints at the emotion
    "hint_exponent": 0.5,
    "hint_own": 0.7,
    "hint_polarity": 0.2,  # and the rest hints at the other polarity
}

# Plain words; ranks in a list follow the order.
OWN = {
    "joy": "happy yay delight cheerful laughing glad joyful smiling merry bliss fun jolly sunny "
    "gleeful lucky playful radiant thrilled festive upbeat",
    "surprise": "wow unexpected whoa astonished gasp incredible sudden amazed unreal twist "
    "startling speechless stunning shock miracle unbelievable jolt curious puzzled dazzled",
    "tenderness": "sweet gentle caring warmhearted hug adorable loving tender soft kind cuddle "
    "precious touched cozy affection devoted fond grateful dear comforting",
    "fear": "scary afraid terrified creepy panic dread horror frightened spooky nervous trembling "
    "eerie haunted worried fearful chilling alarmed menacing uneasy timid",
    "sadness": "sad crying tears lonely heartbroken sorrow mourning gloomy weeping grief miserable "
    "tragic hopeless farewell melancholy regret forlorn sobbing wistful downcast",
    "anger": "angry furious rage outraged mad annoyed hateful unfair bitter hostile shouting "
    "irritated fuming grumpy resentful disgusted indignant cruel seething vengeful",
}
SHARED = (
    "lovely wonderful beautiful great charming moved",
    "terrible awful painful hurt upset harsh",
)
NEUTRAL = (
    "the this that here now look scene part again just one so it what they there then still "
    "some first next minute before after same other which also really about side front back left "
    "right middle second place people watch frame camera video sound voice talk line word name "
    "hand face hair coat hat chair table window street car train house room wall floor tree river "
    "hill road bridge city town cup plate paper book screen clock"
)
HINTS = {
    "joy": "party dance friends holiday music game picnic beach",
    "surprise": "box curtain trick reveal magic corner mask guess",
    "tenderness": "baby mother kitten blanket grandma letter puppy lullaby",
    "fear": "dark night shadow behind cellar forest alone knife",
    "sadness": "rain funeral goodbye grave hospital winter empty photo",
    "anger": "fight boss traffic lie thief punch court cheat",
}


def check_dials(dials: Any) -> None:
    """Raises where one of a story's dials lies beyond gone and as planted."""
    for name, value in dataclasses.asdict(dials).items():
        if not 0 <= value <= 1:
            raise UserError(
                f"a dial of the sample must lie in 0..1, not {value}",
                name,
                "0 switches the effect off, 1 leaves it as planted.",
            )


@dataclasses.dataclass(frozen=True)
class Dials:
    """Each effect of the sample from 0 (gone) over .5 to 1 (as planted)."""

    signal: float = 1.0  # how much the features show
    binding: float = 1.0  # share of clips that only image and audio together explain
    style: float = 1.0  # nuisance shared by the clips of a source
    off_topic: float = 1.0  # comments about something else
    herding: float = 1.0  # comments that copy others
    lag: float = 1.0  # delay between an event and its comments
    text_overlap: float = 1.0  # words that the emotions of a polarity share
    hints: float = 1.0  # what context words tell
    repeats: float = 1.0  # episodes that repeat the strongest's emotion

    def __post_init__(self):
        check_dials(self)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, parted at white space."""
    return tuple(text.split())


def lexicon() -> dict[str, tuple[str, ...]]:
    """Every emotional word of the sample and the emotions it speaks of."""
    found = {word: (emotion,) for emotion in EMOTIONS for word in words_of(OWN[emotion])}
    for polarity, text in enumerate(SHARED):
        names = tuple(e for e, p in zip(EMOTIONS, POLARITY) if p == polarity)
        found.update({word: names for word in words_of(text)})
    return found


def _digest() -> str:
    world = [CONSTANTS, OWN, SHARED, NEUTRAL, HINTS, dataclasses.asdict(Dials())]
    return hashlib.sha256(json.dumps(world, sort_keys=True).encode()).hexdigest()


DIGEST = _digest()


def prior() -> np.ndarray:
    """float64[K], how often an emotion is told."""
    weights = np.array(CONSTANTS["prior"], np.float64)
    return weights / weights.sum()


def zipf(n: int, exponent: float) -> np.ndarray:
    """Probabilities of n words whose frequency falls with their rank."""
    weights = np.arange(1, n + 1) ** -exponent
    return weights / weights.sum()


@functools.cache
def bases() -> dict[str, np.ndarray]:
    """{modality: float64[directions, D]}, orthonormal rows, the same on every machine.

    Gram-Schmidt in plain sums, rounded: a library's QR differs between processors.
    """
    count = 2 + len(EMOTIONS) + CONSTANTS["keys"] + 3
    found = {}
    for m, (name, width) in enumerate(WIDTHS.items()):
        rng = np.random.Generator(np.random.Philox(key=[2**62, m]))
        rows: list[np.ndarray] = []
        for vector in rng.standard_normal((count, width)):
            for row in rows * 2:  # twice, since once leaves rounding behind
                vector = vector - (vector * row).sum() * row
            rows.append(vector / np.sqrt((vector * vector).sum()))
        found[name] = np.round(np.stack(rows), 9)
    return found


def codes(basis: np.ndarray) -> dict[str, np.ndarray]:
    """Unit vectors: emotion [K, D], polarity [2, D], key [keys, D], symbol [3, D]."""
    cosine, kinds = CONSTANTS["cosine"], len(EMOTIONS)
    polarity, own = basis[:2], basis[2 : 2 + kinds]
    keys = basis[2 + kinds : 2 + kinds + CONSTANTS["keys"]]
    emotion = np.sqrt(cosine) * polarity[list(POLARITY)] + np.sqrt(1 - cosine) * own
    return {"emotion": emotion, "polarity": polarity, "key": keys, "symbol": basis[-3:]}
