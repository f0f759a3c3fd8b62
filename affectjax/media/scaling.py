"""Decoded pictures made upright and small: one pass of swscale for each size that is wanted."""

from typing import Any

import numpy as np

from affectjax.media.extractor import Frames
from affectjax.media.video import shown

LONGEST = 16  # a picture so much longer than it is wide is no picture; it is not cut but squeezed


class Scaler:
    """Makes pictures of one wanted form; keeps swscale's tables from picture to picture."""

    def __init__(self, want: Frames, shape: float = 1.0):
        from av.video.reformatter import Interpolation, VideoReformatter

        self.want, self.shape = want, shape
        self.reformat = VideoReformatter().reformat
        # Rounding that is right and alike on all processors; without it pictures come out darker.
        exact = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        self.how = Interpolation[want.scaling.upper()] | exact
        self.plans: dict[tuple, tuple] = {}
        self.first: tuple[int, int] | None = None  # W, H of the first picture, scaled and upright

    def __call__(self, frame: Any) -> np.ndarray:
        """uint8 [H, W, 3], red, green, blue."""
        key = frame.width, frame.height, frame.rotation
        if key not in self.plans:
            size = shown(frame, self.shape)
            self.plans[key] = plan(size, self.want, frame.rotation, self.first)
        (width, height), turns, (top, left) = self.plans[key]
        small = self.reformat(
            frame, width, height, "rgb24", interpolation=self.how, threads=1
        ).to_ndarray()
        if turns:
            small = np.rot90(small, turns)
        if self.want.fit == "short":  # one size for all, though a stream may change its own
            self.first = self.first or (small.shape[1], small.shape[0])
            return small
        tall, wide = self.want.size
        return small[top : top + tall, left : left + wide]


def plan(
    size: tuple[int, int], want: Frames, rotation: int, first: tuple[int, int] | None = None
) -> tuple[tuple[int, int], int, tuple[int, int]]:
    """((W, H) of the stored picture scaled, quarter turns to the left, (top, left) of the cut).

    With the fit "short" nothing is cut, and all pictures have the size of the `first`.
    """
    wide, tall = size
    height, width = want.size
    turns = round(rotation / 90) % 4
    if want.fit != "stretch":
        share = max(width / wide, height / tall)
        scaled = max(width, round(wide * share)), max(height, round(tall * share))
    if want.fit == "stretch" or max(scaled) > LONGEST * max(width, height):
        scaled = width, height
    if first is not None:
        scaled = first
    cut = (scaled[1] - height) // 2, (scaled[0] - width) // 2
    return (scaled[::-1] if turns % 2 else scaled), turns, cut
