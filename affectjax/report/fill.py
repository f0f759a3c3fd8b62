"""Tables with their cells filled: which run is which row, on which dataset, beside what."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from affectjax.errors import UserError
from affectjax.report.measure import Measured, Runs, measure
from affectjax.report.runs import Run, Workdir
from affectjax.report.size import Size, of_run
from affectjax.tables import Column, Table

START = "train.init_from="  # what an override says of where a run began
SMALL = "small"  # the variant of every config that is another model than the paper's
SAMPLE = "sample"  # what the names of the built-in sample's draws begin with

OWN_FLOORS = ("whole_video", "centre_half", "mean")  # what a model scores beside itself


@dataclasses.dataclass(frozen=True)
class Line:
    """One row of one column: the paper's number and ours."""

    name: str
    kind: str  # ours | literature | floor | predictions
    command: str = ""  # what follows --config=
    paper: float | None = None
    paper_difference: float | None = None  # less the paper's main row
    ours: Measured | None = None
    difference: Measured | None = None  # less our main row, paired
    note: str = ""
    runs: Runs = dataclasses.field(default_factory=dict)
    size: Size = Size()


@dataclasses.dataclass(frozen=True)
class Section:
    """One column of one table. `of_paper` is False on a dataset that the paper does not have."""

    table: Table
    column: Column
    lines: tuple[Line, ...]
    of_paper: bool
    settings: tuple[str, ...]  # overrides that all its runs have

    @property
    def missing(self) -> bool:
        """No run on this dataset at all."""
        return not any(line.runs for line in self.lines)


Placed = dict[tuple[str, tuple[str, ...]], Runs]  # (row, what makes it another method) -> runs
Beside = Mapping[str, tuple[str, Runs]]  # name -> (kind, runs) of floors and other systems


def nothing(column: Column, rows: Mapping[str, Runs]) -> Beside:
    """No floors and no other systems."""
    return {}


def sections(
    table: Table, workdirs: Sequence[Workdir], beside=nothing
) -> tuple[list[Section], list[Workdir]]:
    """Each of the paper's columns, then those of other datasets; and the workdirs with a place.

    `beside(column, rows)` gives what else stands in a section: {name: (kind, runs)}; `rows` are
    its runs by row, the main one first.
    """
    places: dict[Column, Placed] = {column: {} for column in table.columns}
    used, called = [], _called(workdirs)
    for workdir in workdirs:
        for row, column in _matches(table, workdir, called):
            used.append(workdir)
            extra = workdir.overrides
            if column in table.columns and SMALL in workdir.variants:
                extra = (*extra, SMALL)
            _add(places.setdefault(column, {}).setdefault((row, extra), {}), workdir, column)
    found = []
    for column, placed in places.items():
        placed, begun = _one_beginning(placed)
        if column in table.columns:
            placed = _one_dataset(column, placed, workdirs, table.apart)
        shared = frozenset.intersection(*(frozenset(extra) for _, extra in placed or [("", ())]))
        placed = {
            (row, tuple(word for word in extra if word not in shared)): runs
            for (row, extra), runs in placed.items()
        }
        main = placed.get((table.main, ()), {})
        rows = {table.main: main} if main else {}
        rows |= {" ".join((name, *extra)): runs for (name, extra), runs in placed.items()}
        extras = {}
        if rows:
            extras = {**own_floors(column, rows), **_scored(beside(column, rows), column)}
        lines = _lines(table, column, placed, main, extras, begun)
        settings = tuple(sorted(shared))
        found.append(Section(table, column, lines, column in table.columns, settings))
    return found, used


def own_floors(column: Column, rows: Mapping[str, Runs]) -> Beside:
    """Floors that the runs scored themselves: `whole_video/map@0.3` is one beside `map@0.3`.

    They are those of the main row's runs, or of the first there is.
    """
    runs, end = next(iter(rows.values())), f"/{column.metric}"
    common = set.intersection(*(set(run.metrics) for run in runs.values()))
    return {
        name.removesuffix(end).replace("_", " "): (
            "floor",
            {key: Run({column.metric: run.metrics[name]}) for key, run in runs.items()},
        )
        for name in sorted(common)
        if name.endswith(end) and name.removesuffix(end) in OWN_FLOORS
    }


def _scored(beside: Beside, column: Column) -> Beside:
    """Those that have the column's metric: a probe of classes finds no intervals."""
    return {
        name: (kind, runs)
        for name, (kind, runs) in beside.items()
        if all(column.metric in run.metrics for run in runs.values())
    }


Called = Mapping[tuple[str, str], str]  # (name, digest) of a dataset -> what a column calls it


def _called(workdirs: Sequence[Workdir]) -> Called:
    """Datasets of one name part by their digests; the sample's are draws of one, and do not."""
    known = {workdir.dataset for workdir in workdirs if workdir.runs}
    names = [name for name, _ in known]
    return {
        (name, digest): name
        if name.startswith(SAMPLE) or names.count(name) == 1
        else f"{name} {digest[:6]}"
        for name, digest in known
    }


