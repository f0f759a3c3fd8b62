"""The sample's distributions: the gates they were set by, dials, and the same bytes everywhere."""

import hashlib
import json

import numpy as np
import pytest

from affectjax.data import load, sample_danmaku
from affectjax.data.sample_danmaku import CONSTANTS, Dials, K, make
from affectjax.data.sample_danmaku_gates import gates
from affectjax.errors import UserError

FROZEN = "7cb6571225c03e30"


@pytest.fixture(scope="module")
def stories():
    return make("quick")


def test_the_numbers_stand_as_they_were_set():
    text = json.dumps(CONSTANTS, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == FROZEN


def test_gates(stories):
    found = gates(stories)
    assert all(found["holds"].values()), found
    assert found["oracle"] < found["probes"]["image"] < found["mean"]


@pytest.mark.slow
def test_gates_at_the_size_of_the_studies():
    found = gates(make("study"))
    assert all(found["holds"].values()), found
    assert found["probes"]["all"] < min(found["probes"][m] for m in ("image", "motion", "audio"))


def test_without_signal_a_probe_is_worse_than_the_mean():
    dials = Dials(signal=0.0)
    found = gates(make("quick", 0, dials), dials)
    assert min(found["probes"].values()) > found["mean"]


def test_one_kind_alone_is_easier(stories):
    dials = Dials(kinds=0.0)
    alike = make("quick", 0, dials)
    assert {v.kind for v in alike["train"]} == {0}
    assert gates(alike, dials)["probes"]["all"] < gates(stories)["probes"]["all"] - 0.05


def test_comments_make_the_distribution(stories):
    for video in stories["test"][:5]:
        total = video.counted.sum(1)
        known = np.isfinite(video.observed).all(1)
        np.testing.assert_array_equal(known, total >= CONSTANTS["least"])
        np.testing.assert_allclose(video.observed[known].sum(1), 1, rtol=1e-6)
        assert video.truth.shape == (len(video.leader), K)
        assert len(video.features["image"]) == video.duration * sample_danmaku.RATE


def test_it_is_read_back_as_it_was_told(tmp_path, stories):
    found = load.load(sample_story="distributions", sample_dir=str(tmp_path))
    assert {name: len(part) for name, part in found.parts.items()} == {"train": 52, "test": 24}
    record, video = found.parts["test"][3], stories["test"][3]
    np.testing.assert_array_equal(record["distribution"], video.observed)
    np.testing.assert_array_equal(record["features"]["audio"], video.features["audio"])
    assert (
        found.dataset.folder
        == load.load(sample_story="distributions", sample_dir=str(tmp_path)).dataset.folder
    )


def test_settings_out_of_bounds():
    with pytest.raises(UserError, match="dial"):
        Dials(kinds=2)
    with pytest.raises(UserError, match="size"):
        make("huge")
