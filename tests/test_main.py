"""The command as a person uses it: it trains, goes on, says what is wrong, and leaves an export."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

import affectjax
from affectjax import checkpoint
from affectjax.data import records, sample
from affectjax.errors import BAD_INPUT, COMPLETE
from affectjax.main import main

ROOT = pathlib.Path(__file__).parent.parent
CONFIG = f"--config={ROOT / 'configs' / 'tam_pretrain.py'}"
TINY = (
    "--config.model.width=16", "--config.model.layers=1", "--config.model.ffn=16",
    "--config.model.decoder_layers=1", "--config.model.decoder_heads=2",
    "--config.examples.tokens=96", "--config.examples.comments=12", "--config.examples.masked=24",
    "--config.train.batch=8", "--config.train.log_every=2", "--config.train.tensorboard=False",
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
    """The quick sample as a dataset, made once."""
    return pathlib.Path(sample.prepare(tmp_path_factory.mktemp("sample"), "quick", 0))


def run(*words: str) -> int:
    return main(["main", CONFIG, *TINY, *words])


def small(folder, *words: str) -> int:
    """The small variant on given records, as a user with a dataset would run it."""
    arguments = [CONFIG + ":small", *TINY, f"--config.data.dir={folder}"]
    return main(["main", *arguments, *words])


@pytest.fixture(scope="session")
def trained(folder, tmp_path_factory) -> pathlib.Path:
    """A finished run of six steps."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    arguments = ("--config.train.steps=6", "--config.train.checkpoint_every=2")
    assert small(folder, f"--workdir={workdir}", *arguments) == COMPLETE
    return workdir


def lines(workdir: pathlib.Path) -> list[dict]:
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def test_without_data_it_trains_on_the_sample_and_says_so(capsys):
    words = ("--config.data.sample_size=quick", "--config.train.steps=2", "--workdir=run")
    assert run(*words) == COMPLETE
    said = capsys.readouterr().out
    assert "no dataset given" in said and "sample" in said
    assert re.search(r"masked word, top-1 +0\.\d+ +0\.\d+ +0\.\d+ +floor", said)
    assert pathlib.Path("run/export/model.safetensors").exists()
    assert run(*words) == COMPLETE
    assert "complete" in capsys.readouterr().out


def test_the_default_workdir_is_named_after_the_config(folder):
    assert small(folder, "--config.train.steps=1") == COMPLETE
    assert pathlib.Path(".runs/tam_pretrain-small/result.json").exists()


def test_a_run_that_went_on_equals_one_that_was_never_stopped(folder, trained, tmp_path):
    arguments = ("--config.train.steps=6", "--config.train.checkpoint_every=2")
    again = tmp_path / "again"
    shutil.copytree(trained, again)
    (again / "result.json").unlink()
    shutil.rmtree(again / "export")
    for step in (4, 6):  # as if killed after step 3, and the log had gone further
        shutil.rmtree(again / "checkpoints" / str(step), ignore_errors=True)
    assert small(folder, f"--workdir={again}", *arguments) == COMPLETE
    assert lines(again) == lines(trained)
    ours, theirs = affectjax.load(again / "export"), affectjax.load(trained / "export")
    assert [*leaves(ours.params)] == [*leaves(theirs.params)]


def leaves(tree, path=""):
    for key, value in sorted(tree.items()):
        if isinstance(value, dict):
            yield from leaves(value, f"{path}/{key}")
        else:
            yield f"{path}/{key}", value.shape, value.tobytes()


def test_eval_of_the_export_gives_the_metrics_of_the_run(folder, trained, capsys):
    result = json.loads((trained / "result.json").read_text())
    capsys.readouterr()
    assert small(folder, "--mode=eval", f"--export={trained / 'export'}") == COMPLETE
    said = capsys.readouterr().out
    assert "52 clips, every one counted once" in said
    for key, value in result["metrics"].items():
        assert f"{key:32} {value:.4f}" in said


