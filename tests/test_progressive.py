"""Progressive training: which stage follows, what learns in it, and no kill changes the end."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import affectjax
from affectjax import recipes
from affectjax.errors import COMPLETE, UserError
from affectjax.main import main
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


def test_an_undefined_score_comes_last(config, tmp_path):
    config.checkpoint.best, config.checkpoint.mode = "loss/target", "max"
    seen, _ = walk(config, tmp_path, ALONE | {"audio": None})
    assert [*seen][3:5] == ["seed-0/stages/add-2-scene", "seed-0/stages/add-3-audio"]


def test_arousal_ends_with_the_whole_and_its_moving_average(tmp_path):
    config = lstc.get_config("small,arousal")
    seen, _ = walk(config, tmp_path, {"audio": 1, "scene": 2, "action": 3})
    assert [*seen][-1] == "seed-0" and not any("whole" in name for name in seen)
    assert [run.config.model.beta for run in seen.values()] == [0.0] * 5 + [0.98]
    assert seen["seed-0"].config.train.init_new == ("^head/",)


# --- real runs

TINY = (
    f"--config={ROOT}/configs/lstc.py:small,audio_scene", "--config.model.hidden=3",
    "--config.model.width=4", "--config.model.inter_hidden=3", "--config.model.layers=1",
    "--config.model.inter_layers=1", "--config.model.clips=2", "--config.train.batch=8",
    "--config.train.steps=6", "--config.train.evaluate_every=3", "--config.train.log_every=1",
    "--config.train.checkpoint_every=1", "--config.train.tensorboard=False",
    "--config.data.sample_dir=data",
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
    (second,) = (own / "stages").glob("add-2-*")
    newest = second.name.rpartition("-")[2]
    (first,) = (own / "stages").glob("alone-audio" if newest == "scene" else "alone-scene")
    before, after = (affectjax.load(path / "export") for path in (first, second))
    assert set(after.params["intra"]) - set(before.params["intra"]) == {newest}
    for m, tree in before.params["intra"].items():
        assert digest(tree) == digest(after.params["intra"][m])
    whole, last = affectjax.load(own / "stages/whole/export"), affectjax.load(own / "export")
    assert digest(whole.params["intra"]) != digest(after.params["intra"])
    assert digest(whole.params["intra"]) == digest(last.params["intra"])
    assert digest(whole.params["head"]["embed"]) == digest(last.params["head"]["embed"])
    assert set(last.params) == {"intra", "head", "inter", "inter_head"}
    assert [*last.params["head"]] == ["embed"]


def digest(tree) -> str:
    flat = affectjax.export.paths(tree)
    return hashlib.sha256(b"".join(np.asarray(flat[k]).tobytes() for k in sorted(flat))).hexdigest()


@pytest.mark.slow
def test_killed_in_three_stages_it_ends_with_the_same_bits(trained):
    """The first kill falls into a modality alone, then one into a joining, one into the last."""
    own = trained / "killed/seed-0"
    for stage in ("stages/alone-scene/", "stages/add-2-*/", ""):
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
    assert len(found) == 5 and found == digests(trained / "run")


@pytest.mark.slow
def test_a_finished_recipe_says_so(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    before = digests(trained / "run")
    assert main(["main", *TINY, "--workdir=run"]) == COMPLETE
    assert capsys.readouterr().out.count("was trained to the end before") == 5
    assert digests(trained / "run") == before
