"""Floors beside real records, and the way from a training to its cell."""

import csv
import json

import jax
import numpy as np
import pytest
from absl import flags

import affectjax
from affectjax import configlib, floors, intervals, main, metrics, workdir
from affectjax.data import load, records
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from affectjax.report import beside, measure, runs
from affectjax.report.__main__ import main as report
from configs import tam_finetune
from tests.report import workdirs

WIDTHS = {"image": 32, "motion": 48, "audio": 16}
NAMES = tam_finetune.SAMPLE


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr(measure, "DRAWS", 50)


def clips(count: int, first: int = 0):
    """Clips whose class shows in the image's mean and whose value shows in the audio's."""
    random = np.random.default_rng(first)
    for i in range(first, first + count):
        label = int(random.integers(6))
        features = {m: random.normal(size=(5, w)) for m, w in WIDTHS.items()}
        features["image"][:, label] += 2.0
        arousal = float(random.normal())
        features["audio"][:, 0] += arousal
        yield {
            "id": f"clip{i}", "group": f"source{i // 2}", "start": 0.0, "duration": 5 * 16 / 30,
            "features": features, "rate": dict.fromkeys(WIDTHS, 30 / 16), "label": label,
            "values": [[np.nan if i % 9 == 0 else arousal]], "values_time": [0.0],
        }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "set"
    spec = records.Spec(modalities=WIDTHS, label_names=NAMES, value_names=("arousal",))
    records.write(out, "toy", spec, {"train": clips(90), "test": clips(40, 200)})
    return out


def config(*words: str, **model) -> dict:
    found = tam_finetune.get_config(",".join(("small", "scratch", *words)))
    found.data.train = "train"
    for key, value in model.items():
        found.model[key] = value
    return configlib.to_plain(found)


def cells(out, **where) -> dict[str, dict]:
    with open(out / "tables.csv", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["ours"]]
    return {row["row"]: row for row in found if all(row[k] == v for k, v in where.items())}


def test_floors_stand_on_the_run_s_own_split(capsys, folder, tmp_path):
    dataset = records.open_dataset(folder)
    test = dataset.split("test")
    truth = np.array([test[i]["label"] for i in range(len(test))])
    turned = np.arange(len(test))[::-1]  # the order of the file is not that of the records
    random = np.random.default_rng(1)
    trained = {}
    for seed in range(2):
        own = workdirs.of_classes(random.random((len(test), 6)), truth[turned], NAMES)
        ids, groups = ([side[i] for i in turned] for side in (test.ids, test.groups))
        trained[f"seed-{seed}"] = own | {"ids": ids, "groups": groups}
    about = ("toy", dataset.digest)
    workdirs.write(tmp_path / "w", "scratch,small", trained, about, exported=config())
    words = ["--paper=tam", f"{tmp_path / 'w'}", f"--dataset={folder}", f"--out={tmp_path / 'out'}"]
    assert report(words) == COMPLETE
    assert capsys.readouterr().err.count("floors beside") == 1  # once for both seeds and all tables
    found = cells(tmp_path / "out", table="1", kind="floor")

    parts = load.load(dir=str(folder), validation=0.15).parts
    train = [parts["train"], parts["validation"]]
    assert len(train[1]) > 5
    pooled = [floors.pooled(part, sorted(WIDTHS)) for part in train]
    both = {m: np.concatenate([part[m] for part in pooled]) for m in sorted(WIDTHS)}
    label = np.array([part[i]["label"] for part in train for i in range(len(part))])
    groups = [group for part in train for group in part.groups]
    scores = floors.of_classes(both, label, groups, floors.pooled(test, sorted(WIDTHS)), 6)
    assert set(found) == set(scores) and len(found) == 4
    for name, columns in scores.items():
        expected = metrics.classification(columns, truth, NAMES)["accuracy"]
        assert float(found[name]["ours"]) == pytest.approx(100 * expected)
        assert found[name]["over"] == "20 groups" and found[name]["runs"] == "1"
        ours = 100 * np.array([run["metrics"]["accuracy"] for run in trained.values()])
        less = intervals.over_seeds(100 * expected - ours)
        assert float(found[name]["less_main"]) == pytest.approx(less.mean)
    assert float(found["linear probe"]["ours"]) > 60 > float(found["majority class"]["ours"])


def test_floors_of_values(capsys, folder, tmp_path):
    test = records.open_dataset(folder).split("test")
    truth = np.array([test[i]["values"][0] for i in range(len(test))], np.float64)
    guess = truth + 1.0
    own = workdirs.of_values(guess, truth, ("arousal",)) | {"ids": test.ids, "groups": test.groups}
    exported = config(task="values", outputs=("arousal",))
    exported["examples"]["values"] = ("arousal",)
    about = ("toy", records.open_dataset(folder).digest)
    workdirs.write(tmp_path / "w", "scratch,small", {"": own}, about, exported=exported)
    words = ["--paper=tam", f"{tmp_path / 'w'}", f"--dataset={folder}", f"--out={tmp_path / 'out'}"]
    assert report(words) == COMPLETE
    found = cells(tmp_path / "out", table="6", column="toy, PCC")
    assert float(found["late fusion of RBF probes"]["ours"]) > 0.8
    assert float(found["TAM w/o TSC"]["ours"]) == 1
    assert "training mean" not in found  # its correlation is not defined
    assert "undefined in 1 of 1 runs, where it predicts a constant" in capsys.readouterr().out
    found = cells(tmp_path / "out", table="6", column="toy, MSE")
    assert float(found["TAM w/o TSC"]["ours"]) == pytest.approx(1)
    assert float(found["training mean"]["ours"]) == pytest.approx(np.nanvar(truth), rel=0.3)


