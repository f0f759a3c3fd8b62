"""Rounds of labelling by command: queue, answers, thresholds, ledger, and what is wrong."""

import csv
import json
import pathlib

import numpy as np
import pytest

from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from data_prep import label
from data_prep.labelling import answers, classify, project, rounds

EMOTIONS = ("joy", "fear")
SAID = {f"c/{i}": f"comment {i} {'happy' if i % 3 == 0 else 'scary' if i % 3 == 1 else 'plain'}"
        for i in range(60)}  # fmt: skip


def truth(text: str) -> dict[str, int]:
    return {"joy": int("happy" in text), "fear": int("scary" in text)}


@pytest.fixture
def begun(tmp_path):
    """A project of sixty comments and a first queue of twelve."""
    table = tmp_path / "c.csv"
    table.write_text("id,text\n" + "".join(f"{name},{text}\n" for name, text in SAID.items()))
    folder = tmp_path / "p"
    words = [f"--project={folder}"]
    start = ["start", *words, f"--comments={table}", "--emotions=joy,fear"]
    assert label.main(start) == COMPLETE
    assert label.main(["ask", *words, "--count=12"]) == COMPLETE
    return folder


def fill(path: pathlib.Path, annotator: str, lie=lambda name, emotion: False) -> pathlib.Path:
    """The queue's table, filled in by somebody who knows the truth, and lies now and then."""
    rows = list(csv.DictReader(path.open(newline="")))
    for row in rows:
        said = truth(row["text"])
        row |= {e: abs(said[e] - lie(row["id"], e)) for e in EMOTIONS} | {"annotator": annotator}
    out = path.with_name(f"{path.stem}-{annotator}.csv")
    with out.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return out


def read(folder, *files) -> int:
    return label.main(["read", f"--project={folder}", "--answers=" + ",".join(map(str, files))])


class Fake:
    """Classifiers whose probabilities a test writes down, by the text's first emotional word."""

    def __init__(self, table):
        self.table = table
        self.about = {"files": {"model.safetensors": "feed" * 16}}
        self.config = type("C", (), {"model": type("M", (), {"outputs": EMOTIONS})})


@pytest.fixture
def sure(monkeypatch):
    """Judgements of joy and fear by the last word; 0.8 is the threshold itself."""
    table = {"happy": (0.9, 0.1), "scary": (0.3, 0.6), "plain": (0.05, 0.8)}

    def found(exports, texts):
        return np.array([table[text.split()[-1]] for text in texts], np.float32)

    monkeypatch.setattr(classify, "probabilities", found)
    return [Fake(table)]


def test_people_then_a_model_then_people(begun, sure, capsys):
    queue = begun / "queue-00.csv"
    assert read(begun, fill(queue, "anna"), fill(queue, "bo")) == COMPLETE
    assert "Krippendorff's alpha 1.000, Fleiss' kappa 1.000 on 12" in capsys.readouterr().out
    found = project.load(begun)
    people = {name for name in SAID if found.by_people(name)}
    assert len(people) == 12
    outcome = rounds.judge(found, sure)
    for name, text in SAID.items():
        if name in people:
            continue
        label_of = {e: outcome.project.labels.get((name, e)) for e in EMOTIONS}
        kind = text.split()[-1]
        if kind == "happy":  # above 0.8 and below 0.4: both accepted
            assert [label_of[e].value for e in EMOTIONS] == [1, 0]
            assert label_of["joy"].by == "model" and label_of["joy"].p == pytest.approx(0.9)
        else:  # one emotion accepted, the other asked; 0.8 itself is not above 0.8
            assert label_of["joy"].value == 0 and label_of["fear"] is None
    unsure = {n for n, text in SAID.items() if n not in people and "happy" not in text}
    assert set(outcome.asked) == unsure and outcome.project.round == 1
    told = outcome.accepted
    assert told["fear"] == (0, 48 - len(unsure)) and sum(told["joy"]) == 48
    rows = {row["id"]: row for row in csv.DictReader((begun / "queue-01.csv").open(newline=""))}
    assert set(rows) == unsure
    row = rows[sorted(unsure)[0]]
    assert row["joy"] == "0" and row["fear"] == "" and float(row["p:fear"]) in (0.6, 0.8)
    assert read(begun, fill(begun / "queue-01.csv", "cy")) == COMPLETE
    after = project.load(begun)
    assert not any(after.undecided(name) for name in SAID)
    right = [after.value(n, e) == truth(t)[e] for n, t in SAID.items() for e in EMOTIONS]
    assert all(right)
    entries = [entry for entry in after.ledger if entry.get("id") == "c/0"]
    assert {entry["by"] for entry in entries} <= {"people", "model"} and entries
    assert label.main(["status", f"--project={begun}"]) == COMPLETE


