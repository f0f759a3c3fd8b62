"""The config of `lstc`: every row of the tables takes a step, `small` trains to the end."""

import csv
import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import affectjax
from affectjax import along, assemble, configlib, initialise, optim, recipes, tables
from affectjax.errors import COMPLETE
from affectjax.main import main
from affectjax.report.__main__ import main as report
from configs import lstc

ROOT = pathlib.Path(__file__).parents[2]


def rows_of_tables() -> list[str]:
    """The variant strings of every cell, and the variants beside them."""
    found = {
        table.command(row, column).partition(":")[2]
        for table in tables.load("lstc").tables
        for row in table.rows
        for column in table.columns
        if row.variant is not None
    }
    return sorted(found | {"", *lstc.VARIANTS})


@pytest.mark.parametrize("variants", rows_of_tables())
def test_every_row_takes_a_step(variants):
    config = lstc.get_config(variants)
    with config.unlocked():
        for section in (config.model.modalities, config.model.tuned):
            for name in section:
                section[name] = 3
    config.model.update(dict(hidden=2, width=3, inter_hidden=2, segments=3, dropout=0.0))
    config.model.update(dict(layers=1, inter_layers=1))
    if config.model.clips > 1:  # how many clips there are changes no code
        config.model.clips = 2
    config.model.beta = 0.0  # it belongs to testing
    plain = configlib.to_plain(config.model)
    some = min(len(plain["modalities"]), 2)  # a third one changes no code either
    plain["modalities"] = {f"m{i}": 3 for i in range(some)}
    plain["tuned"] = {"m0": 3} if plain["tuned"] else {}
    plain["outputs"] = ["a", "b"] if config.model.task == "classes" else ["valence"]
    before, after = two_losses(json.dumps(plain, sort_keys=True))
    assert np.isfinite(before) and after < before
    assert recipes.of(config)


@functools.cache
def two_losses(model: str) -> tuple[float, float]:
    """The loss before and after one step of the config's optimiser; equal models compile once."""
    settings = json.loads(model)
    config = lstc.get_config("me15_valence" if settings["task"] == "classes" else "")
    with config.unlocked():
        config.model = settings
    network, examples = assemble.model(config, None), assemble.examples(config, None)
    rng = np.random.default_rng(0)
    batch = {
        k: rng.random((4, *shape)).astype(dtype) for k, (shape, dtype) in examples.spec().items()
    }
    batch |= {k: np.ones_like(v) for k, v in batch.items() if k.startswith(("present", "weight"))}
    batch |= {"label": np.array([0, 1, 1, 0], np.int32)} if "label" in batch else {}
    variables = jax.jit(lambda: initialise.variables(network, batch, 0))()
    optimizer, _ = optim.build(
        **configlib.arguments(config.optim), params=variables["params"], total_steps=10,
        steps_per_epoch=1,
    )  # fmt: skip

    def loss(params):
        sums, _ = network.apply(variables | {"params": params}, batch, False, method="loss")
        total, weight = sums["target"]
        return total.sum() / jnp.maximum(weight.sum(), 1)

    @jax.jit
    def step(params):
        value, gradient = jax.value_and_grad(loss)(params)
        update, _ = optimizer.update(gradient, optimizer.init(params), params)
        return value, optax.apply_updates(params, update)

    before, params = step(variables["params"])
    return float(before), float(step(params)[0])


def test_the_order_of_variants_does_not_matter():
    one, other = (lstc.get_config(words) for words in ("small,arousal,audio_scene",
                                                       "audio_scene,arousal,small"))  # fmt: skip
    assert one.to_json() == other.to_json()
    assert one.model.modalities.to_dict() == {"audio": 16, "scene": 24}
    assert (one.model.clips, one.model.beta) == (1, 0.0)
    only = lstc.get_config("arousal,expression_only")
    assert only.model.modalities.to_dict() == {"expression": 3072}
    assert only.model.outputs == ("arousal",) and only.recipe.at_once
    assert lstc.get_config("beta96,arousal").model.beta == 0.96