def test_an_export_stands_alone_and_predicts(folder, trained, tmp_path):
    shutil.copytree(trained / "export", tmp_path / "moved")
    model = affectjax.load(tmp_path / "moved")
    assert model.about["label_names"] == list(sample.SPEC.label_names)
    record = records.open_dataset(folder).split("test")[0]
    predictions = model.predict(record)
    assert predictions["word_count"].sum() > 0
    assert all(np.isfinite(values).all() for values in predictions.values())


def test_a_checkpoint_can_be_exported_before_the_end(folder, trained, tmp_path, capsys):
    workdir = tmp_path / "unfinished"
    shutil.copytree(trained, workdir)
    for name in ("export", "checkpoints/6"):
        shutil.rmtree(workdir / name)
    (workdir / "result.json").unlink()
    arguments = ("--config.train.steps=6", "--config.train.checkpoint_every=2", "--mode=export")
    assert small(folder, f"--workdir={workdir}", *arguments) == COMPLETE
    assert "step 4 of 6" in capsys.readouterr().out
    assert affectjax.load(workdir / "export").params


def test_a_run_can_start_from_an_export(folder, trained, capsys):
    start = f"--config.train.init_from={trained / 'export'}"
    assert small(folder, start, "--config.train.steps=2", "--workdir=new") == COMPLETE
    first = lines(pathlib.Path("new"))[0]
    assert small(folder, "--config.train.steps=2", "--workdir=fresh") == COMPLETE
    assert first["loss"] < lines(pathlib.Path("fresh"))[0]["loss"]


def test_a_run_that_started_from_another_vocabulary_is_exported_with_it(folder, trained, capsys):
    start = (f"--config.train.init_from={trained / 'export'}", "--config.words.min_count=9")
    rest = ("--config.train.steps=4", "--config.train.checkpoint_every=2", "--workdir=new")
    assert small(folder, *start, *rest) == COMPLETE
    new = pathlib.Path("new")
    shutil.rmtree(new / "export")
    (new / "result.json").unlink()
    assert small(folder, *start, *rest, "--mode=export") == COMPLETE
    words = (trained / "export" / "vocabulary.txt").read_text()
    assert (new / "export" / "vocabulary.txt").read_text() == words


TWICE = """
from affectjax import configlib
from configs import tam_pretrain

def get_config(arg=""):
    twice = {"recipe": {"name": "repeat", "times": 2}}
    return configlib.build(tam_pretrain.BASE | twice, tam_pretrain.VARIANTS, arg)
"""


def twice(folder, *words: str) -> int:
    """Two short runs of two seeds, in `twice`."""
    pathlib.Path("twice.py").write_text(TWICE)
    arguments = ["--config=twice.py:small", *TINY, f"--config.data.dir={folder}"]
    return main(["main", *arguments, "--config.train.steps=2", "--workdir=twice", *words])


def test_the_runs_of_a_recipe_are_of_one_dataset_and_the_one_under_way_can_be_exported(
    folder, tmp_path, capsys
):
    assert twice(folder) == COMPLETE
    second = pathlib.Path("twice/seed-1")
    shutil.rmtree(second / "export")
    assert twice(folder, "--mode=export") == COMPLETE
    assert (second / "export" / "model.safetensors").exists()
    capsys.readouterr()
    assert twice(folder, "--mode=export") == COMPLETE
    assert "every run is finished" in capsys.readouterr().out
    shutil.rmtree(second)
    assert twice(sample.prepare(tmp_path, "quick", 1)) == BAD_INPUT
    told = capsys.readouterr().err
    assert "another dataset than those that are named" in told and "seed-0" in told


def test_a_recipe_of_two_seeds_goes_on_as_one_of_three(folder):
    assert twice(folder) == COMPLETE
    before = pathlib.Path("twice/seed-1/result.json").read_bytes()
    assert twice(folder, "--config.recipe.times=3") == COMPLETE
    assert pathlib.Path("twice/seed-1/result.json").read_bytes() == before
    assert pathlib.Path("twice/seed-2/export/model.safetensors").exists()
    assert json.loads(pathlib.Path("twice/config.json").read_text())["recipe.times"] == 3


