"""Which of the papers' tables some workdirs belong to, filled; what cannot be placed is noted."""

import pathlib
from collections.abc import Sequence

from affectjax import tables
from affectjax.errors import UserError
from affectjax.report import fill, runs
from affectjax.tables import Paper


def of(folders: Sequence[pathlib.Path]) -> tuple[list[tuple[Paper, list[fill.Section]]], list[str]]:
    """([(paper, its sections that hold our runs beside something)], notes).

    Tables that cannot be filled are left out and the reason is a note: the page has more to say.
    """
    found = []
    for folder in folders:
        if (folder / "command.json").is_file():
            found.append(runs.read(folder))
    papers, notes = [], []
    for name in tables.names():
        paper = tables.load(name)
        configs = {table.config_of(row) for table in paper.tables for row in table.rows}
        own = [each for each in found if each.config in configs]
        if not any(each.runs for each in own):
            continue
        try:
            sections = [s for table in paper.tables for s in fill.sections(table, own)[0]]
        except UserError as error:
            notes.append(f"The tables of {paper.name} are left out: {error}")
            continue
        if sections := [section for section in sections if _compares(section)]:
            papers.append((paper, sections))
    return papers, notes


def _compares(section: fill.Section) -> bool:
    """A run beside the paper's numbers, or beside another run where the paper has none."""
    ours = sum(bool(line.runs) for line in section.lines)
    return ours > (0 if section.of_paper else 1)