def test_a_round_says_how_far_its_classifiers_can_be_trusted(begun, sure):
    sure[0].about |= {"metrics": {"balanced_accuracy/joy": 0.55, "count/joy": 20.0,
                                  "balanced_accuracy/fear": None, "count/fear": 20.0}}  # fmt: skip
    outcome = rounds.judge(project.load(begun), sure)
    assert outcome.held_out == {"joy": (0.55, 20)}
    doubtful = "; balanced accuracy 0.55 on 20 held out: little better than guessing"
    assert label._held_out(outcome, "joy") == doubtful
    assert label._held_out(outcome, "fear") == "; no held-out comments say how well"


def test_a_corpus_holds_people_out_and_learns_from_the_model(begun, sure, tmp_path):
    read(begun, fill(begun / "queue-00.csv", "anna"))
    found = rounds.judge(project.load(begun), sure).project
    rows = {row.id: row for row in rounds.labelled(found)}
    for name, row in rows.items():
        if not found.by_people(name):
            assert row.split == "train"
    assert len(rows) == 60 and rows == {r.id: r for r in rounds.labelled(project.load(begun))}
    half = next(row for row in rows.values() if len(row.marks) == 1)
    assert half.marks == (("joy", 0.0),)  # of fear nobody knows
    out = tmp_path / "corpus"
    assert label.main(["corpus", f"--project={begun}", f"--out={out}"]) == COMPLETE
    dataset = records.open_dataset(out)
    assert sum(dataset.splits.values()) == 60 and dataset.spec.value_names == EMOTIONS


def test_most_people_decide_and_divided_ones_are_asked_again(begun, sure):
    queue = begun / "queue-00.csv"
    first = sorted(row["id"] for row in csv.DictReader(queue.open(newline="")))[0]

    def lie(name, emotion):
        return name == first and emotion == "joy"

    read(begun, fill(queue, "anna"), fill(queue, "bo", lie))
    found = project.load(begun)
    assert found.value(first, "joy") is None and found.labels[first, "joy"].by == "people"
    outcome = rounds.judge(found, sure)
    assert first in outcome.asked  # though the classifier is sure
    read(begun, fill(queue, "cy"))
    after = project.load(begun)
    assert after.value(first, "joy") == truth(SAID[first])["joy"]
    assert after.labels[first, "joy"].answers.keys() == {"anna", "bo", "cy"}
    told = [entry for entry in after.ledger if entry.get("event") == "answers"]
    assert 0 < told[0]["agreement"]["joy"]["alpha"] < 1
    joint = told[1]["agreement"]["joy"]  # cy's file held one answer each, but cy is the third
    assert joint["items"] == 12 and told[0]["agreement"]["joy"]["alpha"] < joint["alpha"] < 1


def test_answers_are_taken_once(begun, capsys):
    filled = fill(begun / "queue-00.csv", "anna")
    assert read(begun, filled) == COMPLETE
    before = (begun / project.LEDGER).read_bytes()
    assert read(begun, filled) == COMPLETE
    assert "0 are new" in capsys.readouterr().out
    assert (begun / project.LEDGER).read_bytes().startswith(before)
    other = fill(begun / "queue-00.csv", "anna", lambda name, emotion: emotion == "joy")
    assert read(begun, other) == BAD_INPUT
    assert "anna said" in capsys.readouterr().err


