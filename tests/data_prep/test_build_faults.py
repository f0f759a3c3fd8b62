"""What goes wrong around a build: other builds, tables and numbers that are wrong, a full disk."""

import csv
import errno
import json
import os
import pathlib

import numpy as np
import pytest

from affectjax import files
from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from affectjax.media import serving
from affectjax.media.workers import Failure
from data_prep import assemble, build, builders, command, failures, find, place, report, runner
from data_prep.builders import commented
from data_prep.plan import Found, Plan, Request, Source
from tests.data_prep import making


def refused(words, capsys) -> str:
    """The one line that a command ends with."""
    assert build.main(list(map(str, words))) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("error: ")
    return error[0]


# --- builds beside each other


def test_one_lock_for_each_dataset_and_no_trace_of_it(tmp_path):
    out = tmp_path / "d"
    with place.lock(out):
        with pytest.raises(UserError, match="Another build of this dataset is running"):
            with place.lock(out):
                pytest.fail("two at a time")
        with place.lock(tmp_path / "d.v2"):
            pass
        with place.lock(out, alone=False):
            pass
    assert not list(tmp_path.iterdir())
    (tmp_path / ".d.lock").write_text("")  # of one that was killed
    with place.lock(out):
        pass
    assert not list(tmp_path.iterdir())


def test_only_half_written_folders_of_this_very_dataset_are_swept(tmp_path):
    gone = [".d[1].0123abcd.partial", ".d[1].0123abcd.old"]
    kept = [".d[1].v2.0123abcd.partial", ".d1.0123abcd.partial", ".d[1].77.probe"]
    for name in gone + kept:
        (tmp_path / name / "x").mkdir(parents=True)
    place.sweep(tmp_path / "d[1]")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_what_differs_is_named_one_by_one():
    there = {"builder": "caer", "options": {"classes": 7, "groups": ""}, "format": "tfrecord"}
    wanted = {"builder": "caer", "options": {"classes": 6, "groups": ""}, "format": "array_record"}
    assert list(place._other(there, wanted)) == ["options.classes", "format"]


# --- imports


@pytest.fixture
def features(tmp_path) -> pathlib.Path:
    root = tmp_path / "features"
    root.mkdir()
    for split in ("train", "test"):
        np.save(root / f"image_{split}.npy", np.ones((2, 3, 4), np.float32))
    return root


def test_an_import_again_is_there_and_changed_inputs_need_overwrite(features, tmp_path, capsys):
    words = ["import", f"--features={features}", f"--out={tmp_path / 'd'}"]
    assert build.main(words) == COMPLETE
    assert "made: " in capsys.readouterr().out
    assert build.main(words) == COMPLETE
    assert "already there" in capsys.readouterr().out
    (tmp_path / "d" / report.PAGE).unlink()  # as if killed before the report
    assert build.main(words) == COMPLETE and (tmp_path / "d" / report.PAGE).is_file()
    np.save(features / "image_test.npy", np.zeros((2, 3, 4), np.float32))
    capsys.readouterr()
    assert "--overwrite" in refused(words, capsys)
    assert build.main([*words, "--overwrite"]) == COMPLETE


def test_an_import_waits_for_nobody(features, tmp_path, capsys):
    with place.lock(tmp_path / "d"):
        words = ["import", f"--features={features}", f"--out={tmp_path / 'd'}"]
        assert "Another build" in refused(words, capsys)


@pytest.mark.parametrize("line", ["0,nan,", "0,-1,", "1.7,,", "nan,,", "0,,nan"])
def test_places_of_a_manifest_that_are_none(line, features, tmp_path, capsys):
    row, start, end = line.split(",")
    table = tmp_path / "m.csv"
    table.write_text(f"id,split,row,start,end\na,train,{row},{start},{end}\n")
    words = ["import", f"--features={features}", f"--manifest={table}", f"--out={tmp_path / 'd'}"]
    assert "line 2" in refused(words, capsys)


