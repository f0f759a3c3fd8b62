"""The configs of `vaanet` and `cten`: every variant builds its model, `small` trains to the end."""

import csv
import pathlib

import jax
import numpy as np
import pytest

from affectjax import assemble, configlib, export, initialise, train
from affectjax.data import load, records
from configs import cten, vaanet

TABLE_2 = [
    (f"{modal},{modules}" if modal else modules).strip(",")
    for modal, rows in {
        "audio": ["erasing_off,intra_off", "erasing_off", ""],
        "visual": ["erasing_off,intra_off", "erasing_off", ""],
        "": ["erasing_off,intra_off,inter_off", "erasing_off,inter_off", "erasing_off,intra_off",
             "erasing_off", "inter_off", "intra_off", ""],
    }.items()
    for modules in rows
]  # fmt: skip


def losses_of(config):
    """The names of the losses of a config's model, by shapes alone."""
    rule = assemble.examples(config, None)
    model = assemble.model(config, None)
    batch = {k: jax.ShapeDtypeStruct((2, *s), d) for k, (s, d) in rule.spec().items()}
    variables = jax.eval_shape(lambda: initialise.variables(model, batch, 0))
    return initialise.task_names(model, variables, batch)


@pytest.mark.parametrize("name", ["", *cten.VARIANTS])
def test_cten_variants(name):
    assert losses_of(cten.get_config(name))[-1] == "whole"


@pytest.mark.parametrize("name", TABLE_2)
def test_every_row_of_the_table_of_modules(name):
    names = losses_of(cten.get_config(name))
    assert names == (["whole"] if "erasing_off" in name else ["key", "left", "whole"])


@pytest.mark.parametrize("name", ["", *vaanet.VARIANTS, "at,ce", "pooled,vs_vcw_vt,ekman6"])
def test_vaanet_variants(name):
    assert losses_of(vaanet.get_config(name)) == ["label"]


@pytest.mark.parametrize("variant", ["caer", "caer6,visual"])
def test_caer_chooses_its_epoch_on_its_own_validation_part(variant, tmp_path):
    config, spec = cten.get_config(variant), records.Spec({"motion": 4}, label_names=cten.CAER)
    parts = ("train", "validation", "test")
    clip = {"start": 0.0, "duration": 3.0, "rate": {"motion": 1.0}, "label": 0}
    clip["features"] = {"motion": np.ones((3, 4), np.float16)}
    splits = {name: [clip | {"id": name, "group": name}] for name in parts}
    records.write(tmp_path / "caer", "caer", spec, splits)
    config.data.dir = str(tmp_path / "caer")
    found = load.load(**configlib.arguments(config.data)).parts
    small = cten.get_config(f"{variant},small").data  # the sample has no validation part
    assert small.validation and not small.validation_split
    assert {name: list(part.ids) for name, part in found.items()} == {n: [n] for n in parts}


@pytest.mark.slow
@pytest.mark.parametrize("module", [cten, vaanet])
def test_small_trains_on_the_sample(module):
    config = module.get_config("small")
    config.data.sample_size = "quick"
    config.train.steps, config.train.evaluate_every, config.train.tensorboard = 12, 6, False
    result = train.run(config, pathlib.Path("run"))
    found = result["metrics"]
    assert found["count"] == 64 and 0 <= found["accuracy"] <= 1
    assert 0 <= found["map_any@0.3"] <= 1 and found["whole_video/map_any@0.5"] is not None
    loaded = export.load("run/export")
    data = assemble.data(loaded.config)
    with open("run/predictions_test.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    for i in (0, 7):  # what was exported predicts what was scored
        record = data.parts["test"][i]
        found = loaded.predict(record)["probability"][0]
        row = rows[record["id"]]
        for name, value in zip(loaded.config.model.outputs, found):
            assert float(row[f"probability_{name}"]) == pytest.approx(float(value), abs=1e-5)
