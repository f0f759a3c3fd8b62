"""The page over all videos of a call: a picture, the leading emotions, and the way to each page."""

import html
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from affectjax.predicting import looks, page
from affectjax.predicting.timeline import Timeline


def card(made: Timeline) -> dict[str, Any]:
    """What the index shows of a video, as plain values; kept for the next call."""
    strip = sorted(made.strip, key=lambda one: abs(one[0] - made.edges[-1] / 2))
    legend = looks.colours(looks.shown(made.emotions)) if made.emotions else {}
    return {
        "name": made.name,
        "duration": float(made.edges[-1]),
        "headline": looks.headline(made),
        "picture": page.picture(strip[0][1]) if strip else "",
        "leading": looks.leading(made),
        "legend": legend,
        "notes": list(made.video["notes"]),
        "doubts": looks.doubts(made),
    }


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
    name, end = html.escape(one["name"]), one["duration"]
    where = html.escape(urllib.parse.quote(f"{one['name']}.html"))
    shot = '<div class="blank"></div>'
    if one["picture"]:
        shot = f'<img alt="" src="{one["picture"]}">'
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
        f'<li><a href="{where}">{shot}{strip}<div class="text"><strong>{name}</strong>'
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
