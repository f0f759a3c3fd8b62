"""Progressive training: which stage follows, what learns in it, and no kill changes the end."""

import csv
import hashlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import affectjax
from affectjax import along, assemble, initialise, recipes, train
from affectjax.errors import COMPLETE, REQUEUE, UserError
from affectjax.main import main
from affectjax.progressive import validation
from affectjax.report import clip_pictures, looking, runs
from configs import lstc

ROOT = pathlib.Path(__file__).parent.parent
ALONE = {"audio": 0.10, "scene": 0.08, "expression": 0.09}  # validation losses


@pytest.fixture
def config():
    return lstc.get_config("small,valence")


def finish(run: recipes.Run, scores: dict, place: pathlib.Path) -> dict:
    """What training would leave."""
    score = scores.get(run.name.rpartition("alone-")[2], 0.05)
    metrics = {"mse": 0.1 * len(run.name.split("/")), "pcc": None}
    return {"export": str(place / run.name / "export"), "exported_step": 30, "metrics": metrics,
            "validation": {"loss/target": score}}  # fmt: skip


def walk(config, place, scores=ALONE, finished=None) -> tuple[dict[str, recipes.Run], dict]:
    recipe, finished, seen = recipes.of(config), dict(finished or {}), {}
    while (run := recipe.next_run(config, finished)) is not None:
        seen[run.name] = run
        finished[run.name] = finish(run, scores, place)
    return seen, finished


STAGES = ["alone-audio", "alone-expression", "alone-scene", "add-2-expression", "add-3-audio",
          "whole"]  # fmt: skip


def test_the_best_comes_first_and_the_others_join_one_by_one(config, tmp_path):
    seen, _ = walk(config, tmp_path)
    assert [*seen] == [*(f"seed-0/stages/{name}" for name in STAGES), "seed-0"]
    second, third, whole, last = (seen[name] for name in [*seen][3:])
    assert second.init_from == str(tmp_path / "seed-0/stages/alone-scene/export")
    assert set(second.config.model.modalities) == {"scene", "expression"}
    assert second.config.model.frozen == ("scene",)
    assert second.config.optim.rules == (("^intra/scene/", 0.0),)
    assert second.config.train.init_new == (
        "^head/", "^intra/expression/", "^statistics/standardise_expression/",
    )  # fmt: skip
    assert third.init_from == str(tmp_path / "seed-0/stages/add-2-expression/export")
    assert third.config.model.frozen == ("scene", "expression")
    assert whole.config.model.frozen == () and whole.config.train.init_new == ("^head/",)
    assert whole.config.optim.rules == (("^intra/", 0.1),)
    assert [run.config.model.clips for run in seen.values()] == [1] * 6 + [4]
    assert last.init_from == str(tmp_path / "seed-0/stages/whole/export")
    assert last.config.model.frozen == ("scene", "expression", "audio", "embed")
    assert last.config.train.init_drop == ("^head/out/",)
    assert ("^head/", 0.0) in last.config.optim.rules
    assert config.model.clips == 4 and config.train.init_new == ()


def test_seeds_have_chains_of_their_own_and_the_summary_is_of_their_ends(config, tmp_path):
    config.recipe.times, config.recipe.first = 2, 3
    seen, finished = walk(config, tmp_path)
    assert [name for name in seen if "/" not in name] == ["seed-3", "seed-4"]
    assert {run.config.train.seed for name, run in seen.items() if "seed-4" in name} == {4}
    assert recipes.of(config).summary(finished) == {"mse": 0.1, "mse/deviation": 0.0}


def test_it_goes_on_from_what_is_finished(config, tmp_path):
    _, finished = walk(config, tmp_path)
    for kept in range(len(finished)):
        part = dict([*finished.items()][:kept])
        run = recipes.of(config).next_run(config, part)
        assert run.name == [*finished][kept]


def test_a_given_order_asks_for_no_validation(config, tmp_path):
    config.recipe.order = ("audio", "scene", "expression")
    config.checkpoint.best = ""
    seen, _ = walk(config, tmp_path, {})
    assert [*seen][3:5] == ["seed-0/stages/add-2-scene", "seed-0/stages/add-3-expression"]
    config.recipe.order = ("audio", "scene")
    with pytest.raises(UserError, match="recipe.order"):
        recipes.of(config).next_run(config, {})


def test_without_validation_there_is_no_order(config):
    config.checkpoint.best = ""
    with pytest.raises(UserError, match="checkpoint.best"):
        recipes.of(config).next_run(config, {})


def test_no_modality_is_one_line(config):
    config.model.modalities = {}
    with pytest.raises(UserError, match="no modality"):
        recipes.of(config).next_run(config, {})


@pytest.mark.parametrize("score", [None, float("nan")])
def test_a_modality_without_a_score_has_no_place_in_the_order(config, tmp_path, score):
    with pytest.raises(UserError, match="of audio alone is not known.*train.evaluate_every"):
        walk(config, tmp_path, ALONE | {"audio": score})
    config.checkpoint.best = "pcc"  # of none of them
    with pytest.raises(UserError, match="pcc of audio, expression, scene alone"):
        walk(config, tmp_path)