def test_a_model_without_modalities_has_the_floors_of_all_features(capsys, folder, tmp_path):
    test = records.open_dataset(folder).split("test")
    own = workdirs.of_classes(np.eye(6)[np.zeros(len(test), int)], test.labels, NAMES)
    own |= {"ids": test.ids, "groups": test.groups}
    about = ("toy", records.open_dataset(folder).digest)
    exported = config()
    exported["examples"]["modalities"] = exported["model"].pop("modalities")
    where = workdirs.write(tmp_path / "w", "scratch,small", {"": own}, about, exported=exported)
    (run,) = runs.read(where).runs.values()
    found = beside.of_run(run, folder)
    assert found["linear probe"].metrics["accuracy"] > 0.6
    assert "floors beside" in capsys.readouterr().err
    bare = records.Spec(label_names=NAMES)
    plain = ({k: c[k] for k in ("id", "group", "start", "duration", "label")} for c in clips(9))
    records.write(tmp_path / "bare", "bare", bare, {"train": plain, "test": list(clip_ids(3))})
    with pytest.raises(UserError, match="no features to make floors from"):
        beside.of_run(run, tmp_path / "bare")


def clip_ids(count: int):
    for i in range(count):
        yield {"id": f"t{i}", "group": f"t{i}", "start": 0.0, "duration": 1.0, "label": 0}


def test_a_dataset_that_no_run_saw_and_one_with_other_clips(capsys, folder, tmp_path):
    assert report(["--paper=tam", f"--dataset={folder}"]) == BAD_INPUT
    assert "no run in the tables was trained on this dataset" in capsys.readouterr().err
    assert report(["--paper=tam", f"--dataset={tmp_path / 'none'}"]) == BAD_INPUT
    assert "does not exist" in capsys.readouterr().err
    own = workdirs.of_classes(np.eye(6), np.arange(6), NAMES)
    own |= {"ids": [f"x{i}" for i in range(6)], "groups": ["a"] * 6}
    about = ("toy", records.open_dataset(folder).digest)
    workdirs.write(tmp_path / "w", "scratch,small", {"": own}, about, exported=config())
    assert report(["--paper=tam", f"{tmp_path / 'w'}", f"--dataset={folder}"]) == BAD_INPUT
    assert "not those that the run was scored on" in capsys.readouterr().err


def test_a_workdir_remembers_the_variants_and_what_was_overridden(tmp_path):
    words = [
        "main", f"--config={tam_finetune.__file__}:ve8,joint", "--config.train.batch=4",
        "--config.data.dir=x", "--config.train.init_from=y", "--config.examples.hide=('image',)",
        "--config.model.modalities={'image': 8}",
    ]  # fmt: skip
    values = flags.FlagValues()
    main.define_flags(values)
    found, overrides = configlib.parse(words, values)
    workdir.claim(
        tmp_path / "w", found, {"config": "a/tam_finetune.py:ve8", "overrides": overrides}
    )
    told = json.loads((tmp_path / "w" / "command.json").read_text())
    assert told["config"] == "a/tam_finetune.py:ve8"
    assert told["overrides"] == {
        "train.batch": 4, "train.init_from": "y", "examples.hide": ["image"],
        "model.modalities": {"image": 8},
    }  # fmt: skip
    assert runs.read(tmp_path / "w").overrides[1] == "model.modalities={'image': 8}"


@pytest.mark.slow
def test_from_training_to_the_cell(capsys, folder, tmp_path):
    """Two real trainings and a report on them, as a person does it."""
    path = tam_finetune.__file__
    for variant in ("scratch", "inner"):
        words = [
            "main", f"--config={path}:small,{variant}", f"--config.data.dir={folder}",
            f"--workdir={tmp_path / variant}", "--config.data.train=train",
            "--config.model.width=16", "--config.model.ffn=16", "--config.model.layers=1",
            "--config.model.segments=8", "--config.train.steps=4",
            "--config.train.evaluate_every=2", "--config.train.checkpoint_every=4",
            "--config.train.tensorboard=False",
        ]  # fmt: skip
        assert main.main(words) == COMPLETE
    words = [str(tmp_path / "scratch"), str(tmp_path / "inner"), f"--dataset={folder}"]
    assert report(["--paper=tam", *words, f"--out={tmp_path / 'out'}"]) == COMPLETE
    found = cells(tmp_path / "out", table="2", column="toy, accuracy (%)")
    for row, variant in (("Inner-modal only", "inner"), ("Cross-temp multimodal", "scratch")):
        result = json.loads((tmp_path / variant / "result.json").read_text())
        assert float(found[row]["ours"]) == pytest.approx(100 * result["metrics"]["accuracy"])
        export = affectjax.load(tmp_path / variant / "export")
        count = sum(leaf.size for leaf in jax.tree.leaves(export.params))
        assert int(found[row]["parameters"]) == count
    flops = [float(found[row]["flops"]) for row in ("Inner-modal only", "Cross-temp multimodal")]
    assert 1e5 < flops[0] < flops[1] < 1e7
    assert "model.width=16" in found["Inner-modal only"]["settings"]
    assert float(found["linear probe"]["ours"]) > 60