def test_layers_for_action_stand_where_its_rows_are_as_the_paper_has_them():
    assert lstc.get_config("arousal,baseline1").model.tuned.to_dict() == {"action": 128}
    assert lstc.get_config("small,arousal,tuned").model.tuned.to_dict() == {"action": 16}
    for variants in ("", "small,arousal", "arousal,audio_only"):
        assert lstc.get_config(variants).model.tuned.to_dict() == {}


@pytest.mark.parametrize("table", tables.load("lstc").tables, ids=lambda table: table.number)
def test_each_column_is_the_task_that_it_says(table):
    for column in table.columns:
        config = lstc.get_config(column.variant)
        if column.metric == "accuracy":
            assert config.model.task == "classes" and len(config.model.outputs) == 3
        else:
            assert config.model.task == "values" and column.name.startswith(config.model.outputs[0])


def test_the_numbers_add_up_to_what_the_text_says_of_them():
    """Sums of the printed cells: a digit that was copied wrong changes one."""
    sums = {
        table.number: [round(sum(row.numbers[i] or 0 for row in table.rows), 3)
                       for i in range(len(table.columns))]
        for table in tables.load("lstc").tables
    }  # fmt: skip
    assert sums == {
        "1": [0.443, 0.663, 0.61, 0.531],
        "2, left": [0.374, 1.29],
        "2, right": [0.568, 1.142],
        "3, left": [0.293, 1.649],
        "3, right": [0.549, 1.655],
        "4": [0.671, 1.686, 1.004, 1.26],
        "5": [3.587, 4.721],
    }


@pytest.mark.slow
@pytest.mark.parametrize("variants", ["valence,baseline2", "arousal,action_only,beta98"])
def test_small_trains_on_the_sample_and_stands_in_the_report(variants, capsys):
    config = f"--config={ROOT}/configs/lstc.py:{variants}"
    small = ("--config.model.hidden=4", "--config.model.layers=1", "--config.train.steps=4",
             "--config.train.evaluate_every=2", "--config.train.tensorboard=False",
             "--workdir=run")  # fmt: skip
    assert main(["main", config, *small]) == COMPLETE
    result = json.loads(pathlib.Path("run/seed-0/result.json").read_text())
    loaded = affectjax.load("run/seed-0/export")
    (value,) = loaded.config.model.outputs
    assert result["metrics"]["films"] == 4 and result["metrics"]["mse"] < 0.5
    with open("run/seed-0/predictions_test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    film = assemble.data(loaded.config).parts["test"][0]["film"]
    seconds = [float(row[f"prediction_{value}"]) for row in rows if row["group"] == film["id"]]
    found = along.film(loaded, film)["prediction"][:, 0]  # what was exported is what was scored
    np.testing.assert_allclose(np.repeat(found, 10), seconds, atol=1e-5)
    truth = [float(row[f"truth_{value}"]) for row in rows if row["group"] == film["id"]]
    told = film["values"][:, ("valence", "arousal").index(value)]
    np.testing.assert_allclose(truth, told, rtol=1e-6)

    if value == "valence":
        (data,) = pathlib.Path(".runs/data").iterdir()
        capsys.readouterr()
        shown = ["run", "--paper=lstc", f"--dataset={data}", "--out=tables"]
        assert report(shown) == COMPLETE
        text = capsys.readouterr().out
        assert {path.name for path in pathlib.Path("tables").glob("*.png")} == {
            "film_valence_best.png", "film_valence_worst.png", "clips_valence_audio.png",
            "clips_valence_scene.png", "clips_valence_expression.png",
        }  # fmt: skip
        assert "floor: training mean" in text and "floor: linear probe" in text
        assert "as valence, MSE over all seconds" in text
    else:  # one modality under a moving average is no row of a table
        assert report(["run", "--paper=lstc"]) == COMPLETE
        assert "is no row of these tables" in capsys.readouterr().out
