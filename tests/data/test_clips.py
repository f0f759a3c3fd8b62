"""Labelled clips: windows, tiles, targets of every kind, and errors that say what to do."""

import dataclasses

import numpy as np
import pytest

from affectjax.data import records, sample, splits
from affectjax.data.clips import ClipExamples
from affectjax.errors import UserError

CLASSES = ("calm", "loud", "wild")
COMMON = dict(modalities={"image": 2}, segments=4, segment_seconds=1.0)
LABELS = ClipExamples(**COMMON, outputs=CLASSES, task="classes")
VALUES = ClipExamples(**COMMON, outputs=("valence",), task="values", values=("arousal", "valence"))
CUT = ClipExamples(
    **COMMON, outputs=CLASSES, task="classes", values=("arousal", "valence"), cut="valence",
    thresholds=(2.0, 3.5),
)  # fmt: skip


def clip(seconds=10, label=1, values=((1.0, 2.5),), name="a"):
    rows = np.arange(seconds, dtype=np.float16)
    return {
        "id": name, "group": name, "start": 0.0, "duration": float(seconds), "label": label,
        "features": {"image": np.stack([rows, -rows], axis=1)}, "rate": {"image": 1.0},
        "values": np.array(values, np.float32), "values_time": np.zeros(len(values), np.float32),
    }  # fmt: skip


def seen(example) -> list:
    return example["features/image"][example["present/image"], 0].tolist()


def test_training_takes_every_window_and_testing_the_centre():
    starts = {tuple(seen(LABELS.train(clip(), np.random.default_rng(i)))) for i in range(60)}
    assert starts == {tuple(range(i, i + 4)) for i in range(7)}
    assert seen(LABELS.evaluate(clip(), 0)) == [3, 4, 5, 6]
    assert LABELS.parts(clip()) == 1


def test_a_short_clip_is_padded_and_never_looped():
    example = LABELS.evaluate(clip(seconds=3), 0)
    assert seen(example) == [0, 1, 2] and not example["features/image"][3].any()


@pytest.mark.parametrize(
    "seconds, tiles",
    [(3, [[0, 1, 2]]), (8, [[0, 1, 2, 3], [4, 5, 6, 7]]),
     (10, [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]])],
)  # fmt: skip
def test_tiles_cover_the_clip(seconds, tiles):
    rule = ClipExamples(**COMMON, outputs=CLASSES, task="classes", windows="tiled")
    one = clip(seconds=seconds)
    assert [seen(rule.evaluate(one, part)) for part in range(rule.parts(one))] == tiles


def test_examples_keep_their_spec():
    for rule in (LABELS, VALUES, CUT):
        for example in (rule.evaluate(clip(), 0), rule.empty()):
            assert {k: (v.shape, v.dtype) for k, v in example.items()} == rule.spec()
    assert LABELS.empty()["label"] == -1 and np.isnan(VALUES.empty()["values"]).all()


def test_targets():
    assert LABELS.evaluate(clip(label=2), 0)["label"] == 2
    bare = {k: v for k, v in clip().items() if k not in ("label", "values", "values_time")}
    assert LABELS.evaluate(bare, 0)["label"] == -1  # a video nobody judged
    assert np.isnan(VALUES.evaluate(bare, 0)["values"]).all()
    assert VALUES.evaluate(clip(values=((1, 2), (9, 4), (1, np.nan))), 0)["values"] == [3.0]
    steps = [(1.9, 0), (2.0, 0), (2.1, 1), (3.5, 1), (3.6, 2), (np.nan, -1)]
    for value, label in steps:  # a class begins above its threshold
        assert CUT.evaluate(clip(values=((0, value),)), 0)["label"] == label


def test_statistics_of_targets_leave_out_the_unknown():
    source = [clip(values=((0, v),)) for v in (1.0, 3.0, np.nan)]
    found = VALUES.statistics(source)["target"]
    assert found["mean"] == [2.0] and found["deviation"] == [1.0]
    assert LABELS.statistics(source) == {}
    with pytest.raises(UserError, match="valence"):
        VALUES.statistics(source[2:])


def test_hidden_modalities_and_widths():
    hidden = ClipExamples(**COMMON, outputs=CLASSES, task="classes", hide=("image",))
    assert not hidden.evaluate(clip(), 0)["present/image"].any()
    with pytest.raises(UserError, match="width 2"):
        one = clip()
        one["features"]["image"] = np.zeros((4, 3), np.float16)
        LABELS.evaluate(one, 0)
    with pytest.raises(UserError, match="no modality image"):
        LABELS.evaluate(clip() | {"features": {"sound": None}}, 0)


SPEC = records.Spec(
    modalities={"image": 2}, label_names=CLASSES, value_names=("arousal", "valence")
)


def test_the_dataset_must_have_the_targets():
    for rule in (LABELS, VALUES, CUT):
        rule.check(SPEC, "here")
    turned = dataclasses.replace(SPEC, label_names=CLASSES[::-1], value_names=())
    with pytest.raises(UserError, match="--config.model.outputs=.*wild"):
        LABELS.check(turned, "here")
    for rule in (VALUES, CUT):
        with pytest.raises(UserError, match="examples.values"):
            rule.check(turned, "here")


@pytest.mark.parametrize(
    "change, says",
    [
        (dict(windows="all"), "centre, tiled"),
        (dict(task="values"), "no value 'calm'"),
        (dict(cut="valence"), "no value 'valence'"),
        (dict(cut="valence", values=("valence",)), "together"),
        (dict(cut="valence", values=("valence",), thresholds=(1.0,)), "3 classes"),
        (dict(cut="valence", values=("valence",), thresholds=(2.0, 1.0)), "ascending"),
        (dict(hide=("sound",)), "sound"),
    ],
)
def test_errors_say_what_to_do(change, says):
    with pytest.raises(UserError, match=says):
        ClipExamples(**(COMMON | dict(outputs=CLASSES, task="classes") | change))


def test_so_many_clips_of_each_label():
    """As many of each as asked for, nested for growing counts, from few groups, by the seed."""
    stories = sample.make("quick", 0)
    clips = [one for one in stories.splits["train"]]
    groups, labels = [c.group for c in clips], np.array([c.label for c in clips])
    few, more = (splits.per_class(groups, labels, count, 5) for count in (4, 8))
    assert np.bincount(labels[few]).tolist() == [4] * 6
    assert set(few) < set(more) and (np.diff(more) > 0).all()
    assert len({groups[i] for i in few}) <= 20  # of 51
    assert (splits.per_class(groups, labels, 4, 6) != few).any()
    turned = splits.per_class(groups[::-1], labels[::-1], 4, 5)
    assert {groups[::-1][i] for i in turned} == {groups[i] for i in few}
    with pytest.raises(UserError, match="data.per_class"):
        splits.per_class(groups, labels, 1000, 5)
    with pytest.raises(UserError, match="no clip"):
        splits.per_class(groups, np.full(len(groups), -1), 1, 5)