def test_a_class_that_stands_twice(features, tmp_path, capsys):
    words = ["import", f"--features={features}", f"--out={tmp_path / 'd'}"]
    assert "twice" in refused([*words, '--options={"labels": ["a", "a"]}'], capsys)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('{"value": "y", "above": "x"}', "cannot lie above 'x'"),
        ('{"value": "y", "above": 0, "names": ["a", "a"]}', "two names"),
    ],
)
def test_classes_of_a_value_that_are_none(rule, said, features, tmp_path, capsys):
    for split in ("train", "test"):
        np.save(features / f"y_{split}.npy", np.zeros(2, np.float32))
    options = f'--options={{"values": {{"y": "y"}}, "label": {rule}}}'
    words = ["import", f"--features={features}", options, f"--out={tmp_path / 'd'}"]
    assert said in refused(words, capsys)


def test_an_unreadable_folder_of_features(features, tmp_path, capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
    words = ["import", f"--features={features}", f"--out={tmp_path / 'd'}"]
    assert "Permission denied" in refused(words, capsys)


def test_a_full_disk_under_the_report_is_one_line(features, tmp_path, capsys, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "put", full)
    words = ["import", f"--features={features}", f"--out={tmp_path / 'd'}"]
    assert "No space left on device" in refused(words, capsys)
    assert records.open_dataset(tmp_path / "d").splits == {"train": 2, "test": 2}


# --- flags


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--memory=nan", "--memory"),
        ("--memory=-1", "--memory"),
        ("--timeout=0", "--timeout"),
        ("--workers=0", "--workers"),
        ('--options={"seed": -1}', "seed is at least 0"),
        ('--options={"seconds": 1e-9}', "seconds is at least 0.1"),
        ('--options={"seconds": NaN}', "seconds cannot be nan"),
        ('--extractor-options={"lowlevel": 3}', "lowlevel"),
        ("--extractors=vgish", "Did you mean 'vggish'?"),
        ('--extractor-options={"mfcc": {"hop": 0}}', "mfcc cannot have the option hop = 0"),
        ('--extractor-options={"clip": {"batch": 0}}', "clip cannot have the option batch = 0"),
        ('--extractor-options={"clip": {"rate": "2"}}', "clip cannot have the option rate = '2'"),
    ],
)
def test_numbers_and_names_that_do_not_fit(word, said, tmp_path, capsys):
    words = ["video_tsc", "--tokeniser=whitespace", f"--videos={tmp_path}", word]
    if "mfcc" in word or "clip" in word:
        words += ["--extractors=mfcc,clip", "--weights=random"]
    assert said in refused([*words, f"--out={tmp_path / 'd'}"], capsys)


def test_a_folder_of_weights_holds_those_that_find_faces_too(tmp_path):
    for name in ("xception", "mtcnn"):
        (tmp_path / name).mkdir()
    words = ["labelled", "--extractors=xception", f"--weights={tmp_path}"]

    def options(*more):
        ((name, text),) = build._extractors(command.parser("").parse_args([*words, *more]))
        return json.loads(text)

    both = {"weights": str(tmp_path / "xception"), "faces": str(tmp_path / "mtcnn")}
    assert options() == both
    own = '--extractor-options={"xception": {"faces": "mine"}}'
    assert options(own) == {**both, "faces": "mine"}
    (tmp_path / "mtcnn").rmdir()
    assert "faces" not in options()


# --- sources that fail


def local(tmp_path, options=None, extractor=making.EXTRACTOR, **settings) -> runner.Local:
    pair = extractor, json.dumps(options or {})
    return runner.Local(runner.Settings((pair,), None, str(tmp_path / "items"), 1, **settings))


