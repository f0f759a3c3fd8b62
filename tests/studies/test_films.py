"""The films study: moving averages as in testing, and one walk through all of it at a tiny size."""

import csv

import numpy as np
import pytest

from affectjax import assemble, films
from affectjax.data import load, sample_films
from tests.studies import films as study

TINY = {
    "train.steps": 2, "train.evaluate_every": 1, "train.checkpoint_every": 2, "train.batch": 8,
    "train.patience": 0, "train.tensorboard": False, "data.validation": 0.25, "model.hidden": 2,
    "model.width": 2, "model.inter_hidden": 2, "model.layers": 1, "model.inter_layers": 1,
}  # fmt: skip


def test_averages_of_a_table_are_those_of_the_model(tmp_path):
    rng = np.random.default_rng(0)
    y, truth = rng.random((6, 1)), rng.random((6, 10, 1))
    rows = [("a", k) for k in range(4)] + [("b", k) for k in range(2)]
    with open(tmp_path / "rows.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "group", "prediction_arousal", "truth_arousal"])
        for i, (film, k) in enumerate(rows):
            for second in range(10):
                table.writerow([films.clip_id(film, k), film, y[i, 0], truth[i, second, 0]])
    found = study.averaged(tmp_path / "rows.csv")
    smooth = np.concatenate([films.moving_average(y[:4], 0.98), films.moving_average(y[4:], 0.98)])
    error = np.square(smooth[:, None] - truth).mean()
    assert found["moving average 0.98"]["mse"] == pytest.approx(error)
    assert set(found) == {study.AVERAGE.format(beta) for beta in study.BETAS}


@pytest.fixture
def sizes(monkeypatch) -> dict[str, str]:
    """A few short films in every world."""
    few = sample_films.Size(sample_films.NARROW, (3, 5), {"train": 4, "test": 2})
    monkeypatch.setitem(sample_films.SIZES, "tiny", few)
    return dict.fromkeys(study.WORLDS, "tiny")


def pretended(workdir, config, start=None) -> dict:
    """What training leaves, without any: scores, and predictions that are the truth and a bit."""
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "trained").touch()
    if config.model.outputs == ("arousal",):
        rule = assemble.examples(config, None).single()
        part = rule.into_clips(load.load(dir=config.data.dir).parts["test"])
        with open(workdir / "predictions_test.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "group", "prediction_arousal", "truth_arousal"])
            for clip in (part[i] for i in range(len(part))):
                for value in clip["values"][:, 1]:
                    table.writerow([clip["id"], clip["group"], clip["start"] / 100, value])
    metrics = {score: len(config.model.modalities) / 10 for score in study.SCORES}
    return {"export": str(workdir / "export"), "exported_step": 1, "metrics": metrics,
            "validation": {"loss/target": 1.0}}  # fmt: skip


def test_every_question_of_every_world_gets_its_answer(tmp_path, sizes, monkeypatch):
    monkeypatch.setattr(study, "trained", pretended)
    table = [row for found in study.rows(tmp_path, 2, TINY, sizes) for row in found]
    text = study.show(table)
    asked = 0
    for world, questions in study.QUESTIONS.items():
        arms = {(row["arm"], row["value"]) for row in table if row["world"] == world}
        for first, others in questions:
            values = [value for value in sample_films.VALUES if (first, value) in arms]
            both = ["valence"] if world == study.THIN else ["valence", "arousal"]
            assert values == {study.FUSION: both, study.ACROSS: ["valence"],
                              study.SMOOTH: ["arousal"]}[first, others]  # fmt: skip
            assert all((other, value) in arms for other in others for value in values)
            asked += len(others) * len(values)
        assert {(n, v) for n in ("observer", "linear probe", "training mean")
                for v in {value for _, value in arms}} <= arms  # fmt: skip
    assert text.count("leads by") == asked * len(study.SCORES)
    place = tmp_path / "as_planted/1/valence/chain"
    assert len([*place.rglob("trained")]) == 7 and (place / "seed-1/trained").exists()


@pytest.mark.slow
def test_a_world_is_really_trained(tmp_path, sizes):
    (table,) = study.rows(tmp_path, 1, TINY, sizes, (study.APART,))
    scores = {(row["arm"], row["value"]): row["mse"] for row in table}
    assert all(0 < mse < 1 for mse in scores.values())
    assert scores["across 4 clips", "valence"] != scores["each clip by itself", "valence"]
    assert scores["moving average 0.98", "arousal"] != scores["each clip by itself", "arousal"]
