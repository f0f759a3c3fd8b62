"""Recipes: which run is next follows from the finished ones alone."""

import pathlib

import pytest

from affectjax import configlib, recipes
from affectjax.errors import UserError
from affectjax.progressive import progressive
from configs import tam_pretrain


@pytest.fixture
def config():
    return tam_pretrain.get_config("small")


def walk(recipe, config, finished=None) -> tuple[list, dict]:
    finished, seen = dict(finished or {}), []
    while (run := recipe.next_run(config, finished)) is not None:
        seen.append(run)
        finished[run.name] = {"metrics": {"score": float(len(seen)), "undefined": None}}
    return seen, finished


def test_single_runs_once_in_the_workdir_itself(config):
    seen, finished = walk(recipes.single(), config)
    assert [run.name for run in seen] == [""]
    assert recipes.single().summary(finished)["score"] == 1.0


def test_repeat_gives_every_seed_a_folder_and_the_deviation(config):
    recipe = recipes.repeat(times=3, first=5)
    seen, finished = walk(recipe, config)
    assert [run.name for run in seen] == ["seed-5", "seed-6", "seed-7"]
    assert [run.config.train.seed for run in seen] == [5, 6, 7]
    assert config.train.seed == 0
    assert recipe.summary(finished) == {"score": 2.0, "score/deviation": 1.0}


def test_repeat_goes_on_where_it_stopped(config):
    done = {"seed-0": {"metrics": {"score": 0.0}}}
    seen, _ = walk(recipes.repeat(times=3), config, done)
    assert [run.name for run in seen] == ["seed-1", "seed-2"]


def test_splits_give_every_partition_a_folder(config):
    seen, finished = walk(recipes.splits(times=3), config)
    assert [run.name for run in seen] == ["split-0", "split-1", "split-2"]
    assert [run.config.data.partition for run in seen] == ["0", "1", "2"]
    assert {run.config.train.seed for run in seen} == {config.train.seed}
    assert recipes.splits(times=3).summary(finished)["score/deviation"] == 1.0


def test_what_a_recipe_sets_is_not_to_be_said_beside_it(config):
    config.train.seed = 7
    for made in (recipes.repeat(times=3), progressive(order=("audio", "image", "motion"))):
        with pytest.raises(UserError, match="recipe.first=7"):
            made.next_run(config, {})
    assert recipes.repeat(times=3, first=7).next_run(config, {}).name == "seed-7"
    assert recipes.splits(times=3).next_run(config, {}).config.train.seed == 7
    config.data.partition = "3"
    with pytest.raises(UserError, match="recipe.first=N"):
        recipes.splits(times=3).next_run(config, {})


def test_a_config_chooses_its_recipe_and_its_arguments():
    base = {**tam_pretrain.BASE, "recipe": {"name": "repeat", "times": 2}}
    config = configlib.build(base, {}, "")
    recipe = recipes.of(config)
    assert recipe.times == 2 and pathlib.PurePath(recipe.next_run(config, {}).name).name == "seed-0"


def test_each_trains_a_network_for_every_output(config):
    config.model.outputs = ("joy", "fear")
    seen, _ = walk(recipes.each(), config)
    assert [(run.name, tuple(run.config.model.outputs)) for run in seen] == [
        ("joy", ("joy",)), ("fear", ("fear",)),
    ]  # fmt: skip
    assert tuple(config.model.outputs) == ("joy", "fear")
    finished = {
        "joy": {"metrics": {"auc": 0.9, "auc/joy": 0.9, "loss/target": 1.0, "auc/fear": 7}},
        "fear": {"metrics": {"auc": 0.7, "auc/fear": 0.7, "loss/target": 3.0}},
    }
    assert [run.name for run in walk(recipes.each(), config, {"joy": finished["joy"]})[0]] == [
        "fear"
    ]
    summary = recipes.each().summary(finished)
    assert summary["auc"] == pytest.approx(0.8) and summary["loss/target"] == 2.0
    assert summary["auc/joy"] == 0.9 and summary["auc/fear"] == 0.7
