"""The report as one page of HTML that needs nothing from elsewhere."""

import html
from collections.abc import Mapping
from typing import Any

SHOWN = 500  # rows of a table; report.json has them all

STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;
color:#222;background:#fff}h1,h2,h3{line-height:1.2}table{border-collapse:collapse;margin:.5em 0}
td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:.8em;background:#4a7ab5;min-width:1px}code{font-size:.9em}"""


def as_html(page: Mapping[str, Any]) -> str:
    """The report as one file, without anything from elsewhere."""
    body = [
        f"<h1>{_text(page['name'])}</h1>",
        f"<p>Digest <code>{_text(page['digest'])}</code></p>",
    ]
    if not page["trained"]:
        body.append("<p><b>Features of random weights: good for trying the way only.</b></p>")
    if page.get("sources"):
        body += ["<h2>Sources</h2>", _pairs(page["sources"])]
    for split, found in page["splits"].items():
        body.append(f"<h2>Split {_text(split)}</h2>")
        plain = {k: v for k, v in found.items() if not isinstance(v, Mapping)}
        body.append(_pairs(plain))
        for key, value in found.items():
            if isinstance(value, Mapping):
                body.append(f"<h3>{_text(key)}</h3>")
                body.append(_bars(value) if _is_counts(key) else _pairs(value))
    body.append("<h2>Modalities</h2>")
    body += [f"<h3>{_text(m)}</h3>{_pairs(found)}" for m, found in page["modalities"].items()]
    if page.get("cleaning"):
        body += ["<h2>Comments: read, and removed by each step</h2>", _bars(page["cleaning"])]
    skipped = page["skipped"]
    body.append(f"<h2>Skipped: {len(skipped)}</h2>")
    if skipped:
        body.append(_rows(("item", "reason"), list(skipped.items())))
    notes = [(name, note) for name, each in page["notes"].items() for note in each]
    body.append(f"<h2>Notes: {len(notes)}</h2>")
    if notes:
        body.append(_rows(("item", "note"), notes))
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{_text(page['name'])}</title><style>{STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _is_counts(key: str) -> bool:
    return key not in ("seconds", "comments", "values", "windows")


def _text(value: Any) -> str:
    return html.escape(str(value))


def _pairs(table: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{_text(k)}</th><td>{_shown(v)}</td></tr>" for k, v in table.items())
    return f"<table>{rows}</table>"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_text(k)} {_text(v)}" for k, v in value.items())
    if isinstance(value, list) and len(value) > 20:
        return f"{_text(value[:20])[:-1]}, ... ({len(value)})"
    return _text(value)


def _bars(table: Mapping[str, float]) -> str:
    most = max([*table.values(), 1e-9])
    rows = "".join(
        f"<tr><th>{_text(k)}</th><td class=n>{_text(v)}</td>"
        f'<td><span class=bar style="width:{20 * v / most:.2f}em"></span></td></tr>'
        for k, v in table.items()
    )
    return f"<table>{rows}</table>"


def _rows(head: tuple[str, ...], rows: list[tuple]) -> str:
    top = "".join(f"<th>{_text(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>"
        for row in rows[:SHOWN]
    )
    rest = f"<p>{len(rows) - SHOWN} more stand in report.json.</p>" if len(rows) > SHOWN else ""
    return f"<table><tr>{top}</tr>{body}</table>{rest}"
