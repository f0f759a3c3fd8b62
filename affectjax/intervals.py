"""How sure a mean over runs is: intervals over seeds, over splits of one dataset, over groups.

Three protocols, three spreads. Seeds and corpora are independent, so Student's t serves. Random
splits of one dataset share most of their training clips, so their spread is too small, and the
variance is corrected by the share of test to training clips (the corrected resampled t). One run on
one test set has no spread over runs at all; there the groups (films, sources) are drawn again.
A paired difference is any of these over the differences.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

LEVEL = 0.95  # of every interval that is shown anywhere


class Interval(NamedTuple):
    """A mean and the ends of its interval, which are NaN where there is nothing to tell them by."""

    mean: float
    low: float
    high: float


def over_seeds(values: Sequence[float]) -> Interval:
    """Student's t over independent runs; one alone has a mean and no interval."""
    return over_splits(values, 0.0)


def over_splits(values: Sequence[float], test_share: float) -> Interval:
    """The corrected resampled t; `test_share` is the number of test clips to one training clip.

    The variance of the mean is (1 / n + test_share) times that of the values.
    """
    values = np.asarray(values, np.float64)
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return Interval(mean, math.nan, math.nan)
    spread = math.sqrt((1 / n + test_share) * values.var(ddof=1))
    half = special.stdtrit(n - 1, (1 + LEVEL) / 2) * spread
    return Interval(mean, mean - half, mean + half)


def over_groups(
    score: Callable[[np.ndarray], float],
    groups: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentiles of score(rows) over groups drawn with replacement; `rows` are row numbers.

    The mean is score(all rows). Draws in which the score is undefined are left out; where they are
    half of all, or where there is one group alone, there is no interval.
    """
    return all_over_groups(lambda rows: {"": score(rows)}, groups, draws, seed)[""]


def all_over_groups(
    score: Callable[[np.ndarray], dict[str, float]],
    groups: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """`over_groups` of every score that score(rows) gives by name, from the same draws."""
    names, of_row = np.unique(np.asarray(groups), return_inverse=True)
    whole = score(np.arange(len(of_row)))
    order = np.argsort(of_row, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(of_row))[:-1])
    random = np.random.default_rng(seed)
    drawn = [
        score(np.concatenate([members[g] for g in random.integers(len(names), size=len(names))]))
        for _ in range(draws if len(names) > 1 else 0)
    ]
    intervals = {}
    for key, mean in whole.items():
        found = np.array([scores[key] for scores in drawn])
        found = found[~np.isnan(found)]
        if len(found) <= draws / 2:
            intervals[key] = Interval(mean, math.nan, math.nan)
            continue
        low, high = np.quantile(found, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        intervals[key] = Interval(mean, float(low), float(high))
    return intervals
