"""The sample as real videos: what is measured in them is what was drawn."""

import csv
import pathlib
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from affectjax.data import sample
from affectjax.data import sample_world as world
from affectjax.media.extract import Chunk, extract
from affectjax.media.extractor import resolve
from data_prep import render
from data_prep import sample as command

ROOT = pathlib.Path(__file__).parents[2]


def measured(path) -> dict[str, np.ndarray]:
    *chunks, facts = extract(path, [resolve("lowlevel")])
    assert all(isinstance(chunk, Chunk) for chunk in chunks) and facts.notes == []
    return {
        name: np.concatenate([c.rows for c in chunks if c.modality == name])
        for name in world.WIDTHS
    }


def correlations(folder, sources: int, count: int) -> dict[str, np.ndarray]:
    """Of each dimension, over all rows of so many clips of so many sources."""
    clips = sample.make().splits["train"]
    drawn, found = [], []
    for group in sorted({clip.group for clip in clips})[:sources]:
        chosen = [clip.features for clip in clips if clip.group == group][:count]
        render.film(chosen, folder / "film.mp4")
        drawn += chosen
        found.append(measured(folder / "film.mp4"))
    values = {}
    for name in world.WIDTHS:
        wanted = np.concatenate([features[name] for features in drawn]).astype(np.float32)
        got = np.concatenate([features[name] for features in found])
        assert got.shape == wanted.shape  # each segment is a row again
        values[name] = np.array([np.corrcoef(*both)[0, 1] for both in zip(wanted.T, got.T)])
    return values


def lost(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The modalities that did not come back: most dimensions at 0.9, none below 0.8."""
    return {
        name: correlation
        for name, correlation in values.items()
        if (correlation >= 0.9).mean() < 0.8 or not correlation.min() > 0.8
    }


def test_features_come_back_through_the_codecs(tmp_path):
    assert lost(correlations(tmp_path, sources=2, count=1)) == {}


@pytest.mark.slow
def test_features_of_whole_sources_come_back_through_the_codecs(tmp_path):
    values = correlations(tmp_path, sources=4, count=4)
    assert lost(values) == {}
    # A source's own style, alike in all its rows, is not what makes them correlate.
    assert lost(correlations(tmp_path, sources=1, count=4)) == {}


def test_the_same_features_give_the_same_bytes(tmp_path):
    features = {name: value[:6] for name, value in sample.make().splits["test"][0].features.items()}
    for name in ("a", "b"):
        render.film([features], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tones_repeat_without_a_seam():
    tones = render.tones()
    step = np.abs(np.diff(tones, axis=1)).max(1)
    assert (np.abs(tones[:, 0] - tones[:, -1]) <= step + 1e-6).all()
    assert np.corrcoef(tones).max(where=~np.eye(len(tones), dtype=bool), initial=0) < 1e-4


@pytest.fixture(scope="module")
def stories():
    """Of each clip three segments, so that whole folders are made in seconds."""
    made = sample.make()
    for clips in made.splits.values():
        for clip in clips:
            for name, rows in clip.features.items():
                clip.features[name] = rows[:3]
    return made


@pytest.fixture
def short(monkeypatch, stories):
    monkeypatch.setattr(sample, "make", lambda *_: stories)


def test_the_command_writes_videos_comments_and_a_table(tmp_path, capsys, short, stories):
    out = tmp_path / "videos"
    assert command.main([f"--out={out}", "--sources=5", "--workers=2"]) == 0
    assert "made 5 videos" in capsys.readouterr().out
    names = sorted(path.stem for path in out.glob("*.mp4"))
    assert names == sorted(path.stem for path in out.glob("*.xml")) and len(names) == 5
    rows = list(csv.DictReader((out / command.TABLE).open()))
    clips = {clip.id: clip for part in stories.splits.values() for clip in part}
    assert {row["split"] for row in rows} == {"train", "test"} and len(rows) == 20
    for row in rows:
        clip = clips[row["id"]]
        assert row["group"] == clip.group and row["video"] == f"{clip.group}.mp4"
        assert row["label"] == world.EMOTIONS[clip.label]
        assert float(row["end"]) - float(row["start"]) == pytest.approx(clip.duration, abs=1e-4)
    # The comments of a source, each in its clip's time.
    mine = [row for row in rows if row["group"] == names[0]]
    found = ElementTree.parse(out / f"{names[0]}.xml").getroot().findall("d")
    times = [float(line.get("p").split(",")[0]) for line in found]
    assert times == sorted(times)
    for row in mine:
        start, end = float(row["start"]), float(row["end"])
        said = clips[row["id"]].comments
        here = [time - start for time in times if start <= time < end]
        np.testing.assert_allclose(here, said.time, atol=1e-4)
    vocabulary = command.vocabulary()
    first = clips[mine[0]["id"]].comments.words[0]
    assert found[0].text.split() == [vocabulary[word] for word in first]


def test_what_stands_is_left_alone_and_more_can_be_added(tmp_path, capsys, short):
    out = tmp_path / "videos"
    assert command.main([f"--out={out}", "--sources=2", "--workers=1"]) == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
    assert command.main([f"--out={out}", "--sources=3", "--workers=1"]) == 0
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert "made 1 videos" in capsys.readouterr().out
    assert len(list(csv.DictReader((out / command.TABLE).open()))) == 12
    assert command.main([f"--out={out}", "--seed=1"]) == 2
    assert "another sample" in capsys.readouterr().err


def test_one_split_alone_can_be_rendered(tmp_path, short):
    out = tmp_path / "videos"
    assert command.main([f"--out={out}", "--sources=2", "--splits=test"]) == 0
    rows = list(csv.DictReader((out / command.TABLE).open()))
    assert [row["split"] for row in rows] == ["test"] * 8


@pytest.mark.parametrize("way,status", [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 75)])
def test_a_render_that_is_stopped_leaves_no_half_file(tmp_path, way, status):
    out = tmp_path / "videos"
    words = [sys.executable, "-m", "data_prep.sample", f"--out={out}", "--sources=4"]
    stopped = subprocess.Popen([*words, "--workers=1"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob(".*.mp4.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    stopped.send_signal(way)
    _, said = stopped.communicate()
    assert stopped.returncode == status and "Traceback" not in said
    assert list(out.glob(".*.mp4.part"))  # it was in the middle of one
    for path in out.glob("*.mp4"):
        assert len(measured(path)["image"]) > 100


@pytest.mark.parametrize(
    "words",
    [
        ["--sources=0"],
        ["--workers=0"],
        ["--format=tfrecord"],
        ["--records", "--sources=3"],
        ["--splits=valid"],
        ["--records", "--splits=test"],
    ],
)
def test_words_that_do_not_fit_are_refused(tmp_path, capsys, words):
    assert command.main([f"--out={tmp_path / 'new'}", *words]) == 2
    assert capsys.readouterr().err.startswith("error: ") and not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("mine")
    assert command.main([f"--out={tmp_path}"]) == 2
    assert "something else" in capsys.readouterr().err and len(list(tmp_path.iterdir())) == 1