def test_a_finished_run_is_not_that_of_another_beginning(folder, trained, capsys):
    start, steps = f"--config.train.init_from={trained / 'export'}", "--config.train.steps=2"
    assert small(folder, start, steps, "--workdir=new") == COMPLETE
    told = json.loads(pathlib.Path("new/result.json").read_text())
    about = json.loads((trained / "export" / "config.json").read_text())
    assert told["start"] == about["files"]["model.safetensors"]
    shutil.copytree(trained / "export", "moved")
    assert small(folder, "--config.train.init_from=moved", steps, "--workdir=new") == COMPLETE
    capsys.readouterr()
    assert small(folder, "--config.train.init_from=new/export", steps, "--workdir=new") == BAD_INPUT
    assert "started from other weights" in capsys.readouterr().err
    assert small(folder, steps, "--workdir=new") == BAD_INPUT


def test_who_has_checkpoints_needs_no_beginning_and_takes_no_other(folder, trained, capsys):
    shutil.copytree(trained / "export", "begun")
    words = ("--config.train.steps=2", "--config.train.checkpoint_every=1", "--workdir=new")
    assert small(folder, "--config.train.init_from=begun", *words) == COMPLETE
    new, wanted = pathlib.Path("new"), pathlib.Path("new/export/model.safetensors").read_bytes()
    shutil.rmtree(new / "checkpoints" / "2")
    (new / "result.json").unlink()
    capsys.readouterr()
    other = f"--config.train.init_from={new / 'export'}"
    assert small(folder, other, *words) == BAD_INPUT
    assert "began from other weights" in capsys.readouterr().err
    shutil.rmtree("begun")
    assert small(folder, "--config.train.init_from=begun", *words) == COMPLETE
    assert "resumed at step 1 of 2" in capsys.readouterr().out
    assert (new / "export" / "model.safetensors").read_bytes() == wanted


def test_without_a_rhythm_the_validation_part_is_scored_at_the_end(folder):
    best = "--config.checkpoint.best=word_top5"
    for every, workdir, more in ((0, "never", ()), (50, "later", (best,))):
        words = (f"--config.train.evaluate_every={every}", f"--workdir={workdir}", *more)
        held = "--config.data.validation=0.2"
        assert small(folder, held, *words, "--config.train.steps=3") == COMPLETE
        seen = [row["step"] for row in lines(pathlib.Path(workdir)) if row["split"] == "validation"]
        assert seen == [3]


def test_who_knows_the_story_is_not_asked_another_thing(capsys):
    words = ("--config.data.sample_size=quick", "--config.train.steps=1", "--workdir=run",
             "--config.examples.masking=random10")  # fmt: skip
    assert run(*words) == COMPLETE
    assert "oracle" not in capsys.readouterr().out


def test_validation_and_the_best_checkpoint(folder):
    arguments = (
        "--config.data.validation=0.2", "--config.train.evaluate_every=2",
        "--config.checkpoint.best=word_top5", "--config.train.steps=6",
        "--config.train.patience=5", "--workdir=best",
    )  # fmt: skip
    assert small(folder, *arguments) == COMPLETE
    seen = {row["step"]: row["word_top5"] for row in lines(pathlib.Path("best"))
            if row["split"] == "validation"}  # fmt: skip
    result = json.loads(pathlib.Path("best/result.json").read_text())
    assert len(seen) == 3 and seen[result["exported_step"]] == max(seen.values())


