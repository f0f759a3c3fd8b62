"""The same bytes on Apache Beam, and plain words where it is not installed."""

import importlib.util

import pytest

from affectjax.errors import BAD_INPUT, COMPLETE
from data_prep import beam, build, items, runner
from data_prep.plan import Source
from tests.data_prep import making


@pytest.fixture(scope="module")
def shows(tmp_path_factory):
    root = tmp_path_factory.mktemp("caer")
    for i, place in enumerate(("train/Anger", "validation/Happy", "test/Fear", "train/Sad")):
        making.video(root / place / f"{i:03d}.mp4", 1 + i % 2, i)
    (root / "train/Fear").mkdir()
    (root / "train/Fear/bad.avi").write_bytes(b"this is no video")
    return root


def test_without_beam_it_is_said_in_one_line(shows, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = [f"--videos={shows}", f"--extractors={making.EXTRACTOR}", "--runner=beam", "--out=d"]
    assert build.main(["caer", *words]) == BAD_INPUT
    assert 'Install the extra "beam"' in capsys.readouterr().err


def test_a_group_of_sources_is_extracted_as_the_local_runner_does(shows, tmp_path):
    """What a worker of Beam runs, without Beam."""
    sources = [Source(p.stem, str(p)) for p in sorted(shows.rglob("*.*"))]
    stores = []
    for name in ("a", "b"):
        settings = runner.Settings(((making.EXTRACTOR, "{}"),), None, str(tmp_path / name))
        stores.append(items.Store(tmp_path / name))
        if name == "a":
            assert beam.extract(sources[:2], settings) + beam.extract(sources[2:], settings) == 5
        else:
            assert sum(1 for _ in runner.Local(settings).make(sources)) == 5
    keys = [list(store.keys()) for store in stores]
    assert keys[0] == keys[1] and len(keys[0]) == 4
    assert all(stores[0].path(k).read_bytes() == stores[1].path(k).read_bytes() for k in keys[0])


def test_beam_writes_the_same_bytes(shows, tmp_path):
    pytest.importorskip("apache_beam", reason="the extra beam is not installed")
    words = ["caer", f"--videos={shows}", f"--extractors={making.EXTRACTOR}", "--workers=2"]
    assert build.main([*words, f"--out={tmp_path / 'local'}"]) == COMPLETE
    more = ["--runner=beam", "--beam-options=--runner=DirectRunner"]
    assert build.main([*words, *more, f"--out={tmp_path / 'beam'}"]) == COMPLETE
    assert making.same_files(tmp_path / "local", tmp_path / "beam")
