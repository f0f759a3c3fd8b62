"""The one command, on real files: what it makes, resumes and refuses, and that bytes are equal."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE, REQUEUE
from affectjax.media import features
from data_prep import build, items, verify
from tests.data_prep import making

CAER = ["train/Anger", "train/Sad", "validation/Happy", "test/Fear", "test/Neutral"]


@pytest.fixture(scope="module")
def shows(tmp_path_factory) -> pathlib.Path:
    """A CAER of nine clips of 1 to 3 seconds; one is no video, one has no sound."""
    root = tmp_path_factory.mktemp("caer")
    for i in range(8):
        making.video(root / CAER[i % 5] / f"{i:03d}.avi", 1 + i % 3, i, sound=i != 2)
    (root / "train/Fear").mkdir()
    (root / "train/Fear/bad.avi").write_bytes(b"this is no video" * 50)
    return root


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> pathlib.Path:
    """Five films of 12 seconds with comments; the third has none."""
    root = tmp_path_factory.mktemp("films")
    for i in range(5):
        making.video(root / f"film{i}.mp4", 12, i)
        if i != 2:
            making.comments(root / f"film{i}.xml", np.arange(0.5, 12, 0.4), i)
    return root


def run(*words, extractor=making.EXTRACTOR) -> int:
    return build.main([f"--extractors={extractor}", "--workers=1", *map(str, words)])


def caer(shows, out, *more, **how) -> int:
    return run("caer", f"--videos={shows}", f"--out={out}", *more, **how)


def tsc(films, out, *more) -> int:
    options = '{"seconds": 4.0, "test": 0.25}'
    return run("video_tsc", f"--videos={films}", f"--out={out}", "--tokeniser=whitespace",
               f"--options={options}", *more)  # fmt: skip


@pytest.fixture(scope="module")
def made(shows, tmp_path_factory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("made") / "caer"
    assert caer(shows, out) == COMPLETE
    return out


def test_a_dataset_of_videos_says_what_it_is(made):
    dataset = records.open_dataset(made)
    assert dataset.splits == {"train": 4, "validation": 2, "test": 2}
    assert dataset.spec.modalities == {"look": 3, "hear": 2}
    assert dataset.spec.label_names[4] == "Neutral" and len(dataset.spec.label_names) == 7
    facts = dataset.metadata
    assert facts["trained"] is True and facts["builder"] == "caer"
    assert facts["modalities"]["look"] == {
        "extractor": "tiny", "rate": 2.0, "settings": {"scale": 1.0}, "trained": True,
        "weights": "", "width": 3,
    }  # fmt: skip
    first = dataset.split("train")[0]
    assert first["id"] == "train/Anger/000" and first["label"] == 0
    assert first["duration"] == pytest.approx(1.0, abs=0.11)
    assert first["rate"] == {"look": 2.0, "hear": 1.0}
    assert first["features"]["look"].shape == (2, 3) and first["features"]["hear"].shape == (1, 2)


def test_features_are_those_of_the_pictures_in_the_videos(made):
    """The brightness that each video was made with comes back."""
    dataset = records.open_dataset(made)
    for split in dataset.splits:
        for record in map(dataset.split(split).__getitem__, range(dataset.splits[split])):
            seed = int(record["id"][-3:])
            np.testing.assert_allclose(
                record["features"]["look"], (60 + 20 * seed) / 255, atol=0.04
            )
            assert len(record["features"]["hear"]) == (0 if seed == 2 else 1 + seed % 3)


def test_the_report_names_what_was_left_out(made):
    page = json.loads((made / "report.json").read_text())
    assert list(page["skipped"]) == ["train/Fear/bad"]
    assert page["modalities"]["hear"]["clips without"] == 1
    assert page["splits"]["train"]["labels"]["Anger"] == 2
    text = (made / "report.html").read_text()
    assert "train/Fear/bad" in text and "http" not in text and "<script" not in text


def test_the_same_command_again_finds_everything_done(made, shows, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.parent.rglob("*-of-*")}
    assert caer(shows, made) == COMPLETE
    out, err = capsys.readouterr()
    assert "already there" in out and "9 of 9, 9 of them before" in err
    assert "tried again when it has changed, or with --retry" in out
    assert list(json.loads((made / "report.json").read_text())["skipped"]) == ["train/Fear/bad"]
    assert caer(shows, made, "--retry") == COMPLETE
    assert "9 of 9, 8 of them before" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in made.parent.rglob("*-of-*")} == before


def test_more_workers_give_the_same_bytes(made, shows, tmp_path):
    """The fixture's build had one worker."""
    assert caer(shows, tmp_path / "four", "--workers=4") == COMPLETE
    assert making.same_files(tmp_path / "four", made)


