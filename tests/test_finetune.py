"""From pre-training to recognition by the command: exports, predictions, every row of a table."""

import csv
import functools
import json
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import affectjax
from affectjax import assemble, configlib, initialise, optim, tables
from affectjax.data import records, sample
from affectjax.errors import BAD_INPUT, COMPLETE
from affectjax.main import main
from configs import tam_finetune

ROOT = pathlib.Path(__file__).parent.parent
TINY = (
    "--config.model.width=16", "--config.model.layers=1", "--config.model.ffn=16",
    "--config.train.batch=8", "--config.train.log_every=2", "--config.train.tensorboard=False",
)  # fmt: skip
DECODER = (
    "--config.model.decoder_layers=1", "--config.model.decoder_heads=2",
    "--config.examples.tokens=96", "--config.examples.comments=12", "--config.examples.masked=24",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return pathlib.Path(sample.prepare(tmp_path_factory.mktemp("sample"), "quick", 0))


@pytest.fixture(scope="module")
def pretrained(folder, tmp_path_factory) -> pathlib.Path:
    workdir = tmp_path_factory.mktemp("pretrained") / "run"
    config = f"--config={ROOT}/configs/tam_pretrain.py:small"
    words = (f"--config.data.dir={folder}", "--config.train.steps=2", f"--workdir={workdir}")
    assert main(["main", config, *TINY, *DECODER, *words]) == COMPLETE
    return workdir / "export"


def finetune(folder, variants: str, *words: str) -> int:
    given = (
        f"--config={ROOT}/configs/tam_finetune.py:{variants}", *TINY, f"--config.data.dir={folder}",
        "--config.data.train=train", "--config.train.steps=4", "--config.train.evaluate_every=2",
        "--workdir=run",
    )  # fmt: skip
    return main(["main", *given, *words])


def rows_of(path: pathlib.Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


FRESH = """
import json, sys
import affectjax
from affectjax.data import records
model = affectjax.load(sys.argv[1])
source = records.open_dataset(sys.argv[2]).split("test")
found = [model.predict(source[i])["probability"][0].tolist() for i in range(3)]
print(json.dumps([model.config.model.outputs, model.about["label_names"], found]))
"""


def test_fine_tuning_starts_from_the_export_and_predicts_alike_elsewhere(
    folder, pretrained, capsys
):
    few = ("--config.data.per_class=4", "--config.data.validation=0.5")
    assert finetune(folder, "small", f"--config.train.init_from={pretrained}", *few) == COMPLETE
    assert "train 24 clips" in capsys.readouterr().out
    before, after = affectjax.load(pretrained), affectjax.load("run/export")
    assert set(after.params) == {"project", "fusion", "head"}
    for part, most in (("fusion", 2e-3), ("project", 2e-3)):  # four steps at a tenth of the rate
        moved = jax.tree.map(
            lambda a, b: np.abs(a - b).max(), before.params[part], after.params[part]
        )
        assert 0 < max(jax.tree.leaves(moved)) < most
    result = json.loads(pathlib.Path("run/result.json").read_text())
    assert result["exported_step"] in (2, 4) and 0 <= result["metrics"]["accuracy"] <= 1

    table = rows_of(pathlib.Path("run/predictions_test.csv"))
    columns = [f"probability_{name}" for name in sample.SPEC.label_names]
    assert [*table[0]] == ["id", "group", "label", *columns]
    assert len(table) == len({row["id"] for row in table}) == 52
    said = subprocess.run([sys.executable, "-c", FRESH, "run/export", str(folder)],
                          capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "HOME": "."},
                          )  # fmt: skip
    outputs, labels, found = json.loads(said.stdout)
    assert outputs == labels == list(sample.SPEC.label_names)
    stored = [[float(row[name]) for name in columns] for row in table[:3]]
    np.testing.assert_allclose(found, stored, atol=1e-5)


def values_dataset(folder: pathlib.Path, into: str) -> str:
    """Clips of the sample with a value each that follows from their label, and one unknown."""
    source = records.open_dataset(folder).split("train")
    spec = records.Spec(modalities=sample.SPEC.modalities, value_names=("valence", "arousal"))

    def made(start, stop):
        for i in range(start, stop):
            one = {k: v for k, v in source[i].items() if k not in ("comments", "label")}
            value = [np.nan if i == 3 else 10.0 + source[i]["label"], 0.0]
            yield one | {"values": [value], "values_time": [0.0]}

    records.write(into, "values", spec, {"train": made(0, 40), "test": made(40, 56)})
    return into


VALUES = ("--config.examples.values=('valence','arousal')", "--config.data.validation=0.3")


def test_regression_in_the_data_s_own_units(folder):
    data = values_dataset(folder, "values")
    regress = ("--config.model.task=values", "--config.model.outputs=('valence',)",
               "--config.checkpoint.best=pcc", "--config.examples.windows=tiled",
               "--config.model.segments=20")  # fmt: skip
    assert finetune(data, "small,scratch", *VALUES, *regress) == COMPLETE
    table = rows_of(pathlib.Path("run/predictions_test.csv"))
    assert len(table) == 16  # a row a clip, not one a tile
    for row in table:
        assert 8 < float(row["prediction_valence"]) < 17  # not in units of the deviation
        assert 10 <= float(row["truth_valence"]) <= 15
    stored = affectjax.load("run/export").model_state["statistics"]["standardise_target"]
    assert 11 < stored["mean"][0] < 14


def test_an_export_is_scored_on_the_partition_it_was_trained_on_or_it_is_said(folder, capsys):
    dataset = records.open_dataset(folder)
    some = dataset.split("train")
    clips = [{**some[i], "group": str(i)} for i in range(12)]
    table = {"0": "1" * 8 + "0" * 4, "1": "0" * 4 + "1" * 8}
    facts = {"partitions": {"split": "all", "parts": ["test", "train"], "table": table}}
    records.write("divided", "divided", dataset.spec, {"all": clips}, metadata=facts)
    words = ("--config.data.validation=0", "--config.checkpoint.best=")
    assert finetune("divided", "small,scratch", *words, "--config.data.partition=0") == COMPLETE
    evaluate = (*words, "--mode=eval", "--export=run/export")
    for more, noted in (((), False), (("--config.data.partition=1",), True)):
        capsys.readouterr()
        assert finetune("divided", "small,scratch", *evaluate, *more) == COMPLETE
        told = capsys.readouterr().out
        assert "4 clips, every one" in told
        assert ("it was trained on partition 0 of this dataset" in told) == noted


@pytest.mark.slow
def test_a_constant_target_has_no_correlation_to_choose_by(folder, capsys):
    data = values_dataset(folder, "values")
    regress = ("--config.model.task=values", "--config.model.outputs=('arousal',)",
               "--config.checkpoint.best=pcc")  # fmt: skip
    assert finetune(data, "small,scratch", *VALUES, *regress) == COMPLETE
    result = json.loads(pathlib.Path("run/result.json").read_text())
    assert result["metrics"]["pcc"] is None and result["exported_step"] == 4
    for row in rows_of(pathlib.Path("run/predictions_test.csv")):
        assert float(row["prediction_arousal"]) == 0  # the only value there was


@pytest.mark.slow
def test_values_cut_into_classes(folder):
    data = values_dataset(folder, "values")
    cut = ("--config.examples.cut=valence", "--config.examples.thresholds=(12.5,)",
           "--config.model.outputs=('low','high')")  # fmt: skip
    assert finetune(data, "small,scratch", *VALUES, *cut) == COMPLETE
    row = rows_of(pathlib.Path("run/predictions_test.csv"))[0]
    assert row["label"] in "01" and 0 < float(row["probability_high"]) < 1
    about = affectjax.load("run/export").config
    assert about.examples.thresholds == [12.5] and about.model.outputs == ["low", "high"]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--config.model.outputs=('a','b')"], "the dataset has joy"),
        (["--config.model.task=values"], "examples.values"),
        (["--config.data.per_class=999"], "data.per_class"),
        (["--config.train.init_from=nowhere"], "not an export"),
        (["--config.model.modalities={}"], "there is no modality"),
    ],
)
def test_bad_input_to_recognition_is_one_line(words, said, folder, capsys):
    assert finetune(folder, "small,scratch", *words) == BAD_INPUT
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


