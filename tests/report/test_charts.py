"""The small charts: whole in themselves, true to the numbers, nothing outside their frame."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.intervals import Interval
from affectjax.report import chart, lines, palette, shapes

NAMES = ("joy", "surprise & <fear>", "a name that is rather long")
numbers = st.floats(-1e9, 1e9) | st.just(math.nan)


def parsed(svg: str) -> ElementTree.Element:
    """Well-formed, and without a coordinate that is not a number."""
    assert "nan" not in svg.replace("anger", "") and "inf" not in svg
    return ElementTree.fromstring(svg)


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_are_round_few_and_inside(low, size):
    high = low + size
    found = chart.ticks(low, high)
    assert len(found) <= 7
    assert all(low - 1e-6 * size <= value <= high + 1e-6 * size for value in found)
    steps = np.diff(found)
    if len(steps) and abs(low) < 1e6 * size:
        lead = steps[0] / 10 ** math.floor(math.log10(steps[0] * 1.0001))
        assert min(abs(lead - k) for k in (1, 2, 5)) < 0.01


@given(st.lists(st.lists(numbers, min_size=1, max_size=30), min_size=1, max_size=8))
def test_any_curves_can_be_drawn(curves):
    given_lines = [
        lines.Line(str(i), "t", np.arange(1, len(v) + 1), np.array(v), palette.STYLES[i], mark=1)
        for i, v in enumerate(curves)
    ]
    shown = [title.text for title in parsed(lines.draw(given_lines)).iter("title")]
    known = any(math.isfinite(value) for values in curves for value in values)
    assert shown == ["t"] * len(curves) * known


def test_curves_break_where_undefined_and_a_lone_point_is_a_dot():
    style = palette.STYLES[1]
    values = np.array([1.0, math.nan, 2.0, 3.0])
    svg = lines.draw([lines.Line("1", "t", np.arange(1, 5), values, style)])
    assert sum(path.get("d").count("M") for path in parsed(svg).iter("path")
               if path.get("stroke") == style.colour) == 2  # fmt: skip
    svg = lines.draw([lines.Line("1", "t", np.array([7]), np.array([1.0]), style)])
    assert [c.get("fill") for c in parsed(svg).iter("circle")] == [style.colour]
    svg = lines.draw([lines.Line("1", "t", np.array([7]), np.array([math.nan]), style)])
    assert parsed(svg).findtext("text") == "undefined"


def test_long_curves_are_thinned_to_means_and_keep_their_end():
    steps, values = np.arange(1, 1001), np.arange(1, 1001.0)
    few_steps, few = lines.thinned(steps, values)
    assert len(few) <= lines.POINTS and (few_steps[-1], few[-1]) == (1000, 1000.0)
    assert few[:-1] == pytest.approx(few_steps[:-1])


def test_labels_at_the_ends_do_not_lie_on_each_other():
    same = [
        lines.Line(str(i), "t", np.array([1, 2]), np.array([0.0, 1.0]), palette.STYLES[i])
        for i in range(8)
    ]
    labels = [t for t in parsed(lines.draw(same)).iter("text") if t.get("font-weight")]
    heights = sorted(float(text.get("y")) for text in labels)
    assert len(heights) == 8 and min(np.diff(heights)) >= 10.9


def test_bars_stand_as_high_as_their_numbers_and_undefined_ones_are_left_out():
    nothing = Interval(math.nan, math.nan, math.nan)
    series = [("one", [Interval(0.5, 0.4, 0.6), Interval(0.25, math.nan, math.nan), nothing], 0),
              ("two", [Interval(-0.5, -0.6, -0.4), nothing, nothing], 3)]  # fmt: skip
    root = parsed(shapes.bars(NAMES, series))
    drawn = [(bar.get("fill"), float(bar.get("height"))) for bar in root.iter("rect")]
    assert [fill for fill, _ in drawn] == ["url(#look0)", "url(#look3)", "url(#look0)"]
    heights = [height for _, height in drawn]
    assert heights[0] == pytest.approx(heights[1], abs=0.2)
    assert heights[0] == pytest.approx(2 * heights[2], abs=0.3)
    assert "surprise & <fear>" in [text.text for text in root.iter("text")]


def test_a_confusion_matrix_shows_shares_of_its_rows():
    counts = np.array([[8, 1, 1], [0, 0, 0], [1, 0, 3]])
    root = parsed(shapes.heat(NAMES, counts))
    cells = [g for g in root.iter("g") if g.find("rect") is not None]
    assert len(cells) == 9
    shown = [g.findtext("text") for g in cells]
    assert shown == ["80", "10", "10", None, None, None, "25", "0", "75"]
    assert cells[0].findtext("title") == "joy, chosen joy: 8 of 10"


def test_dots_show_the_paper_beside_ours():
    given_dots = [
        shapes.Dot(0, 57.53, math.nan, math.nan, "paper", "the paper's"),
        shapes.Dot(0, 55.0, 50.0, 60.0, "ours", "ours"),
        shapes.Dot(1, 40.0, math.nan, math.nan, "other", "floor"),
    ]
    root = parsed(shapes.dots(("a row", "another"), given_dots))
    circles = [(c.get("fill"), float(c.get("cx")), float(c.get("cy"))) for c in root.iter("circle")]
    (ours, at, above), (other, before, below) = circles
    assert ours == palette.STYLES[0].colour and other == "#ffffff"
    assert before < at and above < below


def test_every_style_has_a_fill_and_a_dash_of_its_own():
    fills = parsed(chart.looks()).iter("pattern")
    bodies = [ElementTree.tostring(fill.find("g")) for fill in fills]
    assert len(bodies) == len(set(bodies)) == len(palette.STYLES)
    assert len({chart.dashes(style) for style in palette.STYLES}) == len(palette.STYLES)
