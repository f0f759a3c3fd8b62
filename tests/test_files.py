"""What is written stands whole or not at all, and nothing half-written stays behind."""

import errno
import os

import pytest

from affectjax import files


@pytest.mark.parametrize("content", [b"\x00new\xff", "neu ü\n", ""])
def test_a_file_is_replaced_at_one_stroke(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text("old")
    held = open(path)  # who reads it meanwhile reads the old one to its end
    files.put(path, content)
    assert held.read() == "old"
    held.close()
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_copy_is_whole(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)))
    files.copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == bytes(range(256))
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            files.put(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_a_folder_that_was_taken_away_is_not_made_again(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.put(tmp_path / "gone" / "a", "new")
    assert not any(tmp_path.iterdir())


def test_a_folder_takes_the_place_of_the_old_one_or_leaves_it(tmp_path):
    place = tmp_path / "export"
    with files.folder(place) as made:
        (made / "one").write_text("1")
        assert not place.exists()
    with pytest.raises(ValueError), files.folder(place) as made:
        (made / "two").write_text("2")
        raise ValueError
    assert os.listdir(place) == ["one"] and os.listdir(tmp_path) == ["export"]
    with files.folder(place) as made:
        (made / "three").write_text("3")
    assert os.listdir(place) == ["three"] and os.listdir(tmp_path) == ["export"]