def test_shares_of_hosts_make_the_same_dataset(made, shows, tmp_path, capsys):
    for share in ("1/2", "0/2"):
        assert caer(shows, tmp_path / "d", f"--hosts={share}") == COMPLETE
        assert not (tmp_path / "d").exists()
    assert sorted(re.findall("is done: (.*?)[.] When", capsys.readouterr().out)) == [
        "4 sources", "5 sources, 1 of them failed",
    ]  # fmt: skip
    assert caer(shows, tmp_path / "d") == COMPLETE
    assert "9 of them before" in capsys.readouterr().err
    assert making.same_files(tmp_path / "d", made)


def test_a_damaged_item_is_made_again(made, shows, tmp_path):
    cache = tmp_path / "items"
    assert caer(shows, tmp_path / "a", f"--cache={cache}") == COMPLETE
    store = items.Store(cache)
    victim = store.path(next(store.keys()))
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0\0")
    assert verify.main([str(cache)]) == BAD_INPUT
    assert caer(shows, tmp_path / "b", f"--cache={cache}") == COMPLETE
    assert verify.main([str(cache)]) == COMPLETE
    names = [record.name for record in made.iterdir() if "-of-" in record.name]
    assert len(names) == 3
    for name in names:
        assert (tmp_path / "b" / name).read_bytes() == (made / name).read_bytes()


def test_another_setting_makes_other_items_and_a_changed_video_too(shows, tmp_path):
    cache, root = tmp_path / "items", tmp_path / "shows"
    for i, place in enumerate(CAER):
        making.video(root / place / f"{i}.avi", 1, i)

    def count(*more) -> int:
        arguments = (f"--cache={cache}", "--overwrite", *more)
        assert caer(root, tmp_path / "d", *arguments) == COMPLETE
        return len(list(items.Store(cache).keys()))

    options = json.dumps({making.EXTRACTOR: {"scale": 2.0}})
    assert count() == 5
    assert count() == 5
    assert count(f"--extractor-options={options}") == 10
    making.video(root / CAER[0] / "0.avi", 1, 7)
    assert count() == 11


def test_overwriting_must_be_allowed(made, shows, tmp_path, capsys):
    assert caer(shows, tmp_path / "d", f"--cache={made}.items") == COMPLETE
    six = ["--options", '{"classes": 6}', f"--cache={made}.items"]
    assert caer(shows, tmp_path / "d", *six) == BAD_INPUT
    assert "Another dataset stands there" in capsys.readouterr().err
    same = [f"--cache={made}.items", "--format=array_record"]
    assert caer(shows, tmp_path / "d", *same) == BAD_INPUT
    assert caer(shows, tmp_path / "d", *six, "--overwrite") == COMPLETE
    found = records.open_dataset(tmp_path / "d")
    assert found.splits["test"] == 1 and "Neutral" not in found.spec.label_names


COMMAND = """
import os, sys
from affectjax.data import records
from data_prep import build, report
def die(*_, **__): os.kill(os.getpid(), 9)
{}
sys.exit(build.main(sys.argv[1:]))
"""


def started(*words, but="") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(but), *map(str, words)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_build_that_is_killed_goes_on_and_ends_with_the_same_bytes(number, shows, tmp_path):
    words = ["caer", f"--videos={shows}", "--workers=1", f"--extractors={making.SLOW}"]
    assert build.main([*words, f"--out={tmp_path / 'whole'}"]) == COMPLETE
    out, store = tmp_path / "killed", items.Store(tmp_path / "killed.items")
    process = started(*words, f"--out={out}")
    limit = time.monotonic() + 60
    while len(list(store.keys())) < 3 and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(number)
    status = process.wait(30)
    assert status == (REQUEUE if number == signal.SIGTERM else -signal.SIGKILL)
    finished = {key: store.path(key).stat().st_mtime_ns for key in store.keys()}
    assert 3 <= len(finished) < 8 and not out.exists()
    assert build.main([*words, f"--out={out}"]) == COMPLETE
    assert making.same_files(out, tmp_path / "whole")
    assert all(store.path(k).stat().st_mtime_ns == when for k, when in finished.items())


@pytest.mark.parametrize(
    "place",
    ["records._move", "report.write", pytest.param("records._cut", marks=pytest.mark.slow)],
)
def test_a_build_killed_in_its_last_step_is_mended(place, made, shows, tmp_path):
    """Before the dataset is put in its place, half-way, and before its report is written."""
    words = [f"--videos={shows}", f"--cache={made}.items", f"--out={tmp_path / 'd'}"]
    words = ["caer", *words, f"--extractors={making.EXTRACTOR}", "--workers=1"]
    assert started(*words, but=f"{place} = die").wait(60) == -signal.SIGKILL
    assert (tmp_path / "d").exists() == (place == "report.write")
    assert build.main(words) == COMPLETE
    assert making.same_files(tmp_path / "d", made)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