@pytest.mark.parametrize(
    ("how", "reason", "again"),
    [
        ("ValueError", "ValueError: told to", False),
        ("SIGABRT", "SIGABRT", False),
        ("SIGTERM", "SIGTERM", True),  # somebody ended it
        ("OSError", "OSError: told to", True),
    ],
)
def test_what_failed_by_itself_is_not_tried_again_unchanged(how, reason, again, tmp_path):
    source = Source("a", str(making.video(tmp_path / "a.mp4")))
    log, tries = tmp_path / "log", 0

    def start(tried, **settings):
        nonlocal tries
        options = {"how": how, "log": str(log)}
        one = local(tmp_path, options, "tests.data_prep.making:Broken", **settings)
        assert [known for _, known in one.make([source])] == [not tried]
        assert reason in one.result(source).failure and reason in one.failure(source)
        tries += tried
        assert len(log.read_text().split()) == tries

    start(True)
    start(again)
    start(True, retry=True)
    making.video(tmp_path / "a.mp4", seed=1)
    start(True)


@pytest.mark.parametrize(
    ("kind", "reason", "lasts"),
    [
        ("timeout", "no sign of life for 600 seconds", True),
        ("memory", "the worker ran out of memory", True),
        ("refused", "Not one picture can be decoded", True),
        ("crash", "the worker crashed: SIGSEGV", True),
        ("crash", "the worker was killed, perhaps for lack of memory", False),
        ("error", "ModuleNotFoundError: No module named 'av'", False),
        ("error", "PermissionError: [Errno 13] Permission denied", False),
    ],
)
def test_which_failures_are_of_the_files_themselves(kind, reason, lasts):
    assert failures.lasting(Failure(kind, reason)) == lasts


@pytest.mark.parametrize(
    ("number", "lasts"),
    [(errno.EIO, False), (errno.ESTALE, False), (errno.EINVAL, True), (0, True)],
)
def test_what_a_disk_says_once_is_no_fault_of_the_file(number, lasts):
    error = UserError("The comment file cannot be read")
    error.__cause__ = OSError(number, "from the disk") if number else None
    assert failures.lasting(serving._told(error)) == lasts


def test_a_source_that_vanishes_or_changes_half_way_ends_nothing_and_is_tried_again(
    tmp_path, monkeypatch
):
    first, second = (making.video(tmp_path / f"{name}.mp4", seed=i) for i, name in enumerate("ab"))
    sources = [Source("a", str(first)), Source("b", str(second))]
    whole, other = second.read_bytes(), making.video(tmp_path / "c.mp4", seed=5).read_bytes()
    survey = runner.Local.survey

    def meanwhile(then):
        def surveyed(self, source):
            found = survey(self, source)
            if source.name == "b":
                then()
            return found

        monkeypatch.setattr(runner.Local, "survey", surveyed)
        one = local(tmp_path)
        assert sum(1 for _ in one.make(sources)) == 2
        monkeypatch.setattr(runner.Local, "survey", survey)
        return one

    one = meanwhile(second.unlink)
    assert one.result(sources[0]).failure is None
    assert "No such file" in one.result(sources[1]).failure
    second.write_bytes(whole)
    one = meanwhile(lambda: second.write_bytes(other))
    assert len(list(one.store.keys())) == 1  # the other one's features have no place of its own
    second.write_bytes(whole)
    one = meanwhile(lambda: None)
    assert one.result(sources[1]).failure is None and len(list(one.store.keys())) == 2


@pytest.mark.parametrize("builder", ["labelled", "video_tsc", "danmaku_ldl"])
def test_a_split_that_is_lost_whole_is_said(builder, tmp_path, capsys):
    videos, splits = tmp_path / "videos", {"a": "train", "b": "train", "c": "test"}
    videos.mkdir()
    for name in splits:
        making.video(videos / f"{name}.mp4", seconds=6.0)
        making.comments(videos / f"{name}.xml", np.arange(0.2, 6, 0.4))
    (videos / "c.mp4").write_bytes(b"this is no video" * 50)
    rows = [f"{name}.mp4,joy,{split}\n" for name, split in splits.items()]
    (videos / "clips.csv").write_text("video,label,split\n" + "".join(rows))
    words = [builder, f"--videos={videos}", f"--out={tmp_path / 'd'}", "--workers=1",
             "--tokeniser=whitespace", f"--extractors={making.EXTRACTOR}"]  # fmt: skip
    assert build.main(words) == BAD_INPUT
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "no clip is left for the split test: 1 sources were skipped; c: This is no" in said
    assert not (tmp_path / "d").exists()


