"""Videos get names of their own, whatever they are called and wherever they lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.errors import UserError
from affectjax.predicting.videos import named


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_give_what_lies_below_them(tmp_path):
    touch(tmp_path, "b.mp4", "a/c.MKV", "notes.txt", ".hidden.mp4", "a/.b/d.mp4")
    found = named([tmp_path])
    assert [(v.name, v.path.name) for v in found] == [("a/c", "c.MKV"), ("b", "b.mp4")]
    assert [v.name for v in named([tmp_path / "a", tmp_path / "b.mp4"])] == ["c", "b"]


def test_names_that_meet_are_told_apart(tmp_path):
    touch(tmp_path, "x/a.mp4", "y/a.mp4", "a.webm", "A.mp4", "z/a.mp4", "index.mp4")
    places = ["x/a.mp4", "y/a.mp4", "a.webm", "A.mp4", "z/a.mp4", "index.mp4", "x/a.mp4"]
    names = [v.name for v in named(tmp_path / place for place in places)]
    assert names == ["a", "a.mp4", "a.webm", "A-2", "a-3", "index.mp4"]


def test_a_long_name_leaves_room_for_what_is_written_beside_it(tmp_path):
    touch(tmp_path, "é" * 120 + "1.mp4", "é" * 120 + "2.mp4", "d/" + "x" * 250 + ".ts")
    names = [v.name for v in named([tmp_path])]
    assert names == ["d/" + "x" * 200, "é" * 100, "é" * 100 + ".mp4"]


def test_an_empty_folder_is_said_and_a_missing_file_is_left_to_whoever_reads_it(tmp_path):
    with pytest.raises(UserError, match="no video in this folder"):
        named([tmp_path])
    assert [v.name for v in named([tmp_path / "gone.avi"])] == ["gone"]


@given(st.lists(st.sampled_from(["a", "A", "a.mp4", "index", "b", "a-2"]), max_size=8),
       st.data())  # fmt: skip
def test_no_two_videos_share_a_name(stems, data):
    endings = data.draw(st.lists(st.sampled_from(["", ".mp4", ".webm"]),
                                 min_size=len(stems), max_size=len(stems)))  # fmt: skip
    places = [f"/nowhere/{i}/{stem}{end}" for i, (stem, end) in enumerate(zip(stems, endings))]
    names = [v.name.casefold() for v in named(places)]
    assert len(set(names)) == len(names) == len(places) and "index" not in names
