"""What every small chart is made of: scales, looks, text, and the SVG around it.

Colours are the palette's, and line style, hatch and a number say the same without any colour.
"""

import html
import math

from affectjax.report import palette

GRID, INK = "#dddddd", "#333333"
LETTER = 6.2  # width of a letter of 11 pixels, about


def escape(text: object) -> str:
    """Text as it may stand in HTML or SVG."""
    return html.escape(str(text))


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from low to high: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    # Below the one powers of ten lose their digits, below the other the ticks themselves do.
    if not rough > max(1e-300, 1e-9 * max(abs(low), abs(high))):
        return [low]
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A tick's label, short."""
    if value == 0:
        return "0"
    if abs(value) >= 1e4:
        return f"{value / 1e3:g}k" if abs(value) < 1e6 else f"{value:.3g}"
    return f"{value:.0e}" if abs(value) < 1e-3 else f"{value:.6g}"


def looks() -> str:
    """The fills of the bars, once a page: the palette's colours, hatched in white."""
    drawn = {
        "": "",
        "///": '<path d="M0 8L8 0M-2 2L2 -2M6 10L10 6"/>',
        "...": '<circle cx="4" cy="4" r="1"/>',
        "\\\\\\": '<path d="M0 0L8 8M-2 6L2 10M6 -2L10 2"/>',
        "xxx": '<path d="M0 0L8 8M0 8L8 0"/>',
        "---": '<path d="M0 4H8"/>',
        "+++": '<path d="M0 4H8M4 0V8"/>',
        "|||": '<path d="M4 0V8"/>',
    }
    patterns = "".join(
        f'<pattern id="look{i}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" fill="{style.colour}"/>'
        f'<g stroke="#fff" stroke-width="1.5" fill="#fff">{drawn[style.hatch]}</g></pattern>'
        for i, style in enumerate(palette.STYLES)
    )
    return f'<svg width="0" height="0" style="position:absolute"><defs>{patterns}</defs></svg>'


def key(style: palette.Style, look: int) -> str:
    """A short line and a patch in a style, for a legend."""
    return (
        '<svg class="key" viewBox="0 0 52 12" width="52" height="12" aria-hidden="true">'
        f'<path d="M1 6H34" stroke="{style.colour}" stroke-width="2.5" '
        f'stroke-dasharray="{dashes(style)}"/>'
        f'<rect x="39" y="0.5" width="12" height="11" fill="url(#look{look})"/></svg>'
    )


def dashes(style: palette.Style) -> str:
    """A palette's line style as SVG writes it."""
    known = {"-": "none", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}
    if isinstance(style.line, str):
        return known[style.line]
    return " ".join(f"{1.6 * length:g}" for length in style.line[1])


def svg(width: float, height: float, inside: str, kind: str) -> str:
    """A picture of this size, whatever is inside; `kind` is its class."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'role="img">{inside}</svg>'
    )


def whisker(at: float, low: float, high: float, upright: bool) -> str:
    """An interval with its two ends."""
    if upright:
        path = f"M{at:.1f} {low:.1f}V{high:.1f}M{at - 3:.1f} {low:.1f}h6M{at - 3:.1f} {high:.1f}h6"
    else:
        path = f"M{low:.1f} {at:.1f}H{high:.1f}M{low:.1f} {at - 3:.1f}v6M{high:.1f} {at - 3:.1f}v6"
    return f'<path d="{path}" stroke="{INK}" fill="none"/>'


def name_below(name: str, x: float, y: float, slanted: bool) -> str:
    """A name under its column, slanted where there is no room."""
    turn = f' transform="rotate(-35 {x:.1f} {y:.1f})" text-anchor="end"' if slanted else ""
    turn = turn or ' text-anchor="middle"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{turn}>{escape(name)}</text>'
