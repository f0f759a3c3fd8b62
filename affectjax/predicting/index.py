"""The page over all videos below a folder: picture, leading emotions, the way to each page."""

import html
import json
import os
import pathlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from affectjax.errors import UserError
from affectjax.media.files import said
from affectjax.predicting import looks, ours, page, schema
from affectjax.predicting.timeline import Timeline

CARD = ("duration", "headline", "leading", "legend", "notes", "doubts")


def card(made: Timeline) -> dict[str, Any]:
    """What the index shows of a video, as plain values; kept for the next call."""
    legend = looks.colours(looks.shown(made.emotions)) if made.emotions else {}
    return {
        "name": made.name,
        "duration": float(made.edges[-1]),
        "headline": looks.headline(made),
        "leading": looks.leading(made),
        "legend": legend,
        "notes": list(made.video["notes"]),
        "doubts": looks.doubts(made),
    }


def of(out: pathlib.Path, bad: Mapping[str, str]) -> str:
    """The page over whatever stands finished below a folder, of this call or of earlier ones."""
    cards = standing(out)
    by = ", ".join(dict.fromkeys(one["by"] for one in cards))
    return render(cards, bad, f"Predicted by {by}." if by else "")


def standing(out: pathlib.Path) -> list[dict[str, Any]]:
    """The card of every video whose files stand, by name: where they lie below the folder.

    `by` is the model, and where it came from.
    """
    found = []
    for path in sorted(out.rglob("*.json")):
        name = path.relative_to(out).as_posix().removesuffix(".json")
        if not all(ours.place(out, name, ending).is_file() for ending in ours.ENDINGS):
            continue
        try:
            one = schema.read(path.read_text("utf-8"), str(path))
        except (UserError, OSError, UnicodeDecodeError):
            continue
        if all(key in one["card"] for key in CARD):
            by = f"{one['model']['name']} ({one['model']['export']})"
            found.append({**one["card"], "name": name, "by": by})
    return found


def render(cards: Sequence[Mapping[str, Any]], bad: Mapping[str, str], about: str) -> str:
    """The page; `bad` {file: reason} of what gave no timeline."""
    doubts = list(dict.fromkeys(c for one in cards for c in one["doubts"]))
    # words differ from video to video, and so would what a colour means
    legends = {json.dumps(one["legend"]) for one in cards if one["legend"]}
    legend = json.loads(legends.pop()) if len(legends) == 1 else {}
    return page.fill(
        "index.html",
        title=f"{len(cards)} videos" if len(cards) != 1 else "1 video",
        about=html.escape(about),
        caveats="\n".join(f'<p class="note">{html.escape(c)}</p>' for c in doubts),
        legend='<ul class="legend">'
        + "".join(
            f'<li><i style="background:{colour}"></i>{html.escape(name)}</li>'
            for name, colour in legend.items()
        )
        + "</ul>"
        if legend
        else "",
        videos="\n".join(_item(one, bool(legend)) for one in cards),
        bad=_bad(bad),
        style=page.asset("page.css"),
    )


def _item(one: Mapping[str, Any], coloured: bool) -> str:
    name, end = html.escape(said(one["name"])), one["duration"]
    where = html.escape(urllib.parse.quote(os.fsencode(one["name"])))
    shot = f'<img alt="" loading="lazy" src="{where}.png">'
    bars = "".join(
        f'<rect x="{1000 * a / end:.1f}" width="{1000 * (b - a) / end:.1f}" height="12" '
        f'fill="{colour}"/>'
        for a, b, colour in (one["leading"] if coloured else ())
    )
    strip = f'<svg viewBox="0 0 1000 12" preserveAspectRatio="none">{bars}</svg>' if bars else ""
    count = len(one["notes"])
    told = f"{count} notes" if count > 1 else "1 note"
    notes = f'<span class="quiet">{told}</span>' if count else ""
    return (
        f'<li><a href="{where}.html">{shot}{strip}<div class="text"><strong>{name}</strong>'
        f"{html.escape(one['headline'])}, {looks.clock(end, end)} {notes}</div></a></li>"
    )


def _bad(bad: Mapping[str, str]) -> str:
    if not bad:
        return ""
    items = "".join(
        f"<li><b>{html.escape(name)}</b>: {html.escape(reason)}</li>"
        for name, reason in bad.items()
    )
    return f'<section class="card"><h2>Not predicted</h2><ul class="bad">{items}</ul></section>'
