"""What there is to say of some experiments, in tables: progress, scores, confusions, settings."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from affectjax import intervals
from affectjax.report import measure, palette
from affectjax.report.history import Experiment
from affectjax.report.measure import Measured
from affectjax.report.size import of_run
from affectjax.tables import Column

COUNTS = ("count", "words", "comments", "skipped", "epoch", "films")  # metrics that are no scores


class Table(NamedTuple):
    """Cells as they are read; `note` stands under them."""

    header: tuple[str, ...]
    rows: list[list[str]]
    note: str = ""


Scores = dict[str, Measured]  # metric -> its mean over runs


def groups(experiments: Sequence[Experiment]) -> list[list[Experiment]]:
    """Experiments that can stand in one picture: one config and dataset, as many as have looks.

    One of which nobody knows the dataset yet stands with the first of its config.
    """
    found: dict[tuple, list[Experiment]] = {}
    for each in sorted(experiments, key=lambda each: each.dataset is None):
        known = [key for key in found if key[0] == each.family]
        key = (each.family, each.dataset) if each.dataset or not known else known[0]
        found.setdefault(key, []).append(each)
    ordered = [sorted(group, key=lambda each: each.number) for group in found.values()]
    return _parts(sorted(ordered, key=lambda group: group[0].number))


def by_config(experiments: Sequence[Experiment]) -> list[list[Experiment]]:
    """Experiments whose settings can be held against each other: of one config, few at a time."""
    families = dict.fromkeys(each.family for each in experiments)
    return _parts([[each for each in experiments if each.family == name] for name in families])


def _parts(groups: list[list[Experiment]]) -> list[list[Experiment]]:
    """No group larger than there are looks, cut into parts of about one size."""
    parts = []
    for group in groups:
        count = -(-len(group) // len(palette.STYLES))
        size = -(-len(group) // count)
        parts += [group[i : i + size] for i in range(0, len(group), size)]
    return parts


def heading(group: Sequence[Experiment]) -> str:
    """What a group of experiments is about."""
    dataset = next((each.dataset[0] for each in group if each.dataset), "")
    return group[0].family + (f" on {dataset}" if dataset else "")


def progress(experiments: Sequence[Experiment]) -> Table:
    """How far each has come, how large it is, and where its time went."""
    rows = []
    for each in experiments:
        run = next(iter(each.runs.values()), None)
        size = of_run(run).parameters if run else None
        chosen = sorted({t.chosen for t in each.trainings if t.chosen is not None})
        rows.append(
            [
                str(each.number),
                each.name,
                each.dataset[0] if each.dataset else "",
                each.state,
                "" if not chosen else _span(chosen),
                f"{size:,}" if size is not None else "",
                *(_median(each, f"time/{key}", form) for key, form in TIMES.items()),
                str(each.folder),
            ]
        )
    header = ("", "experiment", "dataset", "state", "exported step", "parameters", "seconds a step",
              "examples a second", "waiting for input", "utilisation", "folder")  # fmt: skip
    note = (
        "Times are medians over the log's lines. Utilisation is the model's own floating-point "
        "work over the device's peak: the maker's figure, or a measured matrix product on a "
        "device without one."
    )
    return Table(header, rows, note)


TIMES: dict[str, Callable[[float], str]] = {
    "step_s": lambda value: f"{value:.3g}",
    "examples_per_s": lambda value: f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}",
    "input_wait": lambda value: f"{100 * value:.1f} %",
    "utilisation": lambda value: f"{100 * value:.2g} %",
}


def scores(each: Experiment, draws: int | None = None) -> Scores:
    """Every metric of the test part, over its finished runs.

    The interval of several runs is over seeds or splits, that of one over the test set's groups.
    """
    draws = measure.DRAWS if draws is None else draws
    runs = each.runs
    if not runs:
        return {}
    names = list(dict.fromkeys(name for run in runs.values() for name in run.metrics))
    names = [name for name in names if all(name in run.metrics for run in runs.values())]
    if len(runs) > 1:
        columns = {name: Column(name, "", (), "", name) for name in names}
        return {name: measure.measure(runs, column) for name, column in columns.items()}
    (run,) = runs.values()
    drawn = {}
    test = run.scored
    if test is not None:
        whole = test.metrics()
        # Predictions and result must be of one kind, or the interval is of another number.
        fits = [name for name, value in whole.items() if _alike(value, run.metrics.get(name))]
        if fits:
            drawn = intervals.all_over_groups(test.metrics, test.groups, draws)
            drawn = {name: drawn[name] for name in fits if math.isfinite(drawn[name].low)}
        spread = f"{len(set(test.groups))} groups"
    found = {}
    for name in names:
        value = run.metrics[name]
        mean = math.nan if value is None else value
        if name in drawn:
            found[name] = Measured(drawn[name]._replace(mean=mean), 1, 0, spread)
        else:
            alone = intervals.Interval(mean, math.nan, math.nan)
            found[name] = Measured(alone, 1, int(math.isnan(mean)), "")
    return found


def score_table(group: Sequence[Experiment], found: dict[int, Scores], main: bool) -> Table:
    """A row a metric, a column an experiment; `main`: those that are of no class or part alone."""
    names = dict.fromkeys(name for each in group for name in found[each.number])
    names = [name for name in names if ("/" not in name and name not in COUNTS) == main]
    with_scores = [each for each in group if found[each.number]]
    rows = []
    for name in names:
        cells = [found[each.number].get(name) for each in with_scores]
        rows.append([name, *(shown(cell) for cell in cells)])
    spreads = {cell.spread for each in with_scores for cell in found[each.number].values()} - {""}
    header = ("metric", *(f"{each.number}" for each in with_scores))
    over = ", ".join(sorted(spreads))
    return Table(header, rows, f"With 95 % intervals, over {over}." if over else "")


def families(found: dict[int, Scores]) -> dict[str, list[str]]:
    """Metrics that are told for each class or value: {'accuracy': ['joy', 'fear', ...]}."""
    names = dict.fromkeys(name for each in found.values() for name in each)
    parts: dict[str, list[str]] = {}
    for name in names:
        head, _, tail = name.partition("/")
        if tail and head in names and head not in COUNTS:
            parts.setdefault(head, []).append(tail)
    return parts


def confusions(each: Experiment) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Class names and counts [K, K] over all its runs; None where there are no classes."""
    tests = [run.scored for run in each.runs.values()]
    tests = [test for test in tests if test is not None and test.classes]
    if not tests or any(test.names != tests[0].names for test in tests):
        return None
    return tests[0].names, np.sum([test.confusion() for test in tests], axis=0)


