"""The papers' result tables as data: one module a paper, each with its PAPER; code is generic.

A row of a table is one variant string of a config, or literature that is printed and not rerun; a
column is one metric on one dataset. The numbers stand as they are printed in the paper's tables.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Sequence

from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Column:
    """One metric on one dataset."""

    name: str  # as the report prints it
    data: str  # the dataset, for people
    datasets: tuple[str, ...]  # what the names of its datasets begin with
    variant: str  # what the config calls it
    metric: str = "accuracy"  # the key among a run's metrics
    unit: float = 1.0  # what a run's number is multiplied by
    decimals: int = 3
    spread: str = "seeds"  # what runs differ in: seeds, splits; or groups that are drawn again
    test_share: float | None = None  # of splits: test clips to one training clip


@dataclasses.dataclass(frozen=True)
class Row:
    """One method with its printed numbers, one a column; None where the table has none."""

    name: str
    numbers: tuple[float | None, ...]
    variant: str | None = None  # comma-separated; "" is the config itself, None is literature
    note: str = ""
    config: str = ""  # where it is not of the table's config
    apart: bool = False  # reads other features than the table's other rows


@dataclasses.dataclass(frozen=True)
class Table:
    """One table; `main` names the row that every other one is compared with."""

    number: str
    title: str
    config: str  # configs/<config>.py
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    main: str
    note: str = ""

    @property
    def apart(self) -> tuple[str, ...]:
        """The rows whose runs read a dataset of their own features."""
        return tuple(row.name for row in self.rows if row.apart)

    def command(self, row: Row, column: Column) -> str:
        """What follows --config= to run this cell."""
        words = ",".join(filter(None, (column.variant, row.variant)))
        return f"configs/{self.config_of(row)}.py" + (f":{words}" if words else "")

    def config_of(self, row: Row) -> str:
        """The config that a row is a variant of."""
        return row.config or self.config


@dataclasses.dataclass(frozen=True)
class Paper:
    """A paper and its tables."""

    name: str
    title: str
    tables: tuple[Table, ...]


OURS = "not a row of the paper"


def percent(
    name: str, data: str, datasets: tuple[str, ...], variant: str, decimals: int = 1, **how
) -> Column:
    """Accuracy in percent; `how` says what differs."""
    title = f"{name}, accuracy (%)"
    return Column(title, data, datasets, variant, unit=100.0, decimals=decimals, **how)


def videoemotion8(name: str, variant: str, decimals: int = 1, **how) -> Column:
    """Accuracy on VideoEmotion-8: a mean over random splits of two to one."""
    how = {"spread": "splits", "test_share": 0.5} | how
    return percent(name, "VideoEmotion-8", ("videoemotion8",), variant, decimals, **how)


def ekman6(name: str, decimals: int = 1, **how) -> Column:
    """Accuracy on Ekman-6: its own split, and seeds."""
    how = {"variant": "ekman6"} | how
    return percent(name, "Ekman-6", ("ekman6",), decimals=decimals, **how)


def by_class(column: Column, classes: Sequence[str]) -> tuple[Column, ...]:
    """The recall of each class, in that order, and last the column itself."""
    dataset = column.name.partition(",")[0]
    each = (
        dataclasses.replace(column, name=f"{dataset}, {k} (%)", metric=f"accuracy/{k}")
        for k in classes
    )
    return (*each, column)


def names() -> list[str]:
    """The papers there are tables of."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Paper:
    """The tables of a paper, by the name of its module here."""
    if name not in names():
        raise UserError(
            f"there are no tables of a paper '{name}'", "--paper", f"Use {' or '.join(names())}."
        )
    return importlib.import_module(f"{__name__}.{name}").PAPER