def test_arousal_ends_with_the_whole_and_its_moving_average(tmp_path):
    config = lstc.get_config("small,arousal")
    seen, _ = walk(config, tmp_path, {"audio": 1, "scene": 2, "action": 3})
    assert [*seen][-1] == "seed-0" and not any("whole" in name for name in seen)
    assert [run.config.model.beta for run in seen.values()] == [0.0] * 5 + [0.98]
    assert seen["seed-0"].config.train.init_new == ("^head/",)


def test_what_is_tuned_learns_first_and_stays_in_all_that_follows(tmp_path):
    config = lstc.get_config("small,arousal,tuned")
    seen, _ = walk(config, tmp_path, {"audio": 1, "scene": 2, "action": 3})
    own = {name.rpartition("/")[2]: run for name, run in seen.items()}
    assert [*own] == ["tune-action", "alone-action", "alone-audio", "alone-scene", "add-2-scene",
                      "add-3-action", "seed-0"]  # fmt: skip
    models = {name: run.config.model for name, run in own.items()}
    assert [name for name, m in models.items() if m.within == "mean"] == ["tune-action"]
    assert {name for name, m in models.items() if m.tuned} == {
        name for name, m in models.items() if "action" in m.modalities
    }
    still = {name for name, run in own.items() if ("^tune/", 0.0) in run.config.optim.rules}
    assert still == {"alone-action", "add-3-action", "seed-0"}
    assert still == {name for name, m in models.items() if "tuned" in m.frozen}
    place = tmp_path / "seed-0/stages"
    tuned, scene = (str(place / name / "export") for name in ("tune-action", "add-2-scene"))
    assert own["alone-action"].init_from == tuned
    assert own["add-3-action"].init_from == (scene, tuned)
    assert own["add-3-action"].config.train.init_new[:2] == ("^head/", "^intra/action/")
    config.model.tuned.action = 0
    assert not any("tune" in name for name in walk(config, tmp_path)[0])


def test_all_at_once_is_one_stage_after_what_is_tuned(tmp_path):
    seen, _ = walk(lstc.get_config("small,valence,baseline1"), tmp_path)
    assert [*seen] == ["seed-0"] and seen["seed-0"].init_from is None
    assert seen["seed-0"].config.optim.rules == ()
    seen, _ = walk(lstc.get_config("small,arousal,tuned,baseline2"), tmp_path)
    assert [*seen] == ["seed-0/stages/tune-action", "seed-0"]
    assert seen["seed-0"].config.model.frozen == ("tuned",)
    assert seen["seed-0"].config.train.init_new == ("^head/", "^intra/", "^statistics/")
    assert seen["seed-0"].init_from == str(tmp_path / "seed-0/stages/tune-action/export")


def test_of_two_starts_the_second_gives_what_the_first_lacks(monkeypatch):
    trees = {
        "joined": ({"head": {"out": 1}, "intra": {"audio": 1}}, {"statistics": {"audio": 1}}),
        "tuned": ({"head": {"out": 2}, "tune": {"action": 2}}, {"statistics": {"action": 2}}),
    }
    held = {k: affectjax.export.Export(pathlib.Path(k), None, {}, *two, None)
            for k, two in trees.items()}  # fmt: skip
    monkeypatch.setattr(affectjax.export, "load", held.get)
    found = initialise.load(("joined", "tuned"))
    assert found.params == {"head": {"out": 1}, "intra": {"audio": 1}, "tune": {"action": 2}}
    assert found.model_state == {"statistics": {"audio": 1, "action": 2}}
    assert found.folder == pathlib.Path("joined")
    assert initialise.load("tuned") is held["tuned"]


# --- real runs

TINY = (
    f"--config={ROOT}/configs/lstc.py:small,audio_action,tuned", "--config.model.hidden=3",
    "--config.model.width=4", "--config.model.inter_hidden=3", "--config.model.layers=1",
    "--config.model.inter_layers=1", "--config.model.clips=2", "--config.train.batch=8",
    "--config.train.steps=6", "--config.train.evaluate_every=3", "--config.train.log_every=1",
    "--config.train.checkpoint_every=1", "--config.train.tensorboard=False",
    "--config.data.sample_dir=data", "--config.recipe.order=('audio','action')",
)  # fmt: skip


