"""Gates of the sample's distributions: an oracle, the mean, and linear probes, all by their KL.

The oracle says the planted truth, with the share of comments that are taken for another emotion;
what is left to it is the drawing of a dozen comments.
"""

from collections.abc import Sequence

import numpy as np

from affectjax import distribution_metrics
from affectjax.data.sample_danmaku import CONSTANTS, RATE, WINDOW, Dials, K, Video

RIDGE = 0.01  # of the number of training windows, on standardised features
LEAST = 0.01  # of a class that a probe leaves at least, before it divides


def gates(splits: dict[str, list[Video]], dials: Dials | None = None) -> dict:
    """KL on `test` of the oracle, the mean and probes; and which gates hold."""
    fit, test = splits["train"], splits["test"]
    flips = CONSTANTS["flips"] * (dials or Dials()).flips
    wrong = flips / (K - 1)
    heard = [v.truth * (1 - flips) + (1 - v.truth) * wrong for v in test]
    oracle = score(test, heard)
    known = np.concatenate([v.observed for v in fit])
    mean = known[np.isfinite(known).all(1)].mean(0)
    floor = score(test, [np.broadcast_to(mean, v.truth.shape) for v in test])
    names = tuple(fit[0].features)
    probes = {name: score(test, probe(fit, test, (name,))) for name in names}
    probes["all"] = score(test, probe(fit, test, names))
    spread = floor - oracle
    holds = {"spread": spread > 0.2} | {
        name: oracle + 0.15 * spread <= value <= floor - 0.05 * spread
        for name, value in probes.items()
    }
    return {"oracle": oracle, "mean": floor, "probes": probes, "holds": holds}


def score(videos: Sequence[Video], found: Sequence[np.ndarray]) -> float:
    """The mean KL of distributions [W, K], a video each."""
    truth = np.concatenate([v.observed for v in videos])
    names = [v.id for v in videos for _ in v.truth]
    return distribution_metrics.averaged(truth, np.concatenate(found), names)["kl"]


def probe(fit: Sequence[Video], test: Sequence[Video], names: Sequence[str]) -> list[np.ndarray]:
    """Ridge regression of a window's distribution on its mean features, per video of `test`."""

    def rows(videos):
        pooled = [
            np.concatenate([_windows(v.features[name]) for name in names], axis=1) for v in videos
        ]
        return np.concatenate(pooled)

    x, y = rows(fit), np.concatenate([v.observed for v in fit])
    known = np.isfinite(y).all(1)
    middle, scale = x.mean(0), x.std(0) + 1e-9

    def prepared(values):
        return np.concatenate([(values - middle) / scale, np.ones((len(values), 1))], axis=1)

    a = prepared(x[known])
    penalty = RIDGE * len(a) * np.eye(a.shape[1])
    slopes = np.linalg.solve(a.T @ a + penalty, a.T @ y[known])
    guess = np.maximum(prepared(rows(test)) @ slopes, LEAST)
    guess = guess / guess.sum(1, keepdims=True)
    return np.split(guess, np.cumsum([len(v.truth) for v in test])[:-1])


def _windows(features: np.ndarray) -> np.ndarray:
    """[rows, D] -> float64 [W, D], the mean of each window."""
    each = int(WINDOW * RATE)
    return features.astype(np.float64).reshape(-1, each, features.shape[1]).mean(1)
