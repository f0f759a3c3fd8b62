"""One draw of changes that holds for all pictures of a video: where it is cut, and what else.

"paper" cuts anywhere and mirrors every other video. "release" is what the authors' code does: one
of five places (the corners and the middle), and in three videos of ten exactly one of a mirror, a
turn by up to 20 degrees, and a brightness of 0.5 to 1. "none" cuts the middle, as testing does.
"""

from typing import NamedTuple

import numpy as np

HOWS = ("paper", "release", "none")
PLACES = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))
CHANGED = 0.3  # share of the videos of which "release" changes more than the cut
STEEPEST, DARKEST = 20.0, 0.5


class Draw(NamedTuple):
    """What is done to every picture of a video."""

    place: tuple[float, float] = (0.5, 0.5)  # of the cut, as a share of the way down and across
    mirror: bool = False
    turn: float = 0.0  # degrees, to the left
    light: float = 1.0


MIDDLE = Draw()


def draw(how: str, rng: np.random.Generator) -> Draw:
    """One draw for a whole video: `none`, the paper's cuts and mirrors, or more."""
    if how == "none":
        return MIDDLE
    if how == "paper":
        down, across = rng.random(2).tolist()
        return Draw((down, across), mirror=bool(rng.random() < 0.5))
    place = PLACES[rng.integers(len(PLACES))]
    if rng.random() >= CHANGED:
        return Draw(place)
    kind, amount = rng.integers(3), rng.random()
    if kind == 0:
        return Draw(place, mirror=True)
    if kind == 1:
        return Draw(place, turn=STEEPEST * (2 * amount - 1))
    return Draw(place, light=DARKEST + (1 - DARKEST) * amount)


def changed(picture: np.ndarray, size: int, drawn: Draw) -> np.ndarray:
    """uint8 [H, W, 3], neither side below `size` -> uint8 [size, size, 3]."""
    top, left = (
        min(int((side - size + 1) * place), side - size)
        for side, place in zip(picture.shape, drawn.place)
    )
    found = picture[top : top + size, left : left + size]
    if drawn.mirror:
        found = found[:, ::-1]
    if drawn.turn:
        from PIL import Image

        turned = Image.fromarray(found).rotate(drawn.turn, Image.Resampling.BILINEAR)
        found = np.asarray(turned)
    if drawn.light != 1.0:
        found = np.rint(found * np.float32(drawn.light)).astype(np.uint8)
    return found
