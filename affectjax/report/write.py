"""Filled tables as text: Markdown for people, CSV for whatever comes after."""

import csv
import io
import math
from collections.abc import Sequence

from affectjax.intervals import Interval
from affectjax.report.fill import Line, Section
from affectjax.report.measure import Measured
from affectjax.tables import Paper, Table

HEADER = (
    *("row", "variant", "paper", "less main", "ours", "95 % interval", "over", "runs"),
    *("less main, paired", "95 % interval of it", "parameters", "GFLOPs a clip", "note"),
)
NOTHING = Interval(math.nan, math.nan, math.nan)
ABOUT = """\
`paper` is the number as printed, `ours` the mean over finished runs. `less main` is a row less the
table's main row, in bold: the paper's from its printed numbers, ours paired run by run. Rows of
literature are printed and not rerun. An interval over seeds tells of the training alone, on one
test set; over groups, of the test set alone. Floors know a clip as the mean and the deviation of
its features over time, on the same splits."""


def markdown(paper: Paper, sections: Sequence[Section], notes: Sequence[str] = ()) -> str:
    """All tables, one section a column, and what there is to say under them."""
    parts = [f"# {paper.name}: {paper.title}", ABOUT]
    table = None
    for section in sections:
        if section.table is not table:
            table = section.table
            parts.append(f"## {name(table)}: {table.title}")
            parts += [table.note] if table.note else []
        parts.append(_section(section))
    if notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    column = section.column
    head = f"### {column.name}"
    if section.missing:
        head += f"\n\nNo finished run: needs {column.data}."
    if section.settings:
        head += f"\n\nAll runs with {', '.join(section.settings)}."
    return f"{head}\n\n{table(section)}"


def name(table: Table) -> str:
    """Table 3, and as it is where the paper has a figure instead."""
    return f"Table {table.number}" if table.number[:1].isdigit() else table.number.capitalize()


def table(section: Section) -> str:
    """One section's rows in Markdown."""
    header, *rows = cells(section)
    return aligned(header, rows)


def cells(section: Section) -> list[list[str]]:
    """The header of a section and its rows, without the columns that say nothing anywhere."""
    rows = [_cells(line, section) for line in section.lines]
    kept = [i for i in range(len(HEADER)) if i == 0 or any(row[i] for row in rows)]
    return [[row[i] for i in kept] for row in (HEADER, *rows)]


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown whose columns stand under each other."""
    table = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _note(line: Line, metric: str) -> str:
    said = [line.note] if line.note else []
    if line.ours and line.ours.undefined:
        reason = ", where it predicts a constant" if metric in ("pcc", "ccc") else ""
        said.append(f"undefined in {line.ours.undefined} of {line.ours.runs} runs{reason}")
    return "; ".join(said)


def _cells(line: Line, section: Section) -> list[str]:
    column, main = section.column, line.name == section.table.main and line.kind == "ours"
    name = f"**{line.name}**" if main else line.name
    if line.kind in ("floor", "predictions"):
        name = f"{line.kind}: {name}"
    found = line.ours or Measured(NOTHING, 0, 0, "")
    if line.ours:
        ours = _number(found.interval.mean, column.decimals) or "undefined"
    elif line.kind == "literature":
        ours = "literature, not rerun"
    else:
        ours = f"needs {column.data}" if section.missing else "no finished run"
    away = line.difference.interval if line.difference else NOTHING
    return [
        name,
        f"`{line.command.partition(':')[2] or 'none'}`" if line.command else "",
        _printed(line.paper, column.decimals),
        _number(line.paper_difference, column.decimals, "+"),
        ours,
        _ends(found.interval, column.decimals),
        found.spread,
        str(found.runs) if line.ours else "",
        _number(away.mean, column.decimals, "+"),
        _ends(away, column.decimals, "+"),
        f"{line.size.parameters:,}" if line.size.parameters is not None else "",
        f"{line.size.flops / 1e9:.3g}" if line.size.flops is not None else "",
        _note(line, column.metric),
    ]


def _number(value: float | None, decimals: int, sign: str = "") -> str:
    return "" if value is None or math.isnan(value) else f"{value:{sign}.{decimals}f}"


def _printed(value: float | None, decimals: int) -> str:
    """A paper's number with all the digits that it has there."""
    if value is None:
        return ""
    return f"{value:.{max(decimals, len(repr(value).partition('.')[2]))}f}"


def _ends(interval: Interval, decimals: int, sign: str = "") -> str:
    if math.isnan(interval.low):
        return ""
    return f"{interval.low:{sign}.{decimals}f} to {interval.high:{sign}.{decimals}f}"


# --- CSV, an empty cell for what is not there


def tables_csv(papers: Sequence[tuple[Paper, Sequence[Section]]]) -> str:
    """A row a cell of the papers' tables; `printed` is the number that stands in the paper."""
    header = (
        "paper,table,column,data,metric,row,kind,config,printed,printed_less_main,"
        "ours,low,high,over,runs,undefined,less_main,less_main_low,less_main_high,"
        "parameters,flops,settings,note"
    )
    rows = [
        [paper.name, *_where(section), *_numbers(section, line)]
        for paper, sections in papers
        for section in sections
        for line in section.lines
    ]
    return as_csv(header.split(","), rows)


def _numbers(section: Section, line: Line) -> list:
    ours, away = line.ours, line.difference
    return [
        *(section.column.data, section.column.metric, line.name, line.kind),
        *(line.command, line.paper, line.paper_difference),
        *(ours.interval if ours else [None] * 3),
        *(ours.spread if ours else "", ours.runs if ours else 0),
        ours.undefined if ours else "",
        *(away.interval if away else [None] * 3),
        *line.size,
        *(" ".join(section.settings), line.note),
    ]


def runs_csv(sections: Sequence[Section]) -> str:
    """A row a metric of every run, in the run's own unit."""
    rows, seen = [], set()
    for section in sections:
        for line in section.lines:
            for (digest, name), run in line.runs.items():
                if (section.table.number, line.name, run) not in seen:
                    seen.add((section.table.number, line.name, run))
                    what = [*_where(section), line.name, line.kind, digest[:16], name]
                    rows += [[*what, metric, value] for metric, value in run.metrics.items()]
    return as_csv("table,column,row,kind,dataset,run,metric,value".split(","), rows)


def confusion_csv(sections: Sequence[Section]) -> str:
    """A row a pair of classes, counted over all runs of a row, where they have the same."""
    rows = []
    for section in sections:
        for line in section.lines:
            tests = [run.scored for run in dict.fromkeys(line.runs.values())]
            tests = [test for test in tests if test is not None and test.classes]
            if not tests or any(test.names != tests[0].names for test in tests):
                continue
            names = tests[0].names
            for label, counts in zip(names, sum(test.confusion() for test in tests)):
                what = [*_where(section), line.name, line.kind]
                rows += [[*what, label, name, count] for name, count in zip(names, counts)]
    return as_csv("table,column,row,kind,label,chosen,count".split(","), rows)


def _where(section: Section) -> list[str]:
    return [section.table.number, section.column.name]


def as_csv(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A header and its rows; an empty cell for None and for what is not a number."""
    file = io.StringIO()
    out = csv.writer(file, lineterminator="\n")
    out.writerow(header)
    for row in rows:
        out.writerow([_cell(value) for value in row])
    return file.getvalue()


def _cell(value) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