# --- tables and sources


def request(videos, **options) -> Request:
    options = builders.options(builders.named("video_tsc"), options)
    return Request(videos=videos, comments=None, annotations=None, options=options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"video,split\na.mp4,train\n", "1 sources are missing in the table: b"),
        (b"video,split\na.mp4\nb.mp4,test\n", "a.mp4 has no split"),
        (b"id,name\n1,2\n", "columns video and split"),
        (b"\x00\xff\x93" * 99, "clips.csv"),
        (b'"' + b"x" * (csv.field_size_limit() + 9), "clips.csv"),
    ],
)
def test_a_table_of_splits_that_is_wrong_is_told_before_any_work(text, said, tmp_path):
    for name in ("a.mp4", "a.xml", "b.mp4", "b.xml"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "clips.csv").write_bytes(text)
    with pytest.raises(UserError, match=said):
        commented.sources(request(tmp_path))
    assert len(commented.sources(request(tmp_path, by="clip"))[0]) == 2


def test_when_every_source_failed_that_is_what_is_said():
    class Nothing:
        def result(self, source):
            return runner.Made(failure=f"{source.name} holds no picture")

    def clips(lookup):
        raise AssertionError("there is nothing to cut")

    plan = Plan([Source("a", "a.mp4"), Source("b", "b.mp4")], {}, clips, {})
    with pytest.raises(UserError, match="all 2 sources failed; a: a holds no picture"):
        assemble.chosen(plan, assemble.Sources(plan, Nothing()))


def test_segments_after_the_end_are_dropped_and_noted(tmp_path):
    (tmp_path / "joy").mkdir()
    (tmp_path / "joy/1.mp4").write_bytes(b"")
    for name, text in (("train", "joy/1 4"), ("test", "")):
        (tmp_path / f"{name}list01.txt").write_text(text)
    (tmp_path / "segments.txt").write_text("1 1 3 8 12 10 11 12\n")
    builder = builders.named("ekman6")
    plan = builder.plan(Request(tmp_path, None, tmp_path, builder.OPTIONS))
    (clip,) = plan.clips(lambda source: Found(10.0, None))["train"]
    np.testing.assert_array_equal(clip.targets["segments"], [[1, 3, 3], [8, 10, 3]])
    assert "joy/1: 1 segments begin after its end" in plan.notes


def test_the_report_names_files_beside_the_taken_ones(tmp_path):
    for name in ("a.mp4", "a.webm", "a.xml", "a.json"):
        (tmp_path / name).write_bytes(b"")
    source = Source("a", str(tmp_path / "a.mp4"), str(tmp_path / "a.json"))
    found = build._left_out(request(tmp_path), Plan([source], {}, dict, {}))
    assert set(found) == {"a.webm", "a.xml"} and len(find.videos(tmp_path)) == 1


# --- comments that cannot be used


def test_a_pipe_is_skipped_by_name_and_late_comments_are_counted(tmp_path, capsys):
    videos, out = tmp_path / "videos", tmp_path / "d"
    videos.mkdir()
    for name in ("a", "b", "c"):
        making.video(videos / f"{name}.mp4", seconds=2.0)
    making.comments(videos / "a.xml", [0.2, 0.6, 1.0, 1.4, 50.0])
    making.comments(videos / "b.xml", [0.2, 0.6, 1.0, 1.4])
    os.mkfifo(videos / "c.xml")  # to read it would never end
    words = ["video_tsc", f"--videos={videos}", f"--out={out}", "--tokeniser=whitespace",
             "--workers=1", '--options={"select": 0, "test": 0.5}']  # fmt: skip
    assert build.main(words) == COMPLETE, capsys.readouterr().err
    told = json.loads((out / "report.json").read_text())
    assert told["cleaning"]["beyond the end"] == 1
    assert "no regular file" in json.dumps(told["skipped"])
