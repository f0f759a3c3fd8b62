"""Pictures hold what they were given: every bar, curve and map, and PNG of the same bytes."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures are drawn with matplotlib")

from affectjax import faithful  # noqa: E402
from affectjax.detection import Interval  # noqa: E402
from affectjax.report import palette, pictures  # noqa: E402

NAMES = ("joy", "fear", "anger")


def made():
    return pictures.timeline(
        {"cten": [Interval(0, 2.0, 5.0, 1, 0.7)], "vaanet": [Interval(0, 0, 2, 0, 0.4),
                                                            Interval(0, 6, 9, 0, 0.3)]},
        [Interval(0, 2.5, 6.0, 1)], 10.0, NAMES, {"cten": np.linspace(0, 1, 5)}, 0.5, "a video",
    )  # fmt: skip


def test_a_timeline_has_a_bar_for_each_interval_and_the_truth_below():
    (axes,) = made().axes
    bars = [c for c in axes.collections if c.get_hatch() is not None]
    spans = sorted(
        (round(float(p.vertices[:, 0].min()), 6), round(float(p.vertices[:, 0].max()), 6))
        for bar in bars
        for p in bar.get_paths()
    )
    assert spans == [(0, 2), (2, 5), (2.5, 6), (6, 9)]
    said = [text.get_text() for text in axes.texts]
    assert said == ["fear 0.70", "joy 0.40", "joy 0.30", "fear"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cten", "vaanet", "truth"]
    hatches = {bar.get_hatch() for bar in bars}
    assert hatches == {palette.STYLES[0].hatch, palette.STYLES[1].hatch}


def test_the_same_picture_is_the_same_bytes(tmp_path):
    for name in "ab":
        pictures.save(made(), tmp_path / name)
    first = (tmp_path / "a").read_bytes()
    assert first == (tmp_path / "b").read_bytes() and first.startswith(b"\x89PNG")


@pytest.mark.parametrize("mapped", [True, False])
def test_frames_stand_over_their_attention(mapped):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (4, 8, 8, 3)).astype(np.uint8)
    heat = rng.random((4, 4)) if mapped else None
    attention, there = np.array([0, 0.4, 1, 0.2]), np.array([1, 1, 1, 0], bool)
    fig = pictures.attention_frames(frames, heat, attention, there, "clip")
    pictured = [axes for axes in fig.axes if axes.images and not axes.texts]
    frame_axes = [axes for axes in pictured if axes.images[0].get_array().ndim == 3]
    each = 2 if mapped else 1  # the frame, and the same one under its map
    assert len(frame_axes) == 4 * each
    np.testing.assert_array_equal(frame_axes[each].images[0].get_array(), frames[1])
    assert (np.asarray(frame_axes[3 * each].images[0].get_array()) == 255).all()  # not there
    bar = next(axes for axes in fig.axes if axes.texts)
    assert [text.get_text() for text in bar.texts] == ["0.00", "0.40", "1.00", "none"]
    if mapped:
        over = frame_axes[3].images[1].get_array()
        np.testing.assert_allclose(np.asarray(over).ravel(), heat[1] / heat.max())


def test_faithfulness_shows_both_curves_and_how_far_they_lead():
    worth = np.array([0.6, 0.3, 0.1])
    found = faithful.curves(lambda masks: masks @ worth, worth, np.ones(3, bool))
    fig = pictures.faithfulness({"cten": found}, "how attention holds")
    deletion, insertion = fig.axes
    np.testing.assert_allclose(deletion.lines[0].get_ydata(), [1, 0.4, 0.1, 0], atol=1e-9)
    np.testing.assert_allclose(insertion.lines[0].get_ydata(), [0, 0.6, 0.9, 1], atol=1e-9)
    (said,) = [text.get_text() for text in deletion.get_legend().get_texts()]
    assert said == f"cten: {found.leads[0]:+.3f}" and found.leads[0] > 0


def test_a_sweep_leaves_out_what_was_not_run():
    fig = pictures.sweep([0.0, 0.5, 1.0], {"Ekman-6": [(1, 0, 2), None, (3, 2, np.nan)]}, "theta",
                         "accuracy (%)")  # fmt: skip
    (line,) = fig.axes[0].lines
    assert line.get_xdata().tolist() == [0, 1] and line.get_ydata().tolist() == [1, 3]