@pytest.mark.slow
def test_a_build_killed_at_many_moments_ends_with_the_same_bytes(shows, tmp_path):
    words = ["caer", f"--videos={shows}", "--workers=2", f"--extractors={making.SLOW}"]
    assert build.main([*words, f"--out={tmp_path / 'whole'}"]) == COMPLETE
    out, tries = tmp_path / "killed", 0
    while not out.exists() and tries < 60:
        process = started(*words, f"--out={out}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0 + 0.15 * tries)
        process.kill()
        process.wait()
        tries += 1
    assert build.main([*words, f"--out={out}"]) == COMPLETE
    assert tries > 1 and making.same_files(out, tmp_path / "whole")


def test_long_videos_are_cut_by_their_comments(films, tmp_path):
    out = tmp_path / "tsc"
    assert tsc(films, out) == COMPLETE
    dataset = records.open_dataset(out)
    assert set(dataset.splits) == {"train", "test"} and dataset.spec.comments
    groups = {s: set(dataset.split(s).groups) for s in dataset.splits}
    assert not groups["train"] & groups["test"] and len(groups["train"] | groups["test"]) == 4
    assert dataset.metadata["lexicon"]["name"] == "sample"
    assert dataset.metadata["tokeniser"]["name"] == "whitespace"
    for split in dataset.splits:
        for i in range(dataset.splits[split]):
            record = dataset.split(split)[i]
            times, words = record["comments"]["time"], record["comments"]["word"]
            assert (times >= 0).all() and (times < record["duration"]).all()
            assert words[0] in making.WORDS and record["comments"]["emotional"][0] == 1
            # Comments are 0.4 s apart: each clip holds those of its own seconds.
            assert len(times) == pytest.approx(record["duration"] / 0.4, abs=2)
            assert record["start"] / (16 / 30) == pytest.approx(round(record["start"] * 30 / 16))
            assert len(record["features"]["look"]) == pytest.approx(2 * record["duration"], abs=1)
    page = json.loads((out / "report.json").read_text())
    assert page["skipped"] == {"film2": "no comment file"}
    kept = sum(split["comments"]["total"] for split in page["splits"].values())
    assert page["cleaning"]["read"] == kept == 4 * 29


def test_comments_of_another_lexicon_are_cleaned_anew_and_videos_are_not_decoded_again(
    films, tmp_path
):
    out, cache = tmp_path / "tsc", tmp_path / "items"
    assert tsc(films, out, f"--cache={cache}") == COMPLETE
    before = set(items.Store(cache).keys())
    (tmp_path / "words.txt").write_text("happy\nsad\nangry\n")
    more = [f"--lexicon={tmp_path / 'words.txt'}", f"--cache={cache}", "--overwrite"]
    assert tsc(films, out, *more) == COMPLETE
    added = set(items.Store(cache).keys()) - before
    assert len(before) == 8 and len(added) == 4
    assert all("words" in items.Store(cache).read(key).facts for key in added)


def test_random_weights_are_marked(shows, tmp_path, capsys):
    extractor = "tests.data_prep.making:Weighed"
    assert caer(shows, tmp_path / "d", "--weights=random", extractor=extractor) == COMPLETE
    dataset = records.open_dataset(tmp_path / "d")
    assert dataset.metadata["trained"] is False
    assert dataset.metadata["modalities"]["look"]["weights"] == "random"
    assert "random weights" in capsys.readouterr().out
    assert "random weights" in (tmp_path / "d/report.html").read_text()


def test_lowlevel_needs_nothing_but_videos(shows, tmp_path):
    assert caer(shows, tmp_path / "d", extractor="lowlevel") == COMPLETE
    assert records.open_dataset(tmp_path / "d").spec.modalities == {
        "audio": 16, "image": 32, "motion": 48,
    }  # fmt: skip


BAD = {
    "a misspelt dataset": (["ekman", "--videos=."], "Did you mean 'ekman6'?"),
    "no videos": (["caer", "--videos=nowhere"], "--videos is no folder"),
    "no folder of videos named": (["caer"], "--videos is missing"),
    "an empty folder": (["caer", "--videos=."], "caer-dataset.github.io"),
    "no lists": (["ekman6", "--videos=.", "--annotations=."], "trainlist01.txt is missing"),
    "no annotations": (["ekman6", "--videos=."], "--annotations is missing"),
    "a misspelt option": (["caer", "--videos=.", "--options={\"clases\": 6}"], "'classes'?"),
    "an option of another kind": (["caer", "--videos=.", '--options={"classes": "six"}'], "six"),
    "options that are no JSON": (["caer", "--videos=.", "--options={classes}"], "no JSON"),
    "no such extractor": (["caer", "--videos=.", "--extractors=lowlvel"], "lowlvel"),
    "no weights": (["caer", "--videos=.", "--weights=random"], "no chosen extractor takes"),
    "a misspelt flag": (["caer", "--vidoes=."], "--vidoes. Did you mean '--videos'?"),
    "no dataset": ([], "DATASET"),
    "a format that is none": (["caer", "--videos=.", "--format=csv"], "--format"),
    "two extractors of one modality": (["caer", "--videos=SHOWS", "--weights=random",
        "--extractors=tests.data_prep.making:Tiny,tests.data_prep.making:Weighed"],
        "two extractors give 'look'"),
    "no share": (["caer", "--videos=.", "--hosts=2/2"], "--hosts=2/2"),
    "a misspelt tokeniser": (["video_tsc", "--videos=.", "--tokeniser=jeiba"], "jeiba"),
    "a misspelt rule": (["video_tsc", "--videos=.", '--rules={"min_word": 1}',
                         "--tokeniser=whitespace"], "'min_words'?"),
    "no lexicon": (["video_tsc", "--videos=.", "--lexicon=nothing.csv"], "nothing.csv"),
    "an out that is a file": (["caer", "--videos=SHOWS", "--out=SHOWS/train/Fear/bad.avi"],
                              "holds no dataset"),
    "an out in nowhere": (["caer", "--videos=SHOWS", "--out=/proc/nothing/d"], "written"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, shows, capsys):
    words, said = BAD[case]
    words = [word.replace("SHOWS", str(shows)) for word in words]
    out = [] if any(word.startswith("--out") for word in words) else ["--out=d"]
    assert build.main([*words, *out]) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("error: ") and said in error[0]
    assert not pathlib.Path("d").exists()


def test_two_builds_of_one_dataset_do_not_meet(shows, tmp_path, capsys):
    words = ["caer", f"--videos={shows}", "--workers=1", f"--extractors={making.SLOW}"]
    process = started(*words, f"--out={tmp_path / 'd'}")
    while process.poll() is None and not list((tmp_path / "d.items").glob("??/*")):
        time.sleep(0.01)
    assert build.main([*words, f"--out={tmp_path / 'd'}"]) == BAD_INPUT
    assert "Another build of this dataset is running" in capsys.readouterr().err
    process.kill()
    process.wait()


# --- rows on their way to features


def test_batches_have_few_shapes_and_rows_do_not_depend_on_their_neighbours():
    def chunk(rows):
        return features.Chunk(0, "look", 0, rows)

    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 7, 8, 9, 20, 37):
        rows = rng.integers(0, 256, (count, 4, 6, 3), np.uint8)
        whole = making.Tiny().embed("look", rows).astype(np.float16)
        for cuts in ([], [1], [5, 6], [8, 16]):
            one = making.Tiny()
            one.batch = 8
            made = features.Features([one])
            for piece in np.split(rows, [c for c in cuts if c < count]):
                made.push(chunk(piece))
            np.testing.assert_array_equal(made.finish(0)["look"], whole)
            assert {shape[0] for shape in one.shapes} <= {1, 2, 4, 8}


def test_what_no_float16_can_hold_is_counted():
    odd = features.collections.Counter()
    rows = np.array([[1.0, np.nan], [np.inf, 1e6], [-1e6, 2.0]])
    found = features.narrow(rows, "m", odd)
    np.testing.assert_array_equal(found, np.float16([[1, 0], [0, 65504], [-65504, 2]]))
    assert sum(odd.values()) == 4 and len(odd) == 2


def test_rows_of_a_part_are_those_whose_centres_lie_in_it():
    """Against a loop over rows, for parts on the rows' own grid."""
    rows = np.arange(100)[:, None]
    for rate in (30 / 16, 1.0, 2.0):
        for first, last in ((0, 10), (3, 4), (7, 60), (90, 100)):
            start, end = first / rate, last / rate
            inside = [i for i in range(100) if start <= (i + 0.5) / rate < end]
            assert features.cut(rows, rate, start, end)[:, 0].tolist() == inside
    assert features.cut(rows, 1.0, 0.0, None)[-1, 0] == 99
    assert features.cut(rows, 1.0, 10.1, 10.2)[:, 0].tolist() == [10]
