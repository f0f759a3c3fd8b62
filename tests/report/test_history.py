"""Workdirs in any state: what is read of them, and what is said where they cannot be read."""

import json
import math

import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.report import history, overview, runs
from tests.report import workdirs


def log(folder, rows, tail: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)


def train(step: int, **values) -> dict:
    return {"step": step, "split": "train", **values}


def test_a_log_is_read_by_part_and_metric_and_null_is_undefined(tmp_path):
    log(tmp_path, [train(5, loss=2.0), {"step": 5, "split": "validation", "pcc": None},
                   train(10, loss=1.5)])  # fmt: skip
    found = history.curves(tmp_path / "metrics.jsonl")
    steps, values = found["train"]["loss"]
    assert steps.tolist() == [5, 10] and values.tolist() == [2.0, 1.5]
    assert math.isnan(found["validation"]["pcc"][1][0])


def test_a_line_still_being_written_is_left_out_and_a_damaged_one_is_named(tmp_path):
    log(tmp_path, [train(5, loss=2.0)], tail='{"step": 10, "spl')
    assert history.curves(tmp_path / "metrics.jsonl")["train"]["loss"][0].tolist() == [5]
    for bad in ("{]", '{"split": "train"}', "[1]", '{"step": 1, "split": "train", "loss": "x"}'):
        log(tmp_path, [train(5, loss=2.0)], tail=bad + "\n" + json.dumps(train(10)) + "\n")
        with pytest.raises(UserError, match="damaged.*metrics.jsonl, line 2"):
            history.curves(tmp_path / "metrics.jsonl")


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"metrics": {"top1": "x"}}', '{"metrics": {"a": {}}}',
     '{"metrics": {}, "steps": "x"}'],
)  # fmt: skip
def test_a_result_of_no_numbers_is_damaged(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        runs.read_result(tmp_path / "result.json")


def test_an_unfinished_run_says_how_far_it_has_come(tmp_path):
    config = {"train.steps": 0, "train.epochs": 8.0, "recipe.times": 1}
    workdirs.write(tmp_path / "w", "small", {})
    workdirs.dump(tmp_path / "w" / "config.json", config)
    (each,) = history.read([tmp_path / "w"])
    assert (each.name, each.state, each.total) == ("tam_finetune:small", "step 0", None)
    log(tmp_path / "w", [train(50, epoch=1.25)])
    (each,) = history.read([tmp_path / "w"])
    assert (each.state, each.dataset) == ("step 50 of 320", None)
    workdirs.dump(tmp_path / "w" / "config.json", config | {"train.steps": 99})
    assert history.read([tmp_path / "w"])[0].state == "step 50 of 99"


def test_repetitions_are_one_experiment_in_the_order_of_their_numbers(tmp_path):
    runs = {f"seed-{i}": {"metrics": {"accuracy": i / 20}} for i in range(11)}
    workdirs.write(tmp_path / "w", "ek6", runs, times=12)
    (each,) = history.read([tmp_path / "w"])
    assert [training.name for training in each.trainings] == list(runs)
    assert each.state == "11 of 12 runs finished"
    found = overview.scores(each)["accuracy"]
    assert found.interval.mean == pytest.approx(np.mean(range(11)) / 20)
    assert (found.runs, found.spread) == (11, "11 seeds")


def test_stages_of_a_chain_stand_alone_each_with_its_seeds(tmp_path):
    names = [f"seed-{i}{stage}" for i in (0, 1) for stage in ("", "/stages/alone-audio")]
    runs = {name: {"metrics": {"pcc": 0.1 * i}} for i, name in enumerate(names)}
    exported = {"model": {"modalities": {"audio": 16}}}
    workdirs.write(tmp_path / "w", "valence", runs, config="lstc", exported=exported, times=2)
    workdirs.dump(tmp_path / "w" / "config.json", {"recipe.times": 2, "model.modalities.audio": 8})
    last, stage = history.read([tmp_path / "w"])
    assert (last.name, stage.name) == ("lstc:valence", "lstc:valence stages/alone-audio")
    assert [sorted(name for _, name in each.runs) for each in (last, stage)] == [
        ["seed-0", "seed-1"], ["seed-0", "seed-1"]
    ]  # fmt: skip
    assert overview.scores(stage)["pcc"].interval.mean == pytest.approx(0.2)
    assert [each.config["model.modalities.audio"] for each in (last, stage)] == [8, 16]
    assert {each.state for each in (last, stage)} == {"complete"}


def test_two_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for name in ("a", "b"):
        workdirs.write(tmp_path / name, "small", {"": {"metrics": {}}})
    names = [each.name for each in history.read([tmp_path / "a", tmp_path / "b"])]
    assert names == [f"tam_finetune:small ({tmp_path / name})" for name in ("a", "b")]


def test_an_export_is_no_workdir(tmp_path):
    workdirs.write(tmp_path / "w", "", {"": {"metrics": {}}})
    with pytest.raises(UserError, match="not a workdir"):
        history.read([tmp_path / "w" / "export"])


def test_groups_hold_no_more_than_can_be_told_apart(tmp_path):
    for i in range(9):
        workdirs.write(tmp_path / f"w{i}", f"v{i}", {"": {"metrics": {}}})
    workdirs.write(tmp_path / "x", "", {"": {"metrics": {}}}, ("other", "d2"))
    workdirs.write(tmp_path / "y", "", {"": {"metrics": {}}}, config="cten")
    workdirs.write(tmp_path / "z", "not_finished", {})
    found = history.read(sorted(tmp_path.iterdir()))
    groups = [[each.number for each in group] for group in overview.groups(found)]
    assert groups == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 12], [10], [11]]


def test_the_interval_of_one_run_is_over_groups_and_only_of_its_own_numbers(tmp_path):
    random = np.random.default_rng(0)
    label = random.integers(3, size=60)
    scores = random.random((60, 3)) + 0.4 * np.eye(3)[label]
    run = workdirs.of_classes(scores, label, ("joy", "fear", "anger"))
    run |= {"ids": [f"c{i}" for i in range(60)], "groups": [f"g{i // 5}" for i in range(60)]}
    run["metrics"]["map@0.1"] = 0.25
    workdirs.write(tmp_path / "w", "", {"": run})
    (each,) = history.read([tmp_path / "w"])
    found = overview.scores(each, draws=100)
    assert found["accuracy"].spread == "12 groups"
    low, high = found["accuracy"].interval[1:]
    assert low < found["accuracy"].interval.mean < high
    assert math.isnan(found["map@0.1"].interval.low) and found["map@0.1"].interval.mean == 0.25
    names, counts = overview.confusions(each)
    assert names == ("joy", "fear", "anger") and counts.sum() == 60
    assert counts.trace() / 60 == pytest.approx(found["accuracy"].interval.mean)
    assert overview.families({1: found}) == {"accuracy": ["joy", "fear", "anger"]}