def test_label_studio_there_and_back(begun, sure):
    read(begun, fill(begun / "queue-00.csv", "anna"))
    rounds.judge(project.load(begun), sure)
    tasks = json.loads((begun / "queue-01.json").read_text())
    likely = tasks[0]["predictions"][0]["result"][0]["value"]["choices"]
    assert likely == [] and tasks[0]["data"]["text"] == SAID[tasks[0]["data"]["id"]]
    assert '<Choice value="joy"/>' in (begun / "label_config.xml").read_text()
    for number, task in enumerate(tasks, 1):
        chosen = [e for e, yes in truth(task["data"]["text"]).items() if yes]
        choices = {"from_name": "emotions", "to_name": "text", "type": "choices",
                   "value": {"choices": chosen}}  # fmt: skip
        gone = {"completed_by": 9, "was_cancelled": True, "result": []}
        task |= {"id": number, "annotations": [
            {"completed_by": 7, "result": [choices] if chosen else []},
            {"completed_by": {"id": 8, "email": "b@example.org"}, "result": [choices]},
            gone,
        ]}  # fmt: skip
    exported = begun / "export.json"
    exported.write_text(json.dumps(tasks))
    assert read(begun, exported) == COMPLETE
    after = project.load(begun)
    assert all(after.value(t["data"]["id"], e) == truth(t["data"]["text"])[e]
               for t in tasks for e in EMOTIONS)  # fmt: skip
    one = after.labels[tasks[0]["data"]["id"], "fear"]
    assert set(one.answers) == {"person-7", "person-8"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "id,joy\nnobody,1\n", "no comment 'nobody'"),
        ("a.csv", "id,jox\nc/0,1\n", "'jox' is no emotion.*'joy'"),
        ("a.csv", "id,joy\nc/0,maybe\n", "'maybe' is no mark .*line 2"),
        ("a.csv", "id,joy\nc/0,1\nc/0,0\n", "answers 'c/0' twice"),
        ("a.csv", "id,joy\nc/0\n", "1 cells, the header 2"),
        ("a.csv", "text,joy\nx,1\n", "no column id"),
        ("a.csv", "id,joy\nc/0,\n", "no answer in it"),
        ("a.json", '[{"data": ', "JSON is broken"),
        ("a.json", '{"tasks": []}', "no list of tasks"),
        ("a.json", '[{"data": {"id": "c/0"}}]', "task 1 is not as Label Studio"),
        (
            "a.json",
            '[{"data": {"id": "c/0"}, "annotations": [{"result": [{"from_name": "emotions", '
            '"value": {"choices": ["envy"]}}]}]}]',
            "'envy' is no emotion",
        ),
    ],
)
def test_bad_answers_are_named_and_change_nothing(begun, name, text, says):
    path = begun / name
    path.write_text(text)
    before = (begun / project.LEDGER).read_bytes()
    with pytest.raises(UserError, match=says):
        answers.read(path, project.load(begun))
    assert read(begun, path) == BAD_INPUT
    assert (begun / project.LEDGER).read_bytes() == before


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_answers_in_the_encodings_of_spreadsheets(begun, encoding):
    path = begun / "a.csv"
    path.write_bytes("id;text;annotator;joy\nc/0;开心极了，真的很好看;安娜;1\n".encode(encoding))
    assert answers.read(path, project.load(begun)) == [("c/0", "joy", "安娜", 1)]


def test_a_project_is_guarded(begun, tmp_path, capsys):
    words = ["start", f"--project={begun}", f"--comments={tmp_path}/c.csv", "--emotions=joy"]
    assert label.main(words) == BAD_INPUT and "not empty" in capsys.readouterr().err
    for change, says in (("--low=0.9", "thresholds"), ("--emotions=joy,joy", "emotions cannot")):
        fresh = [*words[:1], f"--project={tmp_path}/q", *words[2:], change]
        assert label.main(fresh) == BAD_INPUT and says in capsys.readouterr().err
    assert not (tmp_path / "q").exists()
    assert label.main(["round", f"--project={begun}"]) == BAD_INPUT
    assert "labelled no comment yet" in capsys.readouterr().err
    for argv, says in (
        (["rond"], "no step"),
        (["ask"], "--project"),
        (["ask", "--x=1"], "no flag"),
    ):
        assert label.main(argv) == BAD_INPUT and says in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    for argv, says in (
        ([f"--project={tmp_path / 'file'}"], "a file of that name"),
        ([f"--project={tmp_path / 'q'}", '--options={"neutral": 5}'], "neutral cannot be 5"),
    ):
        assert label.main([words[0], *words[2:], *argv]) == BAD_INPUT
        assert says in capsys.readouterr().err
    assert label.main(["ask", f"--project={begun}", "--seed=-1"]) == BAD_INPUT
    assert "--seed is at least 0" in capsys.readouterr().err
    (begun / project.COMMENTS).write_text("id,text,group\n")
    assert label.main(["status", f"--project={begun}"]) == BAD_INPUT
    assert "not as it was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (project.PROJECT, "[]"),
        (project.PROJECT, '{"format": 1}'),
        (project.LEDGER, "1\n"),
        (project.LEDGER, '{"id": "c/0"}\n'),
        (project.LEDGER, '{"id": "c/0", "emo'),
    ],
)
def test_a_damaged_project_is_said(begun, name, text):
    (begun / name).write_text(text)
    with pytest.raises(UserError, match="not as it was written|damaged"):
        project.load(begun)


def test_labels_that_came_with_the_comments_are_kept(tmp_path):
    (tmp_path / "c.csv").write_text("text,label\nhaha,joy\nboo,fear\nwell,\nhm,none\n")
    found = rounds.start(tmp_path / "p", [str(tmp_path / "c.csv")], EMOTIONS, 0.8, 0.4, {})
    assert found.value("c/0", "joy") == 1 and found.value("c/3", "fear") == 0
    assert found.labels["c/1", "fear"].by == "file"
    assert found.undecided("c/2") == list(EMOTIONS)