# --- every row of the tables


def rows_of_tables() -> list[str]:
    """The variant strings of every cell, and the variants beside them."""
    found = {
        table.command(row, column).partition(":")[2]
        for table in tables.load("tam").tables
        for row in table.rows
        for column in table.columns
        if row.variant is not None
    }
    return sorted(found | {"small", "small,scratch"})


QUICK = ("", "scratch", "joint")


def marked(variants: str):
    own = ",".join(
        n for n in variants.split(",") if not n.startswith(("ve8", "ek6", "me", "small"))
    )
    return pytest.param(variants, marks=() if own in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("variants", [marked(one) for one in rows_of_tables()])
def test_every_row_takes_a_step(variants):
    config = tam_finetune.get_config(variants)
    with config.unlocked():
        for name in config.model.modalities:
            config.model.modalities[name] = 3
        if config.model.task == "classes":  # how many classes there are changes no code
            config.model.outputs = ("one", "other")
    config.model.update(dict(width=32, layers=1, ffn=16, segments=3, dropout=0.0))
    loss, after = two_losses(json.dumps(configlib.to_plain(config.model)), config.optim.rules)
    assert np.isfinite(loss) and after < loss
    assert bool(config.train.init_from) == bool(config.train.init_new)
    path = configlib.CONSTRUCTORS["recipe"].format(name=config.recipe.name)
    assert configlib.signature_of(path)


@functools.cache
def two_losses(model: str, rules: tuple) -> tuple[float, float]:
    """The loss before and after one step of the config's optimiser; equal models compile once."""
    config = tam_finetune.get_config()
    with config.unlocked():
        config.model = json.loads(model)
    config.optim.rules = rules
    network = assemble.model(config, None)
    if network.task == "values":
        config.examples["values"] = network.outputs
    examples = assemble.examples(config, None)
    rng = np.random.default_rng(0)
    batch = {
        k: rng.random((4, *shape)).astype(dtype) for k, (shape, dtype) in examples.spec().items()
    }
    batch |= {k: np.ones_like(v) for k, v in batch.items() if k.startswith(("present", "weight"))}
    batch |= {"label": np.array([0, 1, 1, 0], np.int32)} if "label" in batch else {}
    variables = initialise.variables(network, batch, 0)
    optimizer, _ = optim.build(
        **configlib.arguments(config.optim), params=variables["params"], total_steps=10,
        steps_per_epoch=1,
    )  # fmt: skip

    def loss(params):
        sums, _ = network.apply(variables | {"params": params}, batch, False, method="loss")
        total, weight = sums["target"]
        return total.sum() / jnp.maximum(weight.sum(), 1)

    def step(params):
        value, gradient = jax.value_and_grad(loss)(params)
        update, _ = optimizer.update(gradient, optimizer.init(params), params)
        return value, optax.apply_updates(params, update)

    step = jax.jit(step)
    before, params = step(variables["params"])
    return float(before), float(step(params)[0])


PRETRAINING = (
    "random10",
    "random20",
    "random30",
    "word_only",
    "time_only",
    "word1_time2",
    "word2_time1",
)


@pytest.mark.slow
@pytest.mark.parametrize("variant", PRETRAINING)
def test_every_pre_training_takes_a_step_and_lies_where_fine_tuning_looks(variant, folder):
    config = f"--config={ROOT}/configs/tam_pretrain.py:{variant}"
    small = (f"--config.data.dir={folder}", "--config.train.steps=1",
             "--config.words.min_count=1", "--config.model.modalities.image=32",
             "--config.model.modalities.motion=48",
             "--config.model.modalities.audio=16")  # fmt: skip
    assert main(["main", config, *TINY, *DECODER, *small]) == COMPLETE
    assert pathlib.Path(tam_finetune.get_config(f"ve8,{variant}").train.init_from).is_dir()


def test_the_order_of_variants_does_not_matter():
    """What one variant removes stays away, and `small` keeps its sizes."""
    for words in ("image,small", "small,image"):
        config = tam_finetune.get_config(words)
        assert config.model.modalities.to_dict() == {"image": 32}
        assert config.train.init_from is None and config.model.width == 64
    films = [tam_finetune.get_config(words).train.epochs
             for words in ("me16_valence,joint", "joint,me16_valence", "me16_valence")]  # fmt: skip
    assert films == [20.0, 20.0, 20.0] and tam_finetune.get_config("joint").train.epochs == 100.0
