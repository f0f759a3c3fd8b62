"""Files by name: loops of links, folders that cannot be read, names that stand twice."""

import os

import pytest

from affectjax.errors import UserError
from data_prep import find


def empty(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_a_loop_of_links_gives_every_video_once_and_by_its_real_name(tmp_path):
    root = empty(tmp_path / "v", "z/a.mp4", "b.mp4")
    other = empty(tmp_path / "other", "c.mp4")
    (root / "z/up").symlink_to(root)
    (root / "alias").symlink_to(root / "z")
    (root / "more").symlink_to(other)
    (other / "back").symlink_to(root)
    assert list(find.videos(root)) == ["b", "more/c", "z/a"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    root = empty(tmp_path, "a/x.mp4", "shut/y.mp4")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match="Permission denied.*shut"):
        find.videos(root)


def test_names_that_are_not_utf8_are_left_out_and_told(tmp_path):
    empty(tmp_path, "good.mp4")
    try:
        with open(os.fsencode(tmp_path) + b"/b\xe9d.mp4", "wb"):
            pass
    except OSError:
        pytest.skip("this file system takes names of UTF-8 alone")
    assert list(find.videos(tmp_path)) == ["good"]
    assert find.unnamed(tmp_path, find.VIDEOS) == {"b\\xe9d.mp4": "its name is not UTF-8"}


def test_files_of_the_same_name_as_a_taken_one_are_told(tmp_path):
    empty(tmp_path, "a/x.mp4", "a/x.webm", "a/x.txt", "a/y.webm", "x.webm", "x.danmaku.xml")
    taken = [str(path) for path in find.videos(tmp_path).values()]
    assert list(find.passed_over(taken, tmp_path, find.VIDEOS)) == ["a/x.webm"]
    empty(tmp_path, "x.json")
    said = [str(tmp_path / "x.json")]
    assert list(find.passed_over(said, tmp_path, find.COMMENTS)) == ["x.danmaku.xml"]
