"""Predictions of a test set as a CSV file: ours, and those of other systems, scored alike.

Ours have the columns id, group, then `label` and `probability_<class>`, or `prediction_<value>` and
`truth_<value>`. Those of others hold an id and, where the test clips differ from run to run, the
`run` (`split-3`); then either `class`, names in all rows or numbers from 0 in all; or a score for
every class, in columns named like the classes; or the values, in columns named like them. The truth
is never theirs.
"""

import csv
import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from affectjax import metrics
from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """A test set with what was predicted and what is true, a row a clip."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    names: tuple[str, ...]  # of the classes, or of the values
    guess: np.ndarray  # chosen class [n], or values [n, V]
    truth: np.ndarray  # label [n], -1 unknown; or values [n, V], NaN unknown

    @property
    def classes(self) -> bool:
        """Whether they are classes; otherwise they are values."""
        return self.truth.ndim == 1

    def metrics(self, rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
        """The metrics of these rows, by the names that training gives them."""
        score = metrics.of_classes if self.classes else metrics.regression
        return score(self.guess[rows], self.truth[rows], self.names)

    def confusion(self) -> np.ndarray:
        """[K, K] counts, row the label, column the class chosen."""
        return metrics.confusion(self.guess, self.truth, len(self.names))

    def with_guess(self, guess: np.ndarray) -> "Scored":
        """The same test set with other predictions."""
        return dataclasses.replace(self, guess=guess)


def of_run(path: pathlib.Path) -> Scored | None:
    """What a run predicted for its test clips; None where it is neither classes nor values."""
    table = Table(path)
    clips = table.texts("id"), table.texts("group")
    if "label" in table.columns and (names := table.after("probability_")):
        scores = table.numbers([f"probability_{name}" for name in names])
        label = table.numbers(["label"])[:, 0].astype(np.int64)
        return Scored(*clips, names, scores.argmax(1), label)
    if names := table.after("prediction_"):
        values = table.numbers([f"prediction_{name}" for name in names])
        return Scored(*clips, names, values, table.numbers([f"truth_{name}" for name in names]))
    return None


def of_others(path: str | os.PathLike, tests: dict[str, Scored]) -> dict[str, Scored]:
    """Another system's predictions for our runs' test sets, by run; UserError says why not.

    Without a column `run` there is one prediction a clip for all runs, the same object, and they
    must test the same clips.
    """
    table = Table(pathlib.Path(path))
    wanted = next(iter(tests.values()))
    runs = table.texts("run") if "run" in table.columns else None
    if runs is None and len({frozenset(test.ids) for test in tests.values()}) > 1:
        raise UserError(
            f"our runs {', '.join(sorted(tests))} test different clips",
            str(path),
            "Add a column `run` that says which of them a prediction is for.",
        )
    guess = _guess(table, wanted)
    row = {}
    for number, name in enumerate(table.texts("id")):
        key = (runs[number] if runs else "", name)
        if key in row:
            raise table.error(number, f"the clip {name!r} stands twice")
        row[key] = number
    found = {}
    for run, test in tests.items():
        if runs is None and found:
            found[run] = next(iter(found.values()))
            continue
        if runs is not None and run not in runs:
            continue
        rows = [row.get((run if runs else "", name)) for name in test.ids]
        if missing := [name for name, at in zip(test.ids, rows) if at is None]:
            raise UserError(
                f"{len(missing)} of {len(rows)} test clips have no prediction, "
                f"{missing[0]!r} for one",
                str(path),
                "Every clip of the test set must be predicted.",
            )
        found[run] = test.with_guess(guess[np.array(rows)])
    if not found:
        raise UserError(
            f"none of its runs is one of ours, {', '.join(sorted(tests))}",
            str(path),
            "Name them alike in the column `run`.",
        )
    return found


def _guess(table: "Table", wanted: Scored) -> np.ndarray:
    """Chosen classes [rows], or values [rows, V], from whichever columns there are."""
    if all(name in table.columns for name in wanted.names):
        numbers = table.numbers(wanted.names)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers).all(1))[0])
            raise table.error(row, "a prediction is missing or not finite")
        return numbers.argmax(1) if wanted.classes else numbers
    if not wanted.classes or "class" not in table.columns:
        raise UserError(
            f"holds no predictions of {', '.join(wanted.names)}",
            str(table.path),
            "Name columns like them" + (", or give one column `class`." * wanted.classes or "."),
        )
    return _classes(table, wanted.names)


def _classes(table: "Table", names: Sequence[str]) -> np.ndarray:
    """Chosen classes [rows] from the column `class`: names all of them, or all of them numbers."""
    chosen = table.texts("class")
    by_name = {name: i for i, name in enumerate(names)}
    by_number = {str(i): i for i in range(len(names))}
    fits = [sum(cell in known for cell in chosen) for known in (by_name, by_number)]
    known = by_name if fits[0] >= fits[1] else by_number
    for row, cell in enumerate(chosen):
        if cell not in known:
            raise table.error(row, f"there is no class {cell!r} among {', '.join(known)}")
    if fits[0] == fits[1] and any(by_name[cell] != by_number[cell] for cell in chosen):
        raise UserError(
            f"the column `class` holds names of {', '.join(names)}, or numbers from 0: both fit",
            str(table.path),
            "Give a score for every class instead, in columns named like them.",
        )
    return np.array([known[cell] for cell in chosen], np.int64)


class Table:
    """A CSV file with a header; whatever is wrong with it is said with its line."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                rows = list(csv.reader(file))
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", str(path)) from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"is no CSV file in UTF-8: {error}", str(path)) from error
        self.columns = {name: i for i, name in enumerate(rows[0])} if rows else {}
        self.rows = rows[1:]
        if "id" not in self.columns or not self.rows:
            raise UserError("needs a header with a column `id`, and rows under it", str(path))
        for number, row in enumerate(self.rows):
            if len(row) != len(rows[0]):
                raise self.error(number, f"{len(row)} cells under {len(rows[0])} columns")

    def texts(self, name: str) -> tuple[str, ...]:
        """The cells of a column, top to bottom."""
        if name not in self.columns:
            raise UserError(f"has no column {name!r}", str(self.path))
        return tuple(row[self.columns[name]] for row in self.rows)

    def after(self, prefix: str) -> tuple[str, ...]:
        """What follows the prefix in the names of the columns that have it."""
        return tuple(c.removeprefix(prefix) for c in self.columns if c.startswith(prefix))

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """[rows, columns]; an empty cell is NaN."""
        out = np.empty((len(self.rows), len(names)))
        for j, column in enumerate(map(self.texts, names)):
            for i, cell in enumerate(column):
                try:
                    out[i, j] = float(cell) if cell.strip() else math.nan
                except ValueError:
                    raise self.error(i, f"{cell!r} in {names[j]!r} is no number") from None
        return out

    def error(self, row: int, why: str) -> UserError:
        """What is wrong with a row, and on which line of the file."""
        return UserError(why, f"{self.path}, line {row + 2}")