def without_comments(folder: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
    dataset = records.open_dataset(folder)
    spec = records.Spec(modalities=dataset.spec.modalities, label_names=dataset.spec.label_names)
    some = dataset.split("train")
    clips = [{k: v for k, v in some[i].items() if k != "comments"} for i in range(4)]
    records.write(into, "mute", spec, {"train": clips[:3], "test": clips[3:]})
    return into


BAD = {
    "an unknown key": (["--config.train.bacth=1"], "train.batch"),
    "no such directory": (["--config.data.dir=nowhere"], "nowhere"),
    "an empty directory": (["--config.data.dir=empty"], "data_prep.build"),
    "another width": (["--config.model.modalities.image=33"], "--config.model.modalities.image=32"),
    "no comments": (["--config.data.dir=mute"], "comments"),
    "a mesh that does not divide": (["--config.mesh.tensor=3"], "divide the 8 devices"),
    "a batch that does not divide": (["--config.train.batch=6"], "batch"),
    "an unwritable workdir": (["--workdir=/proc/nothing"], "workdir"),
    "best without validation": (["--config.checkpoint.best=word_top1"], "validation"),
    "no such split": (["--config.data.train=nope"], "nope"),
    "an export that is none": (["--config.train.init_from=empty"], "not an export"),
    "the worst as the best": (
        ["--config.checkpoint.best=loss/word", "--config.data.validation=0.2",
         "--config.train.evaluate_every=1"], "checkpoint.mode=min"),
    "a rule for nothing": (["--config.optim.rules=(('nothing', 0.0),)"], "nothing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, folder, capsys):
    words, said = BAD[case]
    os.mkdir("empty")
    if "mute" in words[0]:
        without_comments(folder, pathlib.Path("mute"))
    assert small(folder, "--config.train.steps=1", "--workdir=run", *words) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and said in error
    assert "Traceback" not in error
    assert not pathlib.Path("run/export").exists()


def test_a_workdir_of_another_config_is_refused(folder, trained, capsys):
    assert small(folder, f"--workdir={trained}", "--config.train.steps=7") == BAD_INPUT
    assert "train.steps is 7 here and 6 there" in capsys.readouterr().err


def test_what_chooses_the_weights_binds_and_where_they_are_kept_does_not(
    folder, trained, tmp_path, capsys
):
    assert small(folder, f"--workdir={trained}", *SAME, "--config.checkpoint.mode=min") == BAD_INPUT
    assert "checkpoint.mode is 'min' here" in capsys.readouterr().err
    again = copy_of(trained, tmp_path)
    assert small(folder, f"--workdir={again}", *SAME, "--config.checkpoint.keep=1") == COMPLETE


def test_a_run_of_an_earlier_version_goes_on(folder, capsys):
    """Its config lacks the keys that are new since; they were as their defaults are."""
    words = ("--config.data.validation=0.2", "--config.train.evaluate_every=2",
             "--config.checkpoint.best=word_top5", "--config.train.steps=2",
             "--workdir=early")  # fmt: skip
    assert small(folder, *words) == COMPLETE
    path = pathlib.Path("early/config.json")
    told = json.loads(path.read_text())
    for key in ("data.apart", "checkpoint.best", "checkpoint.mode"):
        del told[key]
    path.write_text(json.dumps(told))
    assert small(folder, *words) == COMPLETE
    assert small(folder, *words, "--config.data.apart=0.5") == BAD_INPUT
    assert "data.apart is 0.5 here and 0.0 there" in capsys.readouterr().err


def test_a_vocabulary_binds_nobody_before_there_is_a_checkpoint(folder):
    first = ("--config.train.batch=6", "--config.train.micro_batches=4")  # refused late
    assert small(folder, *first, "--config.train.steps=1", "--workdir=run") == BAD_INPUT
    assert pathlib.Path("run/vocabulary.txt").exists()
    other = ("--config.words.min_count=9", "--config.train.steps=1", "--workdir=run")
    assert small(folder, *other) == COMPLETE
    words = pathlib.Path("run/vocabulary.txt").read_text()
    assert words == pathlib.Path("run/export/vocabulary.txt").read_text()


def test_a_vocabulary_that_does_not_fit_the_checkpoints_is_refused(
    folder, trained, tmp_path, capsys
):
    workdir = tmp_path / "other"
    shutil.copytree(trained, workdir)
    (workdir / "result.json").unlink()
    words = (workdir / "vocabulary.txt").read_text().splitlines()
    (workdir / "vocabulary.txt").write_text("\n".join(words[:-1]) + "\n")
    arguments = ("--config.train.steps=6", "--config.train.checkpoint_every=2")
    assert small(folder, f"--workdir={workdir}", *arguments) == BAD_INPUT
    assert "vocabulary does not fit" in capsys.readouterr().err


def test_two_runs_in_one_workdir_are_refused(folder, capsys, monkeypatch):
    from affectjax import hosts, train

    def second(*_):
        before = pathlib.Path("run/config.json").read_bytes()
        assert small(folder, "--config.train.steps=2", "--workdir=run") == BAD_INPUT
        assert pathlib.Path("run/config.json").read_bytes() == before
        raise train.Stopped("enough")

    monkeypatch.setattr(train, "run", second)
    assert hosts.is_first()
    small(folder, "--config.train.steps=1", "--workdir=run")
    assert "another run is using" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_with_the_good_state_and_names_the_clips(folder, capsys):
    arguments = ("--config.optim.learning_rate=1e30", "--config.optim.warmup=0",
                 "--config.train.steps=6", "--workdir=run")  # fmt: skip
    assert small(folder, *arguments) == 1
    error = capsys.readouterr().err
    assert "not finite" in error and "clips" in error
    saved = sorted(
        int(p.name) for p in pathlib.Path("run/checkpoints").iterdir() if p.name.isdigit()
    )
    assert saved and saved[-1] < 6


def test_a_full_disk_is_one_line_and_what_was_saved_stays(folder, tmp_path, capsys):
    place = tmp_path / "small_disk"
    place.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(size, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        arguments = ("--config.train.steps=8", "--config.train.checkpoint_every=1",
                     "--config.checkpoint.keep=100", f"--workdir={place / 'run'}")  # fmt: skip
        assert small(folder, *arguments, "--config.model.width=64") == BAD_INPUT
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ") and "space" in error.lower()
        assert checkpoint.steps(place / "run/checkpoints")
        assert not any(checkpoint.verify(place / "run/checkpoints", step)
                       for step in checkpoint.steps(place / "run/checkpoints"))  # fmt: skip
        assert not (place / "run/export").exists()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_metric_that_is_undefined_says_so_and_stays_valid_json(folder, capsys):
    hidden = "--config.examples.hide=('image', 'motion', 'audio')"
    assert small(folder, hidden, "--config.train.steps=1", "--workdir=run") == COMPLETE
    said = capsys.readouterr().out
    assert re.search(r"time_top1 +undefined", said)
    text = pathlib.Path("run/result.json").read_text()
    result = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert result["metrics"]["time_top1"] is None


def copy_of(trained, tmp_path, name="copy") -> pathlib.Path:
    shutil.copytree(trained, tmp_path / name)
    return tmp_path / name


SAME = ("--config.train.steps=6", "--config.train.checkpoint_every=2")


def test_a_kill_after_the_test_scores_leaves_one_line_of_them(folder, trained, tmp_path):
    again = copy_of(trained, tmp_path)
    (again / "result.json").unlink()
    assert small(folder, f"--workdir={again}", *SAME) == COMPLETE
    assert lines(again) == lines(trained)


def test_a_damaged_export_is_refused(folder, trained, tmp_path, capsys):
    for name in ("model.safetensors", "vocabulary.txt"):
        broken = copy_of(trained / "export", tmp_path, name)
        data = bytearray((broken / name).read_bytes())
        data[-2] ^= 4
        (broken / name).write_bytes(bytes(data))
        assert small(folder, "--mode=eval", f"--export={broken}") == BAD_INPUT
        assert name in capsys.readouterr().err


def test_an_export_that_is_gone_is_written_again(folder, trained, tmp_path):
    again = copy_of(trained, tmp_path)
    shutil.rmtree(again / "export")
    assert small(folder, f"--workdir={again}", *SAME) == COMPLETE
    assert affectjax.load(again / "export").about == affectjax.load(trained / "export").about


@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_a_damaged_file_of_the_run_is_named(name, folder, trained, tmp_path, capsys):
    again = copy_of(trained, tmp_path)
    (again / name).write_text("[")
    assert small(folder, f"--workdir={again}", *SAME) == BAD_INPUT
    assert name in capsys.readouterr().err


def test_a_value_that_was_refused_binds_nobody(folder):
    assert (
        small(folder, "--config.train.steps=1", "--config.train.batch=6", "--workdir=run")
        == BAD_INPUT
    )
    assert small(folder, "--config.train.steps=1", "--workdir=run") == COMPLETE


def test_a_stray_word_is_refused(folder, capsys):
    assert small(folder, "config.train.steps=1") == BAD_INPUT
    assert "stray word 'config.train.steps=1'" in capsys.readouterr().err
