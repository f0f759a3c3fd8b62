"""Metrics of K yes-or-no classifiers: accuracy, balanced accuracy, and the area under the ROC.

The area is that of the scores: how often a comment that has the emotion scores above one that has
not. Of hard decisions it would be the balanced accuracy, which stands beside it. What is not
defined, as where nobody has the emotion, is NaN.
"""

from collections.abc import Sequence

import numpy as np


def scores(probability: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Probabilities [n, K] and truths [n, K] of 0, 1 or NaN (unknown) -> metrics of all and each.

    `accuracy`, `balanced_accuracy` and `auc` are means over the emotions for which they are
    defined, and NaN where none is; `<metric>/<name>` are those of one. A probability of 0.5 is yes.
    """
    if not np.shape(probability) == np.shape(truth) == (len(truth), len(names)):
        raise ValueError(f"{np.shape(probability)}, truths {np.shape(truth)}, {len(names)} names")
    table: dict[str, list[float]] = {"accuracy": [], "balanced_accuracy": [], "auc": []}
    counts = {}
    for name, guess, fact in zip(names, np.transpose(probability), np.transpose(truth)):
        known = ~np.isnan(fact)
        guess, fact = guess[known], fact[known] > 0.5
        right = (guess >= 0.5) == fact
        table["accuracy"].append(_mean(right))
        table["balanced_accuracy"].append((_mean(right[fact]) + _mean(right[~fact])) / 2)
        table["auc"].append(auc(guess, fact))
        counts |= {f"positives/{name}": float(fact.sum()), f"count/{name}": float(len(fact))}
    found = {}
    for key, values in table.items():
        found[key] = _mean(np.array([value for value in values if not np.isnan(value)]))
        found |= {f"{key}/{name}": value for name, value in zip(names, values)}
    return found | counts


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """The share of (positive, negative) pairs in order, ties counted half; NaN without any pair."""
    score, positive = np.asarray(score, np.float64), np.asarray(positive, bool)
    many = int(positive.sum())
    pairs = many * (len(positive) - many)
    if not pairs:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # equal scores share the mean of their ranks
    return float((rank[positive].sum() - many * (many + 1) / 2) / pairs)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
