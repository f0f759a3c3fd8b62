"""The whole way by command, with nothing faked: label, train, judge, then windows of a video."""

import csv
import json

import numpy as np
import pytest

from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE
from data_prep import build, label
from data_prep.labelling import classify, project
from tests.data_prep import making

WORDS = {"joy": "嬉しい happy たのしい", "fear": "怖い scary こわい", "": "今日 today scene"}
QUICK = [
    "--config.model.buckets=4096", "--config.examples.slots=64", "--config.train.batch=32",
    "--config.train.steps=60", "--config.train.evaluate_every=20",
    "--config.train.tensorboard=False",
]  # fmt: skip


def comments(count):
    """(text, emotion or "") in two languages."""
    rng = np.random.default_rng(0)
    kinds = [list(WORDS)[i % 3] for i in range(count)]
    return [(f"{rng.choice(WORDS[kind].split())} {rng.choice(list('abcdefgh'))}{i}", kind)
            for i, kind in enumerate(kinds)]  # fmt: skip


def answer(queue, truth):
    rows = list(csv.DictReader(queue.open(newline="")))
    for row in rows:
        row |= {e: int(truth[row["text"]] == e) for e in ("joy", "fear")} | {"annotator": "anna"}
    with queue.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@pytest.mark.slow
def test_from_comments_to_distributions(tmp_path, capsys):
    truth = dict(comments(240))
    table = tmp_path / "c.csv"
    table.write_text("text\n" + "\n".join(truth), encoding="utf-8")
    folder = tmp_path / "p"
    words = [f"--project={folder}"]
    start = ["start", *words, f"--comments={table}", "--emotions=joy,fear"]
    assert label.main(start) == COMPLETE
    assert label.main(["ask", *words, "--count=120"]) == COMPLETE
    answer(folder / "queue-00.csv", truth)
    assert label.main(["read", *words, f"--answers={folder}/queue-00.csv"]) == COMPLETE
    assert label.main(["round", *words, *QUICK]) == COMPLETE
    said = capsys.readouterr().out
    assert "round 1" in said and said.count("accepted as yes") == said.count("held out") == 2
    found = project.load(folder)
    model = [entry for entry in found.ledger if entry.get("by") == "model"]
    right = [truth[found.comments[e["id"]].text] == e["emotion"] for e in model if e["value"]]
    assert len(model) > 100 and np.mean(right) > 0.9
    export = folder / "rounds" / "01" / "run" / "export"
    assert found.ledger[-1]["round"] == 1
    about = json.loads((export / "config.json").read_text())
    assert about["config"]["examples"]["values"] == ["joy", "fear"]

    loaded = classify.load([str(export)])
    one = loaded[0].predict(records.open_dataset(folder / "rounds/01/corpus").split("test")[0])
    said = ["happy a1", "怖い b2", "happy a1"]
    p = classify.probabilities(loaded, said)
    assert p.shape == (3, 2) and (p[0] == p[2]).all() and one["probability"].shape == (1, 2)
    assert p[0, 0] > 0.5 > p[0, 1] and p[1, 1] > 0.5 > p[1, 0]
    assert classify.probabilities(loaded, []).shape == (0, 2)

    videos = tmp_path / "v"
    for i in range(4):
        making.video(videos / f"v{i}.mp4", 6.0, i)
        rows = [("happy a", 0.2), ("happy b", 1), ("怖い c", 2), ("today d", 3), ("happy e", 4)]
        (videos / f"v{i}.csv").write_text(
            "time,text\n" + "\n".join(f"{t},{text}" for text, t in rows)
        )
    argv = ["danmaku_ldl", f"--videos={videos}", f"--out={tmp_path}/d", "--tokeniser=whitespace",
            f"--extractors={making.EXTRACTOR}", "--workers=1",
            '--options={"least": 3}']  # fmt: skip
    assert build.main([*argv, f"--classifiers={export}"]) == COMPLETE
    dataset = records.open_dataset(tmp_path / "d")
    assert dataset.spec.distribution_names == ("joy", "fear")
    rows = dataset.split("train")[0]["distribution"]
    np.testing.assert_allclose(rows[0], [0.75, 0.25], rtol=1e-6)
    assert np.isnan(rows[1]).all()
    assert dataset.metadata["classifiers"]["digest"] == classify.digest(loaded)
    assert build.main([*argv, f"--classifiers={tmp_path}"]) == BAD_INPUT
