"""How positive the comments of a clip are, from 0 to 1, and which clips to take by it (TAM 5.1).

A scorer takes the words of one comment and gives a number from 0 (negative) to 1 (positive), NaN
where it cannot say. One by lexicon is built in; any other is named by its dotted path. The scores
choose clips and are not used in training.
"""

import importlib
from collections.abc import Callable, Sequence

import numpy as np

from affectjax.errors import UserError
from data_prep.lexicon import Lexicon

Scorer = Callable[[Sequence[str]], float]


def scorer(name: str = "lexicon", lexicon: Lexicon | None = None) -> Scorer:
    """The scorer by lexicon, or the function `package.module:function` of the user's own."""
    if name == "lexicon":
        if lexicon is None:
            raise UserError("The scorer by lexicon needs a lexicon", mend="Name one.")
        return lambda words: score(words, lexicon)
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        mend = "Write lexicon, or package.module:function, importable from where the command runs."
        raise UserError(f"The scorer {name!r} cannot be imported: {error}", mend=mend) from error
    if not callable(found):
        raise UserError(f"The scorer {name!r} is no function")
    return found


def score(words: Sequence[str], lexicon: Lexicon) -> float:
    """The share of good among the good and bad entries; 0.5 where there is neither."""
    signs = [lexicon.polarity(entry) for _, _, entry in lexicon.find(words)]
    good, bad = signs.count(1), signs.count(-1)
    return good / (good + bad) if good + bad else 0.5


def clip_scores(
    times: Sequence[float] | np.ndarray,
    words: Sequence[Sequence[str]],
    clips: Sequence[tuple[float, float]],
    score: Scorer,
) -> np.ndarray:
    """float64[n]: the mean score of the C comments that appear in each clip, NaN where none does.

    Takes all comments of the video, cleaned or not, as words.
    """
    times = np.asarray(times, np.float64)
    scores = np.array([score(w) for w in words], np.float64)
    if ((scores < 0) | (scores > 1)).any():
        raise UserError(f"The scorer gave {scores[(scores < 0) | (scores > 1)][0]}, not 0 to 1")
    out = np.full(len(clips), np.nan)
    for i, (start, end) in enumerate(clips):
        inside = scores[(times >= start) & (times < end)]
        inside = inside[~np.isnan(inside)]
        if len(inside):
            out[i] = inside.mean()
    return out


def select(scores: Sequence[float] | np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(most positive, most negative): n clips of each, no clip in both; int64 indices, ascending.

    Where fewer than 2 n clips have a score, half of them go each way, so the numbers stay equal.
    Equal scores are taken in the clips' order.
    """
    scores = np.asarray(scores, np.float64)
    order = np.argsort(scores, kind="stable")  # NaN goes last
    order = order[: np.count_nonzero(~np.isnan(scores))]
    n = min(n, len(order) // 2)
    return np.sort(order[len(order) - n :]), np.sort(order[:n])
