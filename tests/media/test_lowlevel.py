"""What each number of `lowlevel` says, on pictures and sounds of which it is known."""

import numpy as np
import pytest

from affectjax.data import sample_world as world
from affectjax.media import lowlevel
from affectjax.media.extractor import Extractor, resolve

HEIGHT, WIDTH = lowlevel.SIZE


def test_names_widths_and_rates_are_the_samples():
    found = resolve("lowlevel")
    assert isinstance(found, Extractor) and dict(found.modalities) == world.WIDTHS
    assert {want.rate for want in found.wants.values()} == {world.ROWS_PER_SECOND}
    rng = np.random.default_rng(0)
    for name, width in found.modalities.items():
        want = found.wants[name]
        if name == "audio":
            window = rng.uniform(-1, 1, (3, round(want.seconds * want.samples))).astype("f4")
        else:
            window = rng.integers(0, 256, (3, want.count, *want.size, 3)).astype(np.uint8)
        rows = found.prepare(name, window)
        assert rows.shape == (3, width) and rows.dtype == np.float32
        # A row follows from its own window alone, and the rows are float16 in the end.
        np.testing.assert_array_equal(found.prepare(name, window[1:2]), rows[1:2])
        assert np.abs(rows).max() < 1000


def colours(*cells) -> np.ndarray:
    """uint8 [16, H, W, 3] of 4 x 4 cells."""
    grid = np.array(cells, np.uint8).reshape(4, 4, 3)
    return np.repeat(grid.repeat(HEIGHT // 4, 0).repeat(WIDTH // 4, 1)[None], 16, 0)


def test_brightness_and_colour_of_cells():
    grey, red, blue = (120, 120, 120), (255, 0, 0), (0, 0, 255)
    rows = lowlevel.image(colours(*[grey] * 4, *[grey] * 4, red, *[blue] * 3, red, *[grey] * 3))
    bright, cool, warm = rows[:16], rows[16:24], rows[24:]
    np.testing.assert_allclose(bright[:8], 120 / 255, atol=1e-5)
    np.testing.assert_allclose(bright[[8, 9, 12]], [0.299, 0.114, 0.299], atol=1e-5)
    np.testing.assert_allclose(cool[:4], 0, atol=1e-5)  # the upper half
    np.testing.assert_allclose(warm[:4], 0, atol=1e-5)
    assert warm[4] == pytest.approx(0.5, abs=1e-3) and cool[4] < 0  # red in both cells
    assert cool[5] == pytest.approx(0.25, abs=1e-3) and warm[5] < 0  # blue in one of two


def moving(across: float, down: float) -> np.ndarray:
    """A pattern that moves so many pixels a picture."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    frames = [
        128 + 40 * np.sin((x - across * f) * 0.7) + 40 * np.sin((y - down * f) * 0.9 + 1)
        for f in range(16)
    ]
    return np.repeat(np.rint(frames).astype(np.uint8)[..., None], 3, -1)


@pytest.mark.parametrize("across,down", [(0.3, 0.0), (0.0, -0.3), (-0.4, 0.2), (0.0, 0.0)])
def test_motion_says_where_and_how_fast(across, down):
    change, right, below = lowlevel.motion(moving(across, down)).reshape(3, 16)
    np.testing.assert_allclose(right, across, atol=0.12)
    np.testing.assert_allclose(below, down, atol=0.12)
    assert (change > 3).all() if across or down else (change == 0).all()


def test_motion_is_told_by_cell_and_a_flat_picture_has_none():
    frames = colours(*[(120, 120, 120)] * 16)
    frames[:, :12, :16] = moving(0.4, 0)[:, :12, :16]
    change, right, _ = lowlevel.motion(frames).reshape(3, 16)
    assert right[0] > 0.25 and (right[1:] == 0).all() and (change[1:] == 0).all()


def test_motion_by_plain_loops():
    frames = np.random.default_rng(1).integers(0, 256, (4, HEIGHT, WIDTH, 3)).astype(np.uint8)
    grey = frames @ np.array([0.299, 0.587, 0.114])
    found = lowlevel.motion(frames).reshape(3, 4, 4)
    for row, column in ((0, 0), (1, 3), (3, 2)):
        a, b, tt = np.zeros((2, 2)), np.zeros(2), 0.0
        count = 0
        for f in range(3):
            for y in range(row * 12 + 1, row * 12 + 11):
                for x in range(column * 16 + 1, column * 16 + 15):
                    middle = (grey[f] + grey[f + 1]) / 2
                    slope = np.array([middle[y, x + 1] - middle[y, x - 1],
                                      middle[y + 1, x] - middle[y - 1, x]]) / 2  # fmt: skip
                    change = grey[f + 1, y, x] - grey[f, y, x]
                    a += np.outer(slope, slope)
                    b += slope * change
                    tt, count = tt + change**2, count + 1
        wanted = np.linalg.solve(a / count + lowlevel.STIFF * np.eye(2), -b / count)
        np.testing.assert_allclose(found[1:, row, column], wanted, atol=1e-4)
        assert found[0, row, column] == pytest.approx(np.sqrt(tt / count), rel=1e-4)


def test_loudness_bands_rise_and_flutter():
    size = round(lowlevel.SECONDS * lowlevel.SAMPLES)
    time = np.arange(size) / lowlevel.SAMPLES
    tone = 0.1 * np.sin(2 * np.pi * 1000 * time)
    plain = lowlevel.audio(tone.astype("f4"))
    assert plain[0] == pytest.approx(10 * np.log10(0.005), abs=0.1)
    edges = lowlevel.edges() * lowlevel.SAMPLES / lowlevel.BLOCK
    assert 1 + np.searchsorted(edges, 1000, side="right") - 1 == 1 + plain[1:14].argmax() and (
        plain[1:14].max() == pytest.approx(0, abs=0.1)
    )
    assert plain[14] == pytest.approx(0, abs=0.1) and plain[15] < 0.05
    twice = lowlevel.audio(np.where(np.arange(size) < size // 2, tone, 2 * tone).astype("f4"))
    assert twice[14] == pytest.approx(6.02, abs=0.1)
    swinging = lowlevel.audio((tone * (1 + 0.5 * np.sin(2 * np.pi * 11.25 * time))).astype("f4"))
    assert swinging[15] == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_silence_is_one_finite_row():
    row = lowlevel.audio(np.zeros(8533, np.float32))
    assert row[0] == pytest.approx(-80) and np.isfinite(row).all()
    np.testing.assert_allclose(row[1:14], row[1])
