"""Prediction against truth along films, from a finished run's predictions_test.csv alone."""

import csv
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from affectjax.errors import UserError
from affectjax.report import palette, pictures


class Curve(NamedTuple):
    """One film: seconds, what was predicted and what is true [n], NaN where nobody annotated."""

    seconds: np.ndarray
    prediction: np.ndarray
    truth: np.ndarray

    @property
    def error(self) -> float:
        """The mean square over annotated seconds, NaN where there is none."""
        apart = (self.prediction - self.truth)[np.isfinite(self.truth)]
        return float(np.square(apart).mean()) if len(apart) else math.nan


def of_run(path: pathlib.Path, value: str) -> dict[str, Curve]:
    """{film: curve} of one value from a run's predictions_test.csv."""
    wanted = ("group", "second", f"prediction_{value}", f"truth_{value}")
    rows: dict[str, list[list[float]]] = {}
    try:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                group, *numbers = (row[key] for key in wanted)
                rows.setdefault(group, []).append([float(n or "nan") for n in numbers])
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(path)) from error
    except (KeyError, ValueError) as error:
        raise UserError(f"holds no {value} of films, second by second", str(path)) from error
    return {film: Curve(*np.array(table).T) for film, table in rows.items()}


def best_and_worst(curves: Mapping[str, Curve]) -> tuple[str, str]:
    """The films with the smallest and with the largest error."""
    known = {film: one.error for film, one in curves.items() if np.isfinite(one.error)}
    if not known:
        raise UserError("no film has a truth to compare with", "predictions")
    return min(known, key=known.get), max(known, key=known.get)


def against(predicted: Mapping[str, Curve], value: str, title: str = ""):
    """Several models' curves of the same film over its truth."""
    fig = pictures.figure(7.0, 2.6)
    axes = fig.subplots()
    looks = palette.styles(list(predicted))
    truth = next(iter(predicted.values()))
    axes.plot(truth.seconds, truth.truth, color=palette.TRUTH, lw=2.2, label="truth")
    for name, one in predicted.items():
        look = looks[name]
        axes.plot(one.seconds, one.prediction, color=look.colour, ls=look.line, label=name)
    axes.axhline(0, color="#dddddd", lw=0.8, zorder=0)
    axes.set(xlabel="seconds", ylabel=value, xlim=(truth.seconds[0], truth.seconds[-1] + 1))
    axes.legend(fontsize=7, ncols=4, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, loc="left", fontsize=9)
    return fig


def figures(runs: Mapping[str, pathlib.Path], value: str) -> Iterator[tuple[str, object]]:
    """(name, figure) of the first run's best and worst film, with the curves of all runs."""
    curves = {name: of_run(run / "predictions_test.csv", value) for name, run in runs.items()}
    first = next(iter(curves.values()))
    for kind, film in zip(("best", "worst"), best_and_worst(first)):
        shown = {name: own[film] for name, own in curves.items() if film in own}
        title = f"{film}, MSE {first[film].error:.3f}"
        yield f"film {value} {kind}", against(shown, value, title)
