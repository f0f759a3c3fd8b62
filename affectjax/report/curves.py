"""Which curves stand in which panel: losses, validation scores, and where the time went."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from affectjax.report import palette
from affectjax.report.history import Curve, Experiment
from affectjax.report.lines import Line
from affectjax.report.overview import COUNTS

FIRST = ("accuracy", "macro_f1", "ccc", "pcc", "mse", "word_top1", "time_top1", "map@0.1")
SHOWN = 4  # scores of the validation part that stand in the open
TIMES = {
    "time/input_wait": "share of the time spent waiting for input",
    "time/utilisation": "floating-point utilisation",
    "time/examples_per_s": "examples a second",
}


class Panel(NamedTuple):
    """One chart of curves."""

    title: str
    lines: list[Line]
    floor: float | None = None  # a value that the scale must hold


def learning(group: Sequence[Experiment]) -> tuple[list[Panel], list[Panel]]:
    """(the panels that matter first, all others); scores of single classes are left to the CSV."""
    train, validation = _metrics(group, "train"), _metrics(group, "validation")
    scores = [name for name in validation if "/" not in name and name not in COUNTS]
    scores.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    losses = [name for name in validation if name.startswith("loss/")]
    main = [("train", "loss")] * ("loss" in train)
    main += [("validation", name) for name in [*scores[:SHOWN], *losses[:1]]]
    rest = [
        ("train", name)
        for name in train
        if name != "loss" and name not in COUNTS and not name.startswith("time/")
    ]
    rest += [("validation", name) for name in [*losses[1:], *scores[SHOWN:]]]
    return _panels(group, main), _panels(group, rest)


def time(group: Sequence[Experiment]) -> list[Panel]:
    """Input waiting, utilisation and examples a second, over the run."""
    panels = []
    for name, title in TIMES.items():
        if found := [line._replace(mark=None) for line in _lines(group, "train", name)]:
            panels.append(Panel(title, found, 0.0))
    return panels


def _metrics(group: Sequence[Experiment], part: str) -> list[str]:
    return list(
        dict.fromkeys(
            name
            for each in group
            for training in each.trainings
            for name in training.curves.get(part, {})
        )
    )


def _panels(group: Sequence[Experiment], which: list[tuple[str, str]]) -> list[Panel]:
    return [Panel(f"{name}, {part}", _lines(group, part, name)) for part, name in which]


def _lines(group: Sequence[Experiment], part: str, metric: str) -> list[Line]:
    """The curves of one metric; where repetitions have a mean, they are thin and it is not."""
    found = []
    for each, style in zip(group, palette.STYLES):
        runs = [t for t in each.trainings if metric in t.curves.get(part, {})]
        curves = [t.curves[part][metric] for t in runs]
        mean = _mean(curves)
        label = str(each.number)
        for i, (training, (steps, values)) in enumerate(zip(runs, curves)):
            title = f"{label} {each.name} {training.name if len(runs) > 1 else ''}"
            thin = mean is not None
            found.append(
                Line(
                    label if not thin and i == len(runs) - 1 else "",
                    _said(title, steps, values),
                    steps,
                    values,
                    style,
                    thin,
                    None if len(runs) > 1 else training.chosen,
                )
            )
        if mean is not None:
            title = f"{label} {each.name}, mean of {len(runs)}"
            found.append(Line(label, _said(title, *mean), *mean, style))
    return sorted(found, key=lambda line: not line.thin)  # means lie over what they are of


def _mean(curves: list[Curve]) -> Curve | None:
    """The mean of repetitions over the steps that all have; None for one alone, or for none."""
    if len(curves) < 2:
        return None
    steps = curves[0][0]
    for other, _ in curves[1:]:
        steps = np.intersect1d(steps, other)
    if not len(steps):
        return None
    values = [each[np.isin(at, steps)] for at, each in curves]
    return steps, np.mean(values, axis=0)


def _said(title: str, steps: np.ndarray, values: np.ndarray) -> str:
    return f"{title.strip()}: {values[-1]:.4g} at step {steps[-1]}"
