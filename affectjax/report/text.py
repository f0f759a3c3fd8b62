"""The report's tables as Markdown."""

from collections.abc import Sequence

from affectjax.report import overview, write
from affectjax.report.fill import Section
from affectjax.report.history import Experiment
from affectjax.report.overview import Scores, Table
from affectjax.tables import Paper


def markdown(
    experiments: Sequence[Experiment],
    found: dict[int, Scores],
    papers: Sequence[tuple[Paper, list[Section]]],
    notes: Sequence[str],
) -> str:
    """The tables of the page."""
    parts = [
        f"# {overview.count(len(experiments), 'experiment')}",
        _table(overview.progress(experiments)),
    ]
    for group in overview.groups(experiments):
        table = overview.score_table(group, found, main=True)
        if table.rows:
            parts += [f"## Scores, {overview.heading(group)}", _table(table)]
    for paper, sections in papers:
        parts.append(f"## Beside {paper.name}: {paper.title}")
        for section in sections:
            title = f"### {write.name(section.table)}, {section.column.name}"
            parts += [title, write.table(section)]
    for group in overview.by_config(experiments):
        table = overview.differences(group)
        if table.rows:
            parts += [f"## Settings that differ, {group[0].family}", _table(table)]
    if notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    return write.aligned(table.header, table.rows) + (f"\n\n{table.note}" if table.note else "")
