"""Emotions of videos to Label Studio and back: what was given comes back, what is wrong is said."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from affectjax.errors import BAD_INPUT, COMPLETE
from data_prep import video_tasks
from data_prep.builders import labelled

CLIPS = """video,label,start,end
a,joy,1.5,4
a,fear,4,9.25
deep/b c,fear,,
"""


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.mp4", "deep/b c.mp4", "new.mp4"):
        (folder / name).write_bytes(b"")
    (folder / "clips.csv").write_text(CLIPS)
    return folder


def give(videos, tmp_path, *words: str) -> int:
    return video_tasks.main(["give", str(videos), "--classes=joy,fear", f"--out={tmp_path / 'ls'}",
                             *words])  # fmt: skip


def annotated(tasks: list[dict]) -> list[dict]:
    """The tasks as an export has them where people took over every prediction."""
    for task in tasks:
        found = task.pop("predictions", [])
        task["annotations"] = [{"result": one["result"], "updated_at": "2026"} for one in found]
    return tasks


def test_what_was_given_comes_back(videos, tmp_path):
    assert give(videos, tmp_path) == COMPLETE
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert [task["data"] for task in tasks] == [
        {"id": "a", "video": "/data/local-files/?d=a.mp4"},
        {"id": "deep/b c", "video": "/data/local-files/?d=deep/b%20c.mp4"},
        {"id": "new", "video": "/data/local-files/?d=new.mp4"},
    ]
    (tmp_path / "export.json").write_text(json.dumps(annotated(tasks)))
    out = tmp_path / "back.csv"
    assert video_tasks.main(["take", str(tmp_path / "export.json"), f"--out={out}"]) == COMPLETE
    before, after = labelled.read(videos / "clips.csv"), labelled.read(out)
    keys = ("video", "group", "label", "start", "end")
    assert [[row[k] for k in keys] for row in after] == [[row[k] for k in keys] for row in before]


def test_the_interface_has_every_emotion_under_both_controls(videos, tmp_path):
    text = video_tasks.interface(['"a" & <b>', "joy"])
    root = ElementTree.fromstring(text)
    for control, entry in (("Choices", "Choice"), ("Labels", "Label")):
        (found,) = root.iter(control)
        assert [one.get("value") for one in found.iter(entry)] == ['"a" & <b>', "joy"]
        assert found.get("toName") in {each.get("name") for each in root}
    assert give(videos, tmp_path) == COMPLETE
    results = [result for task in json.loads((tmp_path / "ls" / "tasks.json").read_text())
               for one in task.get("predictions", []) for result in one["result"]]  # fmt: skip
    names = {each.get("name"): each.get("toName") for each in root if each.get("toName")}
    assert {(one["from_name"], one["to_name"]) for one in results} == set(names.items())


def test_the_newest_annotation_counts_and_segments_go_before_the_whole(tmp_path, capsys):
    def segment(start, end, *names):
        return {"from_name": "segment", "value": {"start": start, "end": end, "labels": names}}

    whole = {"from_name": "whole", "value": {"choices": ["joy"]}}
    marked = [whole, segment(2, 3, "fear"), segment(0, 1.25, "joy")]
    tasks = [{"data": {"id": "v"}, "annotations": [
        {"updated_at": "2026-02", "result": marked},
        {"updated_at": "2026-01", "result": [whole]},
        {"updated_at": "2026-03", "result": [whole], "was_cancelled": True}]},
        {"data": {"id": "w"}, "annotations": []}]  # fmt: skip
    (tmp_path / "e.json").write_text(json.dumps(tasks))
    words = ["take", str(tmp_path / "e.json"), f"--out={tmp_path / 'clips.csv'}"]
    assert video_tasks.main(words) == COMPLETE
    assert "1 older annotations left out" in capsys.readouterr().out
    rows = labelled.read(tmp_path / "clips.csv")
    assert [(row["label"], row["start"], row["end"]) for row in rows] == [
        ("joy", 0.0, 1.25), ("fear", 2.0, 3.0)
    ]  # fmt: skip


MARKED = (
    '[{"data": {"id": "v"}, "annotations": [{"result": [{"from_name": "segment", '
    '"value": {"labels": ["joy"], "start": %s}}]}]}]'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("{}", "no list"),
        ('[{"data": {}}]', "task 1"),
        ('[{"data": {"id": "v"}, "annotations": [{"result": [{}]}]}]', "task 1"),
        ("[]", "nothing in the export"),
        (MARKED % '3, "end": 2', "v has a segment from 3 to 2"),
        (MARKED % '1, "end": NaN', "v has a segment from 1 to nan"),
        (MARKED % '-1, "end": 2', "v has a segment from -1 to 2"),
    ],
)
def test_an_export_that_is_none_is_one_line(tmp_path, capsys, text, said):
    (tmp_path / "e.json").write_text(text)
    words = ["take", str(tmp_path / "e.json"), f"--out={tmp_path / 'clips.csv'}"]
    assert video_tasks.main(words) == BAD_INPUT
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "clips.csv").exists()


def test_folders_and_flags_that_do_not_fit_are_one_line(videos, tmp_path, capsys):
    (videos / "clips.csv").write_text(CLIPS + "a,awe,10,11\n")
    assert give(videos, tmp_path) == BAD_INPUT
    assert "'awe' is no emotion" in capsys.readouterr().err
    (videos / "clips.csv").write_text(CLIPS + "a,joy,10,\n")
    assert give(videos, tmp_path) == BAD_INPUT
    assert "has no end" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert give(tmp_path / "empty", tmp_path) == BAD_INPUT
    assert give(videos, tmp_path, "--clases=x") == BAD_INPUT
    assert not (tmp_path / "ls").exists()
