"""The colours stay apart for colour-blind readers and on white paper."""

import itertools

import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.report import palette

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_every_pair_of_colours_stays_apart(kind):
    seen = [lab(np.array(BLINDNESS[kind]) @ linear(s.colour)) for s in palette.STYLES]
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > 15  # a difference of 2 is just seen side by side


def test_every_colour_is_seen_on_white():
    for style in palette.STYLES:
        luminance = linear(style.colour) @ TO_XYZ[1]
        assert 1.05 / (luminance + 0.05) > 2


def test_the_second_cues_differ_too():
    for cue in ("line", "marker", "hatch"):
        assert len({getattr(style, cue) for style in palette.STYLES}) == len(palette.STYLES) == 8


def test_names_have_their_look_by_place():
    assert palette.styles("ab") == {"a": palette.STYLES[0], "b": palette.STYLES[1]}
    with pytest.raises(UserError, match="9 names"):
        palette.styles("abcdefghi")
