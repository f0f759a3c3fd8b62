"""The report as one page of HTML that needs nothing from elsewhere."""

import re
from collections.abc import Sequence

from affectjax.intervals import Interval
from affectjax.report import chart, curves, lines, overview, palette, shapes, write
from affectjax.report.fill import Section
from affectjax.report.history import Experiment
from affectjax.report.measure import Measured
from affectjax.report.overview import Scores
from affectjax.tables import Paper

STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:#222;background:#fff;
margin:0 auto;max-width:72rem;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.7rem;margin:0 0 .3rem}h2{font-size:1.3rem;margin:2.6rem 0 .4rem;
border-bottom:2px solid #222;padding-bottom:.2rem}
h3{font-size:1.05rem;margin:1.6rem 0 .4rem}h4{font-size:.95rem;margin:1.2rem 0 .2rem}
p{margin:.4rem 0;max-width:46rem}.note{color:#555;font-size:.87rem}
nav{margin:.6rem 0 0;font-size:.93rem}nav a{margin-right:1.1rem;color:#0072B2}
.wide{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.87rem}
th,td{padding:.2rem .9rem .2rem 0;text-align:left;vertical-align:top}
thead th{border-bottom:1px solid #888;font-weight:600;vertical-align:bottom}
tbody tr{border-bottom:1px solid #e6e6e6}td.n{white-space:nowrap;font-variant-numeric:tabular-nums}
.folder{color:#666;display:inline-block;min-width:9rem}
small{color:#555;font-size:.9em}
.panels{display:grid;
grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.4rem 1.2rem}
figure{margin:.5rem 0;break-inside:avoid}figcaption{font-size:.87rem;font-weight:600}
svg{max-width:100%;height:auto;display:block}.one{white-space:nowrap}
.one b{display:inline-block;min-width:1.3em}
svg.key{display:inline-block;max-width:none;vertical-align:-1px}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
svg text:not([fill]){fill:#333}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1.4rem;font-size:.87rem;margin:.3rem 0;padding:0;
list-style:none}.legend b{display:inline-block;min-width:1.2em}
.matrices{display:flex;flex-wrap:wrap;gap:.5rem 1.8rem}
details{margin:.5rem 0}summary{cursor:pointer;color:#0072B2;font-size:.93rem}
code{font-size:.92em}
@media print{body{max-width:none;padding:0;font-size:10pt}
h2{break-after:avoid}h3,h4{break-after:avoid}
nav,summary{display:none}.wide{overflow:visible}table{font-size:7.5pt}
th,td{padding-right:.4rem;overflow-wrap:break-word}td.n{white-space:normal}.one{white-space:nowrap}
.folder{min-width:0}tr{break-inside:avoid}}
@page{size:A4;margin:14mm}
"""
ABOUT = (
    "Scores are of the test part, every clip counted once. Rings on curves mark the step whose "
    "weights were kept; all curves are over training steps. Numbers at lines are those of the "
    "first table."
)


def html(
    experiments: Sequence[Experiment],
    found: dict[int, Scores],
    papers: Sequence[tuple[Paper, list[Section]]],
    notes: Sequence[str],
) -> str:
    """The whole page; `found` holds each experiment's scores by its number."""
    parts = _parts(experiments, found, papers, notes)
    links = "".join(f'<a href="#{_anchor(title)}">{title}</a>' for title, _ in parts)
    title = overview.count(len(experiments), "experiment")
    body = [
        chart.looks(),
        f"<h1>{title}</h1><p>{ABOUT}</p><nav>{links}</nav>",
        *(f'<h2 id="{_anchor(title)}">{title}</h2>{inside}' for title, inside in parts),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head>"
        "<body>" + "\n".join(body) + "</body></html>\n"
    )


def _parts(experiments, found, papers, notes) -> list[tuple[str, str]]:
    groups = overview.groups(experiments)
    looks = {each.number: i for group in groups for i, each in enumerate(group)}
    parts = [("Progress", _progress(experiments, looks))]
    scored = [group for group in groups if any(found[each.number] for each in group)]
    if scored:
        parts.append(("Scores", "".join(_scores(group, found, looks) for group in scored)))
    if papers:
        parts.append(("Beside the papers", "".join(_paper(*each) for each in papers)))
    drawn = [(group, *curves.learning(group)) for group in groups]
    drawn = [each for each in drawn if each[1] or each[2]]
    if drawn:
        parts.append(("Learning curves", "".join(_learning(*each, looks) for each in drawn)))
    timed = [(group, panels) for group in groups if (panels := curves.time(group))]
    if timed:
        inside = "".join(_head(group, looks) + _panels(panels) for group, panels in timed)
        parts.append(("Time", inside))
    parts.append(("Settings", _settings(experiments)))
    if notes:
        parts.append(
            ("Notes", "<ul>" + "".join(f"<li>{chart.escape(n)}</li>" for n in notes) + "</ul>")
        )
    return parts


def _progress(experiments: Sequence[Experiment], looks: dict[int, int]) -> str:
    table = overview.progress(experiments)
    rows = []
    for each, (number, *cells, folder) in zip(experiments, table.rows):
        key = f"<span class=one><b>{number}</b> {_key(looks[each.number])}</span>"
        place = f"<span class=folder>{_soft(folder)}</span>"
        rows.append([key, *map(_soft, cells), place])
    return _table(table.header, rows, table.note)


def _scores(group: Sequence[Experiment], found: dict[int, Scores], looks: dict[int, int]) -> str:
    parts = [_head(group, looks)]
    for main in (True, False):
        table = overview.score_table(group, found, main)
        rows = [[row[0], *map(_stacked, row[1:])] for row in _escaped(table.rows)]
        inside = _table(table.header, rows, table.note) if rows else ""
        if inside and not main:
            inside = f"<details><summary>All other metrics</summary>{inside}</details>"
        parts.append(inside)
    for metric, names in overview.families(
        {each.number: found[each.number] for each in group}
    ).items():
        series = []
        for each in group:
            cells = [found[each.number].get(f"{metric}/{name}") for name in names]
            if any(cells) and len(names) > 1:
                series.append(
                    (
                        f"{each.number} {each.name}",
                        [_interval(c) for c in cells],
                        looks[each.number],
                    )
                )
        if series:
            parts.append(_figure(f"{metric} of each", shapes.bars(names, series)))
    matrices = [(each, overview.confusions(each)) for each in group]
    drawn = [
        _figure(f"{each.number} {chart.escape(each.name)}", shapes.heat(*counted))
        for each, counted in matrices
        if counted
    ]
    if drawn:
        parts.append(
            "<h4>Confusion</h4><p class=note>Rows are the labels; a cell is the share of its row "
            f"in per cent.</p><div class=matrices>{''.join(drawn)}</div>"
        )
    return "".join(parts)


def _interval(cell: Measured | None) -> Interval:
    return cell.interval if cell else write.NOTHING


def _paper(paper: Paper, sections: list[Section]) -> str:
    parts = [
        f"<h3>{chart.escape(paper.name)}: {chart.escape(paper.title)}</h3>",
        f"<p class=note>{_marked(write.ABOUT)} In the pictures the hollow diamonds are the "
        "paper's numbers, the filled dots ours, the hollow dots floors and other systems.</p>",
    ]
    for section in sections:
        title = f"{write.name(section.table)}, {section.table.title}: {section.column.name}"
        header, *rows = write.cells(section)
        dots = _dots(section)
        drawn = shapes.dots(*dots) if len(dots[0]) > 1 else ""
        parts.append(
            f"<h4>{chart.escape(title)}</h4>{_figure('', drawn) if drawn else ''}"
            + _table(header, [[_marked(cell) for cell in row] for row in rows])
        )
    return "".join(parts)


def _dots(section: Section) -> tuple[list[str], list[shapes.Dot]]:
    """Rows with a number of ours or of the paper, and their dots."""
    names, dots = [], []
    for line in section.lines:
        found = line.ours.interval if line.ours else write.NOTHING
        if line.paper is None and found.mean != found.mean:
            continue
        row = len(names)
        names.append(line.name if line.kind == "ours" else f"{line.kind}: {line.name}")
        if line.paper is not None:
            title = f"{line.name}, the paper's: {line.paper:g}"
            dots.append(shapes.Dot(row, line.paper, float("nan"), float("nan"), "paper", title))
        if found.mean == found.mean:
            kind = "ours" if line.kind == "ours" else "other"
            title = f"{line.name}: {found.mean:.4g}"
            dots.append(shapes.Dot(row, *found, kind, title))
    return names, dots


def _learning(group, main, rest, looks) -> str:
    count = overview.count(len(rest), "more curve")
    more = f"<details><summary>{count}</summary>{_panels(rest)}</details>"
    return _head(group, looks) + _panels(main) + (more if rest else "")


def _settings(experiments: Sequence[Experiment]) -> str:
    parts = []
    for group in overview.by_config(experiments):
        table = overview.differences(group)
        if table.rows:
            parts.append(f"<h3>Differences, {chart.escape(group[0].family)}</h3>")
            parts.append(_table(table.header, _escaped(table.rows)))
    for each in experiments:
        rows = [[_soft(key), _soft(overview.setting(each, key))] for key in sorted(each.config)]
        name = f"All settings of {each.number} {chart.escape(each.name)}"
        inside = _table(("setting", "value"), rows)
        parts.append(f"<details><summary>{name}</summary>{inside}</details>")
    return "".join(parts)


def _head(group: Sequence[Experiment], looks: dict[int, int]) -> str:
    """What a group is about, and its legend."""
    keys = "".join(
        f"<li>{_key(looks[each.number])} <b>{each.number}</b> {chart.escape(each.name)}</li>"
        for each in group
    )
    return f"<h3>{chart.escape(overview.heading(group))}</h3><ul class=legend>{keys}</ul>"


def _key(look: int) -> str:
    return chart.key(palette.STYLES[look], look)


def _panels(panels: Sequence[curves.Panel]) -> str:
    drawn = (_figure(chart.escape(p.title), lines.draw(p.lines, p.floor)) for p in panels)
    return f"<div class=panels>{''.join(drawn)}</div>"


def _figure(title: str, drawing: str) -> str:
    caption = f"<figcaption>{title}</figcaption>" if title else ""
    return f"<figure>{caption}{drawing}</figure>"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """Cells as HTML; a column that says nothing anywhere is left out."""
    kept = [i for i in range(len(header)) if i == 0 or any(row[i] for row in rows)]
    top = "".join(f"<th>{chart.escape(header[i])}</th>" for i in kept)
    body = "".join(
        "<tr>" + "".join(f"<td{_number(row[i])}>{row[i]}</td>" for i in kept) + "</tr>"
        for row in rows
    )
    said = f"<p class=note>{chart.escape(note)}</p>" if note else ""
    return (
        f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
        + said
    )


def _number(cell: str) -> str:
    return (
        " class=n" if cell[:1].isdigit() or cell[:1] in "+-\u2212" and cell[1:2].isdigit() else ""
    )


def _stacked(cell: str) -> str:
    """A score with its interval under it."""
    mean, found, rest = cell.partition(" (")
    interval, _, more = rest.partition(")")
    return f"{mean}<br><small>{interval}{more}</small>" if found else cell


def _escaped(rows: list[list[str]]) -> list[list[str]]:
    return [[_soft(cell) for cell in row] for row in rows]


def _soft(text: str) -> str:
    """Escaped text that may break after the marks within a name, and not within a number."""
    return re.sub(r"(?<=[^\d\s][:,/_.])(?=\w)", "<wbr>", chart.escape(text))


def _marked(text: str) -> str:
    """Markdown's bold and code as HTML."""
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", chart.escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
