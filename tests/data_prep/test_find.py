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


def comments(root, said, *more):
    """Writes comment files of one comment each, and others as they are given."""
    for name in said:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("time,text\n1,a\n" if name.endswith(".csv") else "<i></i>")
    for name, text in more:
        (root / name).write_text(text)
    return root


def found_names(names, root):
    found = find.comments(names, root).items()
    return {name: path.relative_to(root).as_posix() for name, path in found}


def test_no_video_gets_the_comments_of_another(tmp_path):
    empty(tmp_path, "s1/ep1.mp4", "s2/ep1.mkv", "s2/ep2.mp4", "s3/ep2.mp4")
    comments(tmp_path, ["s1/ep1.xml", "ep2.xml"])
    assert found_names(find.videos(tmp_path), tmp_path) == {"s1/ep1": "s1/ep1.xml"}
    assert found_names(["s1/ep1", "s3/ep2"], tmp_path) == {
        "s1/ep1": "s1/ep1.xml", "s3/ep2": "ep2.xml",
    }  # fmt: skip
    comments(tmp_path, ["a/x.danmaku.xml"])
    assert found_names(["a/x.danmaku", "b/x"], tmp_path) == {"a/x.danmaku": "a/x.danmaku.xml"}


def test_of_several_comment_files_the_one_that_says_so_is_taken_and_none_that_holds_none(tmp_path):
    metadata = '{"title": "a film", "duration": 12}'
    comments(tmp_path, ["a.xml", "b.danmaku.xml", "b.xml", "c.danmaku.xml", "d.csv", "e.csv"],
             ("a.json", metadata), ("c.json", '[{"time": 1, "text": "a"}]'),
             ("d.json", metadata), ("e.xml", "<metadata/>"), ("f.xml", ""), ("f.json", metadata),
             )  # fmt: skip
    assert found_names("abcdef", tmp_path) == {
        "a": "a.xml", "b": "b.danmaku.xml", "c": "c.danmaku.xml", "d": "d.csv", "e": "e.csv",
        "f": "f.xml",
    }  # fmt: skip
    taken = [str(path) for path in find.comments("abcdef", tmp_path).values()]
    assert list(find.passed_over(taken, tmp_path, find.COMMENTS)) == [
        "a.json", "b.xml", "c.json", "d.json", "e.xml", "f.json",
    ]  # fmt: skip
    flat = {f"sub/{name}": where for name, where in found_names("abcdef", tmp_path).items()}
    assert found_names(flat, tmp_path) == flat


def test_the_file_that_a_table_names_goes_before_another_ending(tmp_path):
    empty(tmp_path, "a/z.mp4", "a/z.mkv", "b/z.mp4", "b/z.mkv", "y.mp4", "y.mkv")
    names = {key: path.name for key, path in find.videos(tmp_path, ["a/z.mp4", "y.mp4"]).items()}
    assert names == {"a/z": "z.mp4", "b/z": "z.mkv", "y": "y.mp4"}
    assert find.videos(tmp_path, ["z.mp4"])["b/z"].name == "z.mp4"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_tables_of_any_encoding_keep_their_words(tmp_path, codec):
    (tmp_path / "t.csv").write_bytes("video,label\r\n\r\n好片.mp4,喜欢\r\n".encode(codec))
    assert find.lines(tmp_path / "t.csv") == ["video,label", "好片.mp4,喜欢"]


def test_names_with_accents_are_read_as_before(tmp_path):
    (tmp_path / "t.csv").write_bytes("Amélie.mp4,joy\nDer Müller.mp4,joy\n".encode("latin-1"))
    assert find.lines(tmp_path / "t.csv") == ["Amélie.mp4,joy", "Der Müller.mp4,joy"]
