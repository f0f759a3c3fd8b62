"""The emotions of comments, counted in windows, as distributions to learn (danmaku 3).

Window k holds the comments of [k, k + 1) times its seconds; the last may reach beyond the video's
end. A comment counts once for each of its emotions, and one without emotions counts for nothing.
A window with fewer counted comments than `least` is empty; a row of it is NaN, and so masked,
unless another reading is chosen.
"""

from collections.abc import Sequence

import numpy as np

from affectjax.errors import UserError
from data_prep.lexicon import Lexicon

EMPTY = ("mask", "uniform", "mean")


def distributions(
    times: Sequence[float] | np.ndarray,
    emotions: np.ndarray,
    duration: float,
    seconds: float = 5.0,
    least: int = 5,
    lag: float = 0.0,
    smoothing: float = 0.0,
    empty: str = "mask",
) -> tuple[np.ndarray, np.ndarray]:
    """(float32[n, K], float32[n]): the share of each emotion, and when each window starts.

    times [C] in seconds and emotions bool[C, K]. A comment is about what was shown `lag` seconds
    before it. `smoothing` is added to each count of a window that is not empty. Empty windows:
    "mask" NaN, "uniform" 1 / K, "mean" of the video's other windows (NaN if it has none).
    """
    if empty not in EMPTY:
        raise UserError(f"empty is {empty!r}", mend=f"Choose from {', '.join(EMPTY)}.")
    if seconds <= 0 or smoothing < 0:
        raise UserError("seconds must be above 0, and smoothing not below", mend="Change them.")
    emotions = np.asarray(emotions, bool)
    kinds = emotions.shape[1]
    n = max(0, int(np.ceil(duration / seconds)))
    about = np.asarray(times, np.float64) - lag
    inside = (about >= 0) & (about < duration)
    # floor of the quotient can land one window off where a time lies on an edge
    edges = np.arange(n + 1) * seconds
    window = np.searchsorted(edges, about[inside], side="right") - 1
    votes = emotions[inside]
    counts = np.zeros((n, kinds))
    np.add.at(counts, window, votes)
    counted = np.bincount(window, votes.any(1), n)
    filled = counted >= max(least, 1)
    rows = np.full((n, kinds), np.nan)
    smooth = counts[filled] + smoothing
    rows[filled] = smooth / smooth.sum(1, keepdims=True)
    if empty == "uniform":
        rows[~filled] = 1 / kinds
    elif empty == "mean" and filled.any():
        rows[~filled] = rows[filled].mean(0)
    return rows.astype(np.float32), edges[:n].astype(np.float32)


def of_lexicon(
    words: Sequence[Sequence[str]], lexicon: Lexicon, classes: Sequence[str]
) -> np.ndarray:
    """bool[C, K]: which of the classes the words of each comment speak of."""
    rows = [[name in found for name in classes] for found in map(lexicon.emotions_in, words)]
    return np.array(rows, bool).reshape(len(words), len(classes))


def of_probabilities(probabilities: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """bool[C, K]: the classifiers that are sure enough of each comment, from float[C, K]."""
    return np.asarray(probabilities) >= threshold
