"""One number of a table: the mean over runs, how sure it is, and paired differences."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from affectjax import intervals
from affectjax.errors import UserError
from affectjax.report.runs import Run
from affectjax.tables import Column

DRAWS = 1000

Key = tuple[str, str]  # digest of the dataset, name of the run
Runs = dict[Key, Run]


class Measured(NamedTuple):
    """A mean over runs, in the column's unit; NaN where the metric is defined in none."""

    interval: intervals.Interval
    runs: int
    undefined: int  # runs in which the metric is not defined; the mean is over the others
    spread: str  # what the interval is over: "10 splits", "5 seeds", "42 groups"; "" for none


def measure(runs: Runs, column: Column, minus: Runs | None = None) -> Measured | None:
    """The column's metric over runs; with `minus`, run by run less theirs. None: nothing common."""
    if minus is None:
        runs = _once(runs)
    else:
        runs = {key: run for key, run in runs.items() if key in minus}
        minus = {key: minus[key] for key in runs}
    if not runs:
        return None
    values = {key: _value(run, column) for key, run in runs.items()}
    if minus is not None:
        values = {key: value - _value(minus[key], column) for key, value in values.items()}
    defined = {key: value for key, value in values.items() if not math.isnan(value)}
    undefined = len(values) - len(defined)
    if not defined:
        nothing = intervals.Interval(math.nan, math.nan, math.nan)
        return Measured(nothing, len(values), undefined, "")
    interval, spread = _interval(defined, runs, minus, column)
    return Measured(interval, len(values), undefined, spread)


def _once(runs: Runs) -> Runs:
    """One prediction that stands for several runs, as a floor for all seeds, is one."""
    first: dict[Run, Key] = {}
    for key, run in runs.items():
        first.setdefault(run, key)
    return {key: run for run, key in first.items()}


def _interval(values, runs: Runs, minus: Runs | None, column: Column):
    """(interval, what it is over) by what the runs differ in."""
    corpora = _means(values, lambda key: key[0])
    if len(corpora) > 1:
        return intervals.over_seeds(corpora), f"{len(corpora)} corpora"
    numbers = list(values.values())
    splits = _means(values, lambda key: key[1].partition(",")[0])  # without the seed, if several
    if len(splits) > 1 and all(name.startswith("split-") for _, name in values):
        share = column.test_share or _test_share([runs[key] for key in values])
        return intervals.over_splits(splits, share), f"{len(splits)} splits"
    if column.spread == "groups" or len(numbers) == 1:
        both = [[side[key] for key in values] for side in (runs, minus) if side is not None]
        if found := _by_groups(both, column):
            return found
    spread = f"{len(numbers)} seeds" if len(numbers) > 1 else ""
    return intervals.over_seeds(numbers), spread


def _means(values: dict[Key, float], what: Callable[[Key], str]) -> list[float]:
    """The means of the values that are of the same thing: they do not count as independent."""
    found: dict[str, list[float]] = {}
    for key, value in values.items():
        found.setdefault(what(key), []).append(value)
    return [float(np.mean(same)) for same in found.values()]


def _by_groups(sides: list[list[Run]], column: Column):
    """Groups of the test set drawn again; None where that cannot be known clip by clip."""
    tests = [run.scored for side in sides for run in side]
    if any(test is None or test.ids != tests[0].ids for test in tests):
        return None
    if column.metric not in tests[0].metrics():  # one that clips alone do not give
        return None
    for run in (run for side in sides for run in side):
        _belongs(run, column)

    def score(rows: np.ndarray) -> float:
        means = [
            np.mean([run.scored.metrics(rows)[column.metric] for run in side]) for side in sides
        ]
        return float(means[0] - sum(means[1:])) * column.unit

    groups = tests[0].groups
    return intervals.over_groups(score, groups, DRAWS), f"{len(set(groups))} groups"


def _belongs(run: Run, column: Column) -> None:
    """The predictions clip by clip give the number that the run reported."""
    told, found = _value(run, column), run.scored.metrics()[column.metric] * column.unit
    if not math.isclose(told, found, rel_tol=1e-4, abs_tol=1e-5 * column.unit):
        raise UserError(
            f"the predictions give {column.metric} {found:.6g}, result.json says {told:.6g}",
            str(run.folder),
            "One of the two files is of another run.",
        )


def _value(run: Run, column: Column) -> float:
    """The metric in the column's unit, NaN where it is not defined."""
    if column.metric not in run.metrics:
        raise UserError(
            f"a run has no metric '{column.metric}'",
            str(run.folder or "predictions"),
            f"It has {', '.join(run.metrics) or 'none'}.",
        )
    value = run.metrics[column.metric]
    return math.nan if value is None else value * column.unit


def _test_share(runs: list[Run]) -> float:
    """Test clips to one training clip, from the clips that some split tests; NaN if unknown."""
    tests = [run.scored for run in runs]
    if any(test is None for test in tests):
        return math.nan
    every = len(set().union(*(test.ids for test in tests)))
    tested = float(np.mean([len(test.ids) for test in tests]))
    return tested / (every - tested) if every > tested else math.nan
