"""The keyframe stories: what is planted, that dials switch it off, and that the gates hold."""

import hashlib
import json

import numpy as np
import pytest

from affectjax.data import records as records_lib
from affectjax.data import sample_keyframes as stories
from affectjax.data import sample_keyframes_gates as gates
from affectjax.data.sample_keyframes import CONSTANTS, Dials
from affectjax.errors import UserError

STUDY = stories.make("study")


def test_the_numbers_are_frozen():
    """They were set against the gates before any model was trained; who turns them says why."""
    found = hashlib.sha256(json.dumps(CONSTANTS, sort_keys=True).encode()).hexdigest()
    assert found[:16] == "5a2085d0139ec0a6"


def test_the_same_seed_tells_the_same_stories():
    one, two, other = (stories.make("quick", seed)["train"] for seed in (3, 3, 4))
    for a, b in zip(one, two):
        assert a.label == b.label
        np.testing.assert_array_equal(a.features["motion"], b.features["motion"])
    assert any(a.label != c.label or a.place != c.place for a, c in zip(one, other))


@pytest.mark.parametrize("split, share", [("train", 0.7), ("test", 0.5)])
def test_a_keyframe_admits_two_emotions_of_one_polarity(split, share):
    clips = STUDY[split]
    assert all(clip.label in (clip.key, stories.second(clip.key)) for clip in clips)
    first = np.mean([clip.label == clip.key for clip in clips])
    assert abs(first - share) < 3 * (share * (1 - share) / len(clips)) ** 0.5
    assert all(clip.told == clip.label for clip in clips)


def test_keyframe_context_and_distractor_lie_apart():
    for clip in STUDY["test"]:
        assert clip.start <= clip.place < clip.stop and clip.stop - clip.start in (4, 5)
        assert clip.distractor == -1 or not clip.start <= clip.distractor < clip.stop
    loud = np.mean([clip.distractor >= 0 for clip in STUDY["test"]])
    silent = np.mean([not len(clip.features["audio"]) for clip in STUDY["test"]])
    assert abs(loud - 0.3) < 0.07 and abs(silent - 0.1) < 0.05


def test_the_gates_hold():
    found = gates.gates(STUDY)
    assert all(found["holds"].values()), found


def test_without_context_nothing_but_the_keyframe_tells():
    dials = Dials(context=0.0)
    found = gates.gates(stories.make("study", 0, dials), dials)
    assert found["ceiling"] - found["key_only"] < 0.05


def test_without_shift_testing_is_as_training():
    clips = stories.make("study", 0, Dials(shift=0.0))["test"]
    assert abs(np.mean([c.label == c.key for c in clips]) - 0.7) < 0.07
    assert not any(
        c.distractor >= 0 for c in stories.make("quick", 0, Dials(distractors=0.0))["test"]
    )
    with pytest.raises(UserError, match="0..1"):
        Dials(context=2.0)


def test_it_is_a_dataset(tmp_path):
    folder = stories.prepare(tmp_path)
    dataset = records_lib.open_dataset(folder)
    test, key = dataset.split("test"), dataset.split("test_key")
    assert len(test) == len(key) == 64 and len(dataset.split("train")) == 192
    clips = stories.make()["test"]
    seconds = clips[0].duration / CONSTANTS["segments"]
    for i in (0, 5):
        whole, alone, clip = test[i], key[i], clips[i]
        assert (
            whole["id"] == clip.id
            and alone["id"] == f"{clip.id}-keyframe"
            and whole["label"] == clip.label
        )
        np.testing.assert_allclose(
            whole["segments"], [[clip.start * seconds, clip.stop * seconds, clip.label]], rtol=1e-6
        )
        np.testing.assert_allclose(
            alone["segments"][0, :2], np.array([clip.place, clip.place + 1]) * seconds, rtol=1e-6
        )
    before = (folder / "dataset_info.json").stat().st_mtime_ns
    assert stories.prepare(tmp_path) == folder
    assert (folder / "dataset_info.json").stat().st_mtime_ns == before