def digests(workdir: pathlib.Path) -> dict[str, str]:
    """What every stage exported."""
    return {
        str(path.parent.parent.relative_to(workdir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(workdir.rglob("export/model.safetensors"))
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> pathlib.Path:
    """The tiny recipe, once, in processes of its own until nothing is left."""
    place = tmp_path_factory.mktemp("trained")
    done = start(place, "run").wait(600)
    assert done == COMPLETE, (place / "log").read_text()[-3000:]
    return place


def start(place: pathlib.Path, workdir: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "affectjax.main", *TINY, f"--workdir={workdir}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    with open(place / "log", "a") as out:
        return subprocess.Popen(command, cwd=place, env=environment, stdout=out, stderr=out)


@pytest.mark.slow
def test_a_stage_learns_what_it_says_and_nothing_else(trained):
    own = trained / "run/seed-0"
    first, second, newest = own / "stages/alone-audio", own / "stages/add-2-action", "action"
    for m in ("audio", "action"):  # what would order them, had the config not
        told = json.loads((own / f"stages/alone-{m}/result.json").read_text())
        assert np.isfinite(validation(told, "loss/target"))
    before, after = (affectjax.load(path / "export") for path in (first, second))
    assert set(after.params["intra"]) - set(before.params["intra"]) == {newest}
    for m, tree in before.params["intra"].items():
        assert digest(tree) == digest(after.params["intra"][m])
    whole, last = affectjax.load(own / "stages/whole/export"), affectjax.load(own / "export")
    assert digest(whole.params["intra"]) != digest(after.params["intra"])
    assert digest(whole.params["intra"]) == digest(last.params["intra"])
    assert digest(whole.params["head"]["embed"]) == digest(last.params["head"]["embed"])
    assert set(last.params) == {"tune", "intra", "head", "inter", "inter_head"}
    assert [*last.params["head"]] == ["embed"]


@pytest.mark.slow
def test_tuned_layers_learn_in_their_own_stage_alone_and_predict_with_the_export(
    trained, monkeypatch
):
    monkeypatch.chdir(trained)
    own = trained / "run/seed-0"
    stages = ("tune-action", "alone-action", "add-2-action", "whole", "..")
    each = [affectjax.load(own / "stages" / name / "export") for name in stages]
    tuned, alone, last = each[0], each[1], each[-1]
    assert set(tuned.params) == {"tune", "head"}
    assert set(alone.params) == {"tune", "intra", "head"}
    assert len({digest(e.params["tune"]) for e in each}) == 1
    for layer in tuned.params["tune"]["action"].values():  # biases begin at 0
        assert layer["bias"].any()
    film = assemble.data(last.config).parts["test"][0]["film"]
    with open(own / "predictions_test.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["group"] == film["id"]]
    found = along.film(last, film)["prediction"][:, 0]
    told = [float(row["prediction_valence"]) for row in rows]
    np.testing.assert_allclose(np.repeat(found, 10), told, atol=1e-5)


def digest(tree) -> str:
    flat = affectjax.export.paths(tree)
    return hashlib.sha256(b"".join(np.asarray(flat[k]).tobytes() for k in sorted(flat))).hexdigest()


@pytest.mark.slow
def test_places_of_clips_are_those_of_each_modality_alone(trained, monkeypatch):
    monkeypatch.chdir(trained)
    (data,) = pathlib.Path("data").iterdir()
    run = runs.read(pathlib.Path("run")).runs["seed-0"]
    seen, whole = [], clip_pictures.vectors

    def vectors(export, records):
        seen.append(export.folder.parent.name)
        return whole(export, itertools.islice(records, 1))

    monkeypatch.setattr(clip_pictures, "vectors", vectors)
    found = [name for name, _ in looking.planes(run, str(data), "valence")]
    assert found == ["clips valence action", "clips valence audio"]
    assert seen == ["alone-action", "alone-audio"]
    assert [*looking.planes(run, str(data), "arousal")] == []


@pytest.mark.slow
def test_killed_in_three_stages_it_ends_with_the_same_bits(trained):
    """The first kill falls into tuning, then one into a joining, one into the last."""
    own = trained / "killed/seed-0"
    for stage in ("stages/tune-action/", "stages/add-2-action/", ""):
        job = start(trained, "killed")
        until = time.monotonic() + 300
        while not (saved := [*own.glob(f"{stage}checkpoints/2")]):
            assert job.poll() is None and time.monotonic() < until, (trained / "log").read_text()
            time.sleep(0.005)
        job.send_signal(signal.SIGKILL)
        assert job.wait(60) == -signal.SIGKILL
        assert not (saved[0].parents[1] / "result.json").exists()
    assert start(trained, "killed").wait(600) == COMPLETE
    found = digests(trained / "killed")
    assert len(found) == 6 and found == digests(trained / "run")


@pytest.mark.slow
def test_what_asks_to_stop_at_the_end_of_a_run_is_heard_before_the_next(
    trained, monkeypatch, capsys
):
    """SIGTERM while a stage is being exported: it is finished, and the next does not begin."""
    monkeypatch.chdir(trained)
    written = train.Training.export

    def export(self, metrics):
        os.kill(os.getpid(), signal.SIGTERM)
        return written(self, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(train.Training, "export", export)
        assert main(["main", *TINY, "--workdir=asked"]) == REQUEUE
    assert "stopped between two runs" in capsys.readouterr().out
    assert [*digests(pathlib.Path("asked"))] == ["seed-0/stages/tune-action"]


@pytest.mark.slow
def test_a_finished_recipe_says_so(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    before = digests(trained / "run")
    assert main(["main", *TINY, "--workdir=run"]) == COMPLETE
    assert capsys.readouterr().out.count("was trained to the end before") == 6
    assert digests(trained / "run") == before