def _matches(table: Table, workdir: Workdir, called: Called) -> Iterable[tuple[str, Column]]:
    """The rows and columns that a workdir is: the paper's own, or the like on another dataset."""
    if not workdir.runs:
        return
    words = workdir.variants - {SMALL}
    dataset, shown = workdir.dataset[0], called[workdir.dataset]
    for row in table.rows:
        if row.variant is None or workdir.config != table.config_of(row):
            continue
        own = _words(row.variant)
        columns = [c for c in table.columns if words == own | _words(c.variant)]
        for column in columns:
            telling = workdir.telling(column.metric)
            if not telling:
                continue
            if dataset.startswith(column.datasets):
                yield row.name, column
            elif "/" not in column.metric and all(
                column.metric in run.metrics for run in telling.values()
            ):  # its classes may be others
                name = f"{shown} as {column.name}"
                yield row.name, _elsewhere(column, shown, name)
        if not columns and words == own:
            for metric in ("accuracy", "mse", "pcc"):
                if any(metric in run.metrics for run in workdir.telling(metric).values()):
                    percent = metric == "accuracy"
                    name = f"{shown}, accuracy (%)" if percent else f"{shown}, {metric.upper()}"
                    unit, decimals = (100.0, 2) if percent else (1.0, 3)
                    yield (
                        row.name,
                        Column(name, shown, (shown,), "", metric, unit=unit, decimals=decimals),
                    )


def _words(variants: str) -> frozenset[str]:
    return frozenset(filter(None, variants.split(",")))


def _elsewhere(column: Column, shown: str, name: str) -> Column:
    return dataclasses.replace(
        column, name=name, data=shown, datasets=(shown,), test_share=None, spread="seeds"
    )


def _add(runs: Runs, workdir: Workdir, column: Column) -> None:
    _, digest = workdir.dataset
    for name, run in workdir.telling(column.metric).items():
        key = (digest, ",".join(filter(None, (name, workdir.repeat))))
        if key in runs:
            raise UserError(
                f"two workdirs hold the same run, {key[1] or 'of the same variants'}",
                f"{runs[key].folder}, {run.folder}",
                "Leave one of them out.",
            )
        runs[key] = run


def _one_beginning(placed: Placed) -> tuple[Placed, dict[str, str]]:
    """A row whose runs all name one export that they began from is that row, wherever that lies.

    Also gives {row: a note of where}.
    """
    named = {
        row: {tuple(w for w in extra if w.startswith(START)) for r, extra in placed if r == row}
        for row, _ in placed
    }
    same = {row: next(iter(found)) for row, found in named.items() if len(found) == 1}
    kept = {
        (row, tuple(word for word in extra if word not in same.get(row, ()))): runs
        for (row, extra), runs in placed.items()
    }
    notes = {row: f"from {words[0].removeprefix(START)}" for row, words in same.items() if words}
    return kept, notes


def _one_dataset(
    column: Column, placed: Placed, workdirs: Sequence[Workdir], apart: Iterable[str]
) -> Placed:
    """All runs of a column of the paper saw the same records, or they cannot be compared.

    Rows `apart` read features of their own. Where those were laid out for the same clips, theirs
    count as the same records.
    """
    common = {name: runs for name, runs in placed.items() if name[0] not in apart}
    digests = {digest for runs in common.values() for digest, _ in runs}
    if len(digests) == 1:
        tests = {key: run for runs in common.values() for key, run in runs.items()}
        placed = {
            name: runs if name in common else _laid_alike(runs, tests)
            for name, runs in placed.items()
        }
    if len(digests) > 1:
        finished = [w for w in workdirs if w.runs]
        where = [str(next(w.folder for w in finished if w.dataset[1] == d)) for d in digests]
        raise UserError(
            f"runs of {column.data} were trained on different records of it",
            ", ".join(sorted(where)),
            "Report on those of one dataset at a time.",
        )
    return placed


def _laid_alike(runs: Runs, tests: Runs) -> Runs:
    """Runs under the keys of those that were tested on the same clips, where they are known."""
    found = {}
    for (digest, name), run in runs.items():
        like = next((key for key in tests if key[1] == name), (digest, name))
        other = tests.get(like)
        both = other is not None and other.scored is not None and run.scored is not None
        found[like if both and other.scored.ids == run.scored.ids else (digest, name)] = run
    return found


def _lines(
    table: Table,
    column: Column,
    placed: Placed,
    main: Runs,
    beside: Beside,
    begun: Mapping[str, str],
) -> tuple[Line, ...]:
    of_paper = column in table.columns
    at = table.columns.index(column) if of_paper else None
    top = next(row for row in table.rows if row.name == table.main)
    lines = []
    for row in table.rows:
        paper = row.numbers[at] if of_paper else None
        less = None
        if paper is not None and row.name != table.main and top.numbers[at] is not None:
            less = paper - top.numbers[at]
        if row.variant is None:
            if paper is not None:
                lines.append(Line(row.name, "literature", "", paper, less, note=row.note))
            continue
        command = table.command(row, column)
        kinds = {extra: runs for (name, extra), runs in placed.items() if name == row.name}
        for extra in sorted({(), *kinds}):
            runs = kinds.get(extra, {})
            if not runs and not of_paper:
                continue
            name = row.name + (f", with {' '.join(extra)}" if extra else "")
            note = "; ".join(filter(None, (row.note, begun.get(row.name, ""))))
            ours = _line(name, "ours", runs, column, main, note)
            if not extra:
                ours = dataclasses.replace(
                    ours, command=command, paper=paper, paper_difference=less
                )
            lines.append(ours)
    for name, (kind, runs) in beside.items():
        lines.append(_line(name, kind, runs, column, main))
    return tuple(lines)


def _line(name: str, kind: str, runs: Runs, column: Column, main: Runs, note: str = "") -> Line:
    difference = measure(runs, column, main) if runs and main and runs != main else None
    ours = measure(runs, column) if runs else None
    large = of_run(next(iter(runs.values()))) if runs and kind == "ours" else Size()
    return Line(name, kind, ours=ours, difference=difference, note=note, runs=runs, size=large)
