"""The store of finished items: whole and proved, or not there, whoever is killed when."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from affectjax.errors import UserError
from data_prep import items

KEY = items.key({"video": "a", "extractor": "b"})


def filled(folder) -> items.Store:
    store = items.Store(folder)
    rows = {"image": np.arange(12, dtype=np.float16).reshape(3, 4), "audio": np.zeros((0, 2), "f2")}
    store.write(KEY, rows, {"duration": 1.5, "notes": ["日本"]})
    return store


def test_an_item_comes_back_as_it_was(tmp_path):
    found = filled(tmp_path / "s").read(KEY)
    assert found.facts == {"duration": 1.5, "notes": ["日本"]}
    assert found.arrays["audio"].shape == (0, 2) and found.arrays["image"].dtype == np.float16
    np.testing.assert_array_equal(found.arrays["image"].ravel(), np.arange(12))
    assert list(items.Store(tmp_path / "s").keys()) == [KEY]


def test_the_same_item_has_the_same_bytes(tmp_path):
    one, other = filled(tmp_path / "a").path(KEY), filled(tmp_path / "b").path(KEY)
    assert one.read_bytes() == other.read_bytes()


def test_keys_tell_every_part_apart():
    keys = {items.key({"a": 1}), items.key({"a": 2}), items.key({"b": 1}), items.key({"a": "1"})}
    assert len(keys) == 4
    assert items.key({"a": 1, "b": 2}) == items.key({"b": 2, "a": 1})


def test_every_flipped_bit_and_every_cut_is_found(tmp_path):
    store = filled(tmp_path)
    good = store.path(KEY).read_bytes()
    rng = np.random.default_rng(0)
    for i in range(120):
        at = 64 * 8 if i == 1 else rng.integers(len(good) * 8)  # the end of the line, and any
        bad = bytearray(good)
        if i % 3:
            bad[at // 8] ^= 1 << (at % 8)
        else:
            del bad[rng.integers(len(bad)) :]
        store.path(KEY).write_bytes(bad)
        assert store.read(KEY) is None
        assert not store.path(KEY).exists()
        store.path(KEY).write_bytes(good)
    assert store.read(KEY) is not None and len(store.damaged) == 120


WRITER = """
import sys, numpy as np
from data_prep import items
store = items.Store(sys.argv[1])
for i in range(100_000):
    rows = np.full((500, 100), i, np.float16)
    store.write(items.key({"i": i % 7}), {"m": rows}, {"i": i})
    if i == 0: print("begun", flush=True)
"""


def test_a_writer_that_is_killed_leaves_no_half_item(tmp_path):
    for moment in (0.005, 0.02, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        process.stdout.readline()
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = items.Store(tmp_path)
        for key in store.keys():
            found = store.read(key)
            assert found is not None and (found.arrays["m"] == np.float16(found.facts["i"])).all()
        assert not store.damaged


def test_what_killed_writers_left_is_swept_after_an_hour(tmp_path):
    store = filled(tmp_path)
    fresh, stale = (store.path(KEY).with_name(f".{n}.x.partial") for n in ("fresh", "stale"))
    for path in (fresh, stale):
        path.write_bytes(b"half")
    os.utime(stale, (time.time() - 7200,) * 2)
    store.sweep()
    assert fresh.exists() and not stale.exists() and store.read(KEY) is not None


def test_a_digest_follows_the_content(tmp_path):
    store, path = items.Store(tmp_path / "s"), tmp_path / "film.mp4"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    first = store.content(path)
    assert store.content(path) == first
    again = items.Store(tmp_path / "s")  # another process: it finds the digest, and reads nothing
    path.rename(tmp_path / "hidden")
    (tmp_path / "film.mp4").write_bytes(b"two")
    os.utime(path, (2, 2))
    assert again.content(path) != first
    (tmp_path / "s" / items.MEMO).write_bytes(b'["cut off')
    assert items.Store(tmp_path / "s").content(path) == again.content(path)
    with pytest.raises(UserError, match="cannot be read.*nothing.mp4"):
        store.content(tmp_path / "nothing.mp4")


def test_a_file_that_was_just_written_is_read_again(tmp_path):
    """Two contents can have one time stamp."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"one")
    now = os.stat(path)
    first = items.Store(tmp_path / "s").content(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))
    assert items.Store(tmp_path / "s").content(path) != first


def test_failures_are_remembered_and_forgotten(tmp_path):
    store = items.Store(tmp_path)
    assert store.failure(KEY) is None
    store.failed(KEY, "no picture")
    assert store.failure(KEY) == "no picture"
    store.failed(KEY, None)
    assert store.failure(KEY) is None


def test_a_store_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="items cannot be written"):
        filled(tmp_path / "file")