def differences(experiments: Sequence[Experiment]) -> Table:
    """The settings in which they differ, a row a key and a column an experiment."""
    keys = sorted({key for each in experiments for key in each.config})
    rows = []
    for key in keys:
        values = [setting(each, key) for each in experiments]
        if len(set(values)) > 1:
            rows.append([key, *values])
    return Table(("setting", *(str(each.number) for each in experiments)), rows)


def setting(each: Experiment, key: str) -> str:
    """One setting as text; a dash where the config has no such key."""
    return str(each.config[key]) if key in each.config else "\u2013"


def shown(cell: Measured | None) -> str:
    """A score with its interval."""
    if cell is None:
        return ""
    mean, low, high = cell.interval
    if math.isnan(mean):
        return "undefined"
    text = _three(mean)
    if math.isfinite(low):
        text += f" ({_three(low)} to {_three(high)})"
    return text + (f", undefined in {cell.undefined} of {cell.runs}" if cell.undefined else "")


def count(number: int, what: str) -> str:
    """2 experiments, 1 experiment."""
    return f"{number} {what}" + ("s" if number != 1 else "")


def _alike(found: float, told: float | None) -> bool:
    return told is not None and math.isclose(found, told, rel_tol=1e-4, abs_tol=1e-5)


def _three(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _median(each: Experiment, metric: str, form: Callable[[float], str]) -> str:
    found = [t.curves.get("train", {}).get(metric, ((), ()))[1] for t in each.trainings]
    values = np.concatenate([np.zeros(0), *found])
    values = values[np.isfinite(values)]
    return form(float(np.median(values))) if len(values) else ""
