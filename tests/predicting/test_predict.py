"""The command: every video gives its files or one clear line, and finished ones are passed over."""

import csv
import html
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from affectjax import predict
from affectjax.errors import BAD_INPUT, COMPLETE, REQUEUE
from affectjax.predicting import index, ours, schema, writing
from tests.predicting import exports

ROOT = pathlib.Path(__file__).parents[2]
ENDINGS = ("csv", "html", "json", "png")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return exports.make(tmp_path_factory.mktemp("model") / "export", "cten", seconds=4.0).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two videos, one of them mute, and a file that is none."""
    root = tmp_path_factory.mktemp("videos")
    (root / "deep").mkdir()
    exports.video(root / "one.mp4", 9.0)
    exports.video(root / "deep" / "mute.mp4", 3.0, sound=False)
    (root / "broken.mp4").write_bytes(b"no video" * 99)
    return root


@pytest.fixture(scope="module")
def made(export, folder, tmp_path_factory):
    """(exit status, where everything went) of the whole folder."""
    out = tmp_path_factory.mktemp("out") / "pages"
    return run(export, folder, out), out


def run(export, *places, **flags) -> int:
    *places, out = places
    options = {"compile_cache": "", "workers": 1, **flags}
    more = [f"--{key.replace('_', '-')}={value}"
            for key, value in options.items()]  # fmt: skip
    return predict.main([str(export), *map(str, places), f"--out={out}", *more])


def times(out) -> dict[str, int]:
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in sorted(out.rglob("*.*"))}


def test_a_corrupt_file_is_named_and_the_others_are_predicted(made, export, folder, capfd):
    status, out = made
    assert status == 1
    assert set(times(out)) == {
        "index.html", *(f"{name}.{end}" for name in ("one", "deep/mute") for end in ENDINGS),
    }  # fmt: skip
    assert run(export, folder, out) == 1
    last = capfd.readouterr().err.splitlines()[-2:]
    assert last[0] == "1 of 3 videos gave nothing:"
    assert last[1].startswith(f"  {folder / 'broken.mp4'}: ") and len(last[1]) > 20
    assert "broken.mp4" in (out / "index.html").read_text()


def test_the_files_say_the_same(made):
    _, out = made
    found = schema.read((out / "one.json").read_text(), "one.json")
    rows = list(csv.DictReader((out / "one.csv").read_text().splitlines()))
    (track,) = found["tracks"]
    for step, row in enumerate(rows):
        assert float(row["start"]) == found["edges"][step]
        assert [float(row[name]) for name in track["names"]] == track["scores"][step]
        assert float(row["attention"]) == found["attention"][step]
    assert len(rows) == len(track["scores"]) > 10
    page = (out / "one.html").read_text()
    inside = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
    np.testing.assert_allclose(inside["tracks"][0]["scores"], track["scores"], rtol=1e-4)
    assert 'href="../index.html"' in (out / "deep" / "mute.html").read_text()
    wide, tall = Image.open(out / "one.png").size
    assert wide > 1000 and tall > 300
    assert found["video"]["has_sound"] and len(inside["strip"]) == 9


def test_every_page_finds_its_video(made, folder):
    _, out = made
    for name in ("one", "deep/mute"):
        page = out / f"{name}.html"
        source = re.search(r'<video [^>]*src="([^"]+)"', page.read_text())[1]
        assert (page.parent / source).resolve() == (folder / f"{name}.mp4").resolve()


def test_the_same_command_makes_nothing_again(made, export, folder):
    _, out = made
    before = times(out)
    assert run(export, folder / "one.mp4", folder / "deep", out) == COMPLETE
    before.pop("index.html")
    after = times(out)
    after.pop("index.html")
    assert "mute.json" in after  # another name: the folder was given itself
    assert {key: after[key] for key in before} == before


def test_what_changed_or_is_gone_is_made_again(made, export, folder, tmp_path):
    videos = tmp_path / "videos"
    shutil.copytree(folder, videos)
    out = tmp_path / "out"
    assert run(export, videos / "one.mp4", videos / "deep/mute.mp4", out) == COMPLETE
    first = times(out)
    (out / "one.csv").unlink()
    exports.video(videos / "deep" / "mute.mp4", 2.0, sound=False)
    assert run(export, videos / "one.mp4", videos / "deep/mute.mp4", out) == COMPLETE
    second = times(out)
    assert all(second[key] > first[key] for key in first)
    assert run(export, videos / "one.mp4", out, window=3.0) == COMPLETE
    third = times(out)
    assert third["one.json"] > second["one.json"] and third["mute.json"] == second["mute.json"]


def test_copies_and_embedded_videos(export, folder, tmp_path):
    assert run(export, folder / "deep", tmp_path / "copy", page_video="copy") == COMPLETE
    copy = tmp_path / "copy" / "mute.mp4"
    assert copy.read_bytes() == (folder / "deep" / "mute.mp4").read_bytes()
    assert 'src="mute.mp4"' in (tmp_path / "copy" / "mute.html").read_text()
    assert run(export, folder / "deep", tmp_path / "in", page_video="embed") == COMPLETE
    assert 'src="data:video/mp4;base64,' in (tmp_path / "in" / "mute.html").read_text()


@pytest.mark.parametrize("ending", [*ours.ENDINGS, ".csv with page and picture"])
def test_a_file_of_somebody_else_stays(ending, export, folder, tmp_path, capfd):
    videos, words = tmp_path / "videos", b'[{"time": 1, "text": "so sad"}]'
    shutil.copytree(folder / "deep", videos)
    (videos / "film.mp4").write_bytes(b"no video" * 99)  # and it is not even looked at
    for each in (ending,) if ending in ours.ENDINGS else (".html", ".csv", ".png"):
        (videos / f"film{each}").write_bytes(words)
    theirs = {path: path.read_bytes() for path in videos.iterdir()}
    assert run(export, videos, videos) == 1
    assert {path: path.read_bytes() for path in theirs} == theirs
    assert sorted(set(times(videos))) == sorted(
        ["index.html", *(f"mute.{end}" for end in ENDINGS), *(path.name for path in theirs)]
    )
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(f"  {videos / 'film.mp4'}: {videos / 'film'}.")
    assert last.endswith("is none of ours, and stays. Say another --out.")


def test_a_file_that_comes_while_the_video_is_read_stays(export, folder, tmp_path, monkeypatch):
    out, film = tmp_path / "out", folder / "deep" / "mute.mp4"
    before = ours.in_the_way

    def late(*given):
        found = before(*given)
        (out / "mute.csv").write_text("theirs")
        return found

    monkeypatch.setattr(ours, "in_the_way", late)
    assert run(export, film, out) == 1
    assert set(times(out)) == {"index.html", "mute.csv"}
    assert (out / "mute.csv").read_text() == "theirs"


def test_another_video_is_not_replaced_by_a_copy(export, folder, tmp_path, capfd):
    out, other = tmp_path / "out", tmp_path / "mute.mp4"
    shutil.copytree(folder / "deep", out)
    exports.video(other, 2.0, sound=False)
    theirs = (out / "mute.mp4").read_bytes()
    assert run(export, other, out, page_video="copy") == 1
    assert f"{out / 'mute.mp4'} is none of ours" in capfd.readouterr().err
    assert set(times(out)) == {"index.html", "mute.mp4"}
    # that very video needs no copy, and is none afterwards
    assert run(export, out / "mute.mp4", out, page_video="copy") == COMPLETE
    assert run(export, other, out, page_video="copy") == 1
    assert (out / "mute.mp4").read_bytes() == theirs


def test_a_copy_of_ours_is_made_again(export, folder, tmp_path):
    film = tmp_path / "mute.mp4"
    for seconds, source in ((2.0, "copy"), (2.0, "link"), (3.0, "copy")):
        exports.video(film, seconds, sound=False)
        assert run(export, film, tmp_path / "out", page_video=source) == COMPLETE
        assert (tmp_path / "out" / "mute.mp4").read_bytes() == film.read_bytes()


def test_what_an_earlier_version_left_is_ours(tmp_path):
    (tmp_path / "index.html").write_text(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
    )
    ours.check_index(tmp_path)
    told = {"format": schema.FORMAT, "made_from": {"source": "copy"}}
    assert ours.has_copy(told, "film.mp4")
    assert not ours.has_copy(told | {"made_from": {"source": "link"}}, "film.mp4")
    assert not ours.has_copy(None, "film.mp4")
    assert not ours.has_copy(told | {"copy": "other.mp4"}, "film.mp4")


@pytest.mark.parametrize("at", ["picture.png", "schema.as_csv"])
def test_what_a_stopped_call_left_is_ours(at, export, folder, tmp_path, monkeypatch):
    def stop(made):
        if made.name == "mute":
            raise KeyboardInterrupt
        return draw(made)

    module, name = at.split(".")
    draw = getattr(getattr(writing, module), name)
    places = [folder / "one.mp4", folder / "deep" / "mute.mp4", tmp_path]
    with monkeypatch.context() as patched:
        patched.setattr(f"affectjax.predicting.{at}", stop)
        assert run(export, *places, page_video="copy") == REQUEUE
    assert json.loads((tmp_path / "mute.json").read_text()) == schema.begun("mute.mp4")
    assert [one["name"] for one in index.standing(tmp_path)] == ["one"]
    assert 'href="one.html"' in (tmp_path / "index.html").read_text()
    assert run(export, *places, page_video="copy") == COMPLETE
    assert [one["name"] for one in index.standing(tmp_path)] == ["mute", "one"]


def test_the_index_leads_to_all_that_stands(export, folder, tmp_path):
    out = tmp_path / "out"
    assert run(export, folder / "deep", out / "earlier") == COMPLETE
    (out / "theirs.json").write_text("[1]")
    assert run(export, folder / "one.mp4", out) == COMPLETE
    cards = index.standing(out)
    assert [one["name"] for one in cards] == ["earlier/mute", "one"]
    assert {one["by"] for one in cards} == {f"cten ({export})"}
    page = (out / "index.html").read_text()
    addresses = re.findall(r'(?:href|src)="([^"]+[.](?:html|png))"', page)
    assert addresses == ["earlier/mute.html", "earlier/mute.png", "one.html", "one.png"]
    assert all((out / address).is_file() for address in addresses)
    assert "data:image" not in page


def test_an_index_of_somebody_else_stays(export, folder, tmp_path, capsys):
    (tmp_path / "index.html").write_text("<h1>My home page</h1>")
    assert run(export, folder / "deep", tmp_path) == BAD_INPUT
    said = capsys.readouterr().err
    assert f"({tmp_path / 'index.html'}). Say another --out." in said and said.count("\n") == 1
    assert times(tmp_path).keys() == {"index.html"}
    assert (tmp_path / "index.html").read_text() == "<h1>My home page</h1>"


def test_a_threshold_is_for_models_that_tell_attention(export, folder, tmp_path, capsys):
    plain = exports.make(tmp_path / "plain", "danmaku").folder
    assert run(plain, folder / "deep", tmp_path / "out", threshold=0.9) == BAD_INPUT
    assert "danmaku tells no attention" in capsys.readouterr().err
    assert run(export, folder / "deep", tmp_path / "out", threshold=0.9) == COMPLETE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["EXPORT", "VIDEO"], "--out is missing"),
        (["EXPORT"], "required: VIDEO"),
        (["EXPORT", "VIDEO", "--out=x", "--strid=2"], "Did you mean '--stride'?"),
        (["EXPORT", "VIDEO", "--out=x", "--batch=0"], "--batch is above 0"),
        (["EXPORT", "VIDEO", "--out=x", "--threshold=2"], "--threshold is from 0 to 1"),
        (["EXPORT", "VIDEO", "--out=x", "--window=-3"], "Say 0.01 s or more"),
        (["EXPORT", "VIDEO", "--out=x", "--window=nan"], "Say 0.01 s or more"),
        (["EXPORT", "VIDEO", "--out=x", "--stride=1e-9"], "Say 0.01 s or more"),
        (["EXPORT", "VIDEO", "--out=x", "--window=3", "--stride=20"], "Say --stride=3 at most"),
        (["EXPORT", "VIDEO", "--out=x", "--weights=/nowhere"], "no extractor of this model takes"),
        (["EXPORT", "VIDEO", "--out=x", "--extractors=:x"], "cannot be imported"),
        (["EXPORT", "VIDEO", "--out=x", "--extractor-options={"], "is no JSON"),
        (["EXPORT", "VIDEO", "--out=x", '--extractor-options={"clip": {}}'], "other extractors"),
        (["EXPORT", "EMPTY", "--out=x"], "no video in this folder"),
        (["EMPTY", "VIDEO", "--out=x"], "not an export"),
        (["EXPORT", "VIDEO", "--out=VIDEO/x"], "the folder cannot be made"),
    ],
)
def test_bad_input_is_one_line(arguments, says, export, folder, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    names = {"EXPORT": export, "VIDEO": folder / "one.mp4", "EMPTY": tmp_path / "empty"}
    for word, path in names.items():
        arguments = [argument.replace(word, str(path)) for argument in arguments]
    assert predict.main(arguments) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and says in said and said.count("\n") == 1


def other(export, made, **changes):
    """A copy of an export whose config.json says something else."""
    shutil.copytree(export, made)
    about = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps({**about, **changes}))
    return made


def test_an_export_that_is_none_of_ours_is_one_line(export, folder, capsys, tmp_path):
    config = json.loads((export / "config.json").read_text())["config"]
    model = config["model"]
    cases = {
        "not an export": [{"files": [1]}, {"config": "x"}, {"config": {}}, {"modalities": []},
                          {"clip_seconds": "x"}, {"config": {"model": "cten"}}],
        "another version made it": [{"config": {**config, "model": {**model, "later": 1}}}],
        "no features": [{"config": {**config, "model": {**model, "modalities": {}}}}],
        "parameters are not those": [{"config": {**config, "model": {**model, "projection": 16}}}],
    }  # fmt: skip
    words = [str(folder / "one.mp4"), f"--out={tmp_path / 'out'}", "--workers=1"]
    words += ["--compile_cache="]
    told = []
    for says, changes in cases.items():
        for number, change in enumerate(changes):
            folder_of_it = other(export, tmp_path / f"{says} {number}", **change)
            status = predict.main([str(folder_of_it), *words])
            last = capsys.readouterr().err.strip().splitlines()[-1]
            told.append((status, last.startswith("error: ") and says in last))
    assert told == [(BAD_INPUT, True)] * 9


def test_a_reader_that_has_gone_is_no_fault_of_ours(export, folder, tmp_path):
    command = [sys.executable, "-m", "affectjax.predict", str(export), str(folder / "one.mp4"),
               f"--out={tmp_path}", "--workers=1", "--compile_cache="]  # fmt: skip
    pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(command, cwd=ROOT, **pipe) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1 and "Traceback" not in said
    assert (tmp_path / "one.json").is_file() and (tmp_path / "index.html").is_file()


def test_a_missing_file_is_one_of_the_bad_ones(export, folder, tmp_path, capfd):
    gone = tmp_path / "gone.mp4"
    assert run(export, gone, folder / "deep", tmp_path / "out") == 1
    assert f"  {gone}: " in capfd.readouterr().err
    assert (tmp_path / "out" / "mute.html").is_file()


def test_any_name_of_a_file_will_do(export, folder, tmp_path):
    odd = os.fsdecode(b"b\xe9 & <i>100%</i>#?'.mp4".replace(b"/", b"|"))
    shutil.copy(folder / "deep" / "mute.mp4", tmp_path / odd)
    (tmp_path / os.fsdecode(b"\xff.mp4")).write_bytes(b"no video" * 9)
    assert run(export, tmp_path, tmp_path / "out") == 1
    (page,) = (tmp_path / "out").glob("b*.html")
    source = re.search(r'<video [^>]*src="([^"]+)"', page.read_text())[1]
    found = os.fsdecode(urllib.parse.unquote_to_bytes(html.unescape(source)))
    assert (page.parent / found).resolve() == tmp_path / odd
    assert "\\xff.mp4" in (tmp_path / "out" / "index.html").read_text()
    link = re.search(r'<a href="([^"]+)"', (tmp_path / "out" / "index.html").read_text())[1]
    assert urllib.parse.unquote(html.unescape(link)) == page.name


@pytest.mark.slow
def test_stopped_by_a_signal_it_goes_on_where_it_was(export, folder, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    for i in range(12):
        shutil.copy(folder / "one.mp4", videos / f"{i:02}.mp4")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "affectjax.predict", str(export), str(videos),
               f"--out={out}", "--workers=1", "--compile_cache="]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (out / "01.json").is_file():
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    assert "the same command goes on" in process.communicate(timeout=60)[1]
    assert process.returncode == REQUEUE
    before = times(out)
    assert "11.json" not in before and not [name for name in before if "partial" in name]
    finished = [f"{one['name']}.json" for one in index.standing(out)]
    page = (out / "index.html").read_text()
    assert finished and re.findall(r'href="([0-9]+)[.]html"', page) == [n[:2] for n in finished]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == COMPLETE
    after = times(out)
    assert {name: after[name] for name in finished} == {name: before[name] for name in finished}
    assert len([name for name in after if name.endswith(".html")]) == 13
