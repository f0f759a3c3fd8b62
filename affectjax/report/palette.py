"""One look for every picture: colours that colour-blind readers tell apart, and a second cue each.

Every pair of the eight colours stays apart under the three kinds of colour blindness, and each is
dark enough on white paper; the line style, marker and hatch tell them apart without any colour.
"""

from collections.abc import Sequence
from typing import NamedTuple

from affectjax.errors import UserError


class Style(NamedTuple):
    """How one emotion, or one model, looks in every picture."""

    colour: str  # #rrggbb
    line: str | tuple  # what matplotlib calls linestyle
    marker: str
    hatch: str


STYLES = (
    Style("#0072B2", "-", "o", ""),
    Style("#E69F00", "--", "s", "///"),
    Style("#000000", "-.", "^", "..."),
    Style("#56B4E9", ":", "D", "\\\\\\"),
    Style("#882255", (0, (5, 1, 1, 1, 1, 1)), "v", "xxx"),
    Style("#D55E00", (0, (8, 2)), "P", "---"),
    Style("#CC79A7", (0, (1, 2)), "X", "+++"),
    Style("#663300", (0, (3, 1, 1, 1)), "*", "|||"),
)
TRUTH = "#777777"  # what is known to be so, beside what is predicted
HEAT = "cividis"  # matplotlib's map from little to much


def styles(names: Sequence[str]) -> dict[str, Style]:
    """A style a name, by its place in the list; the same list gives the same looks."""
    if len(names) > len(STYLES):
        raise UserError(
            f"{len(names)} names and {len(STYLES)} looks that can be told apart",
            "a picture",
            "Show fewer at once.",
        )
    return dict(zip(names, STYLES))
