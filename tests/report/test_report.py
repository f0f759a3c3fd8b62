"""The command: workdirs go in, the paper's tables come out, and what is wrong is one line."""

import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from affectjax import intervals
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from affectjax.report import measure, predictions
from affectjax.report.__main__ import main
from tests.report import workdirs

ROOT = pathlib.Path(__file__).parents[2]


def accuracies(runs: dict) -> np.ndarray:
    return np.array([run["metrics"]["accuracy"] for run in runs.values()])


def report(capsys, *words) -> str:
    assert main(["--paper=tam", *map(str, words)]) == COMPLETE
    return capsys.readouterr().out


def refused(capsys, *words) -> str:
    assert main(["--paper=tam", *map(str, words)]) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def rows(path, **where) -> list[dict]:
    with open(path, newline="") as file:
        found = list(csv.DictReader(file))
    return [row for row in found if all(row[key] == value for key, value in where.items())]


def section(text: str, table: str, column: str) -> list[list[str]]:
    """The cells of one section of the Markdown."""
    text = text.split(f"## Table {table}:")[1].split("\n## ")[0]
    text = text.split(f"### {column}\n")[1].split("\n### ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr(measure, "DRAWS", 150)


@pytest.fixture
def two(tmp_path):
    """The main row and one fusion on ten splits of VideoEmotion-8."""
    random = np.random.default_rng(1)
    runs = {"scratch": workdirs.ten_splits(random, 0.6), "joint": workdirs.ten_splits(random, 0.4)}
    folders = [workdirs.write(tmp_path / name, f"ve8,{name}", runs[name]) for name in runs]
    return runs, folders


def test_without_a_run_every_cell_says_what_is_missing(capsys):
    text = report(capsys)
    assert text.count("\n### ") == 16
    main_row = next(
        row for row in section(text, "6", "MediaEval 2016 arousal, MSE") if "**TAM**" in row
    )
    assert main_row[1:3] == ["`me16_arousal`", "0.754"] and "needs MediaEval 2016" in main_row
    constant = section(text, "6", "MediaEval 2016 arousal, MSE")[-1]
    assert constant[0] == "always 3.3" and "0.6159" in constant
    assert ["CFN", "", "50.60", "-6.93", "literature, not rerun", ""] in section(
        text, "5", "VE-8, accuracy (%)"
    )


def test_ten_splits_fill_their_row_in_every_table(capsys, two, tmp_path):
    runs, folders = two
    text = report(capsys, *folders, f"--out={tmp_path / 'out'}")
    assert (tmp_path / "out" / "tables.md").read_text() == text
    ours, joint = (100 * accuracies(runs[name]) for name in ("scratch", "joint"))
    found = {row["row"]: row for row in rows(tmp_path / "out" / "tables.csv", table="2")
             if row["column"].startswith("VE-8")}  # fmt: skip
    cell = found["Joint attention"]
    assert (cell["runs"], cell["over"], cell["printed"]) == ("10", "10 splits", "54.12")
    assert cell["paper"] == "tam"
    assert cell["config"] == "configs/tam_finetune.py:ve8,joint"
    expected = intervals.over_splits(joint, 0.5)
    assert [float(cell[k]) for k in ("ours", "low", "high")] == pytest.approx(expected, rel=1e-6)
    expected = intervals.over_splits(joint - ours, 0.5)
    keys = ("less_main", "less_main_low", "less_main_high")
    assert [float(cell[k]) for k in keys] == pytest.approx(expected, rel=1e-6)
    assert float(cell["printed_less_main"]) == pytest.approx(-1.92)
    assert found["Cross-temp multimodal"]["less_main"] == ""
    assert (cell["parameters"], cell["flops"]) == ("16", "")  # the state is no parameter
    assert found["MulT"]["ours"] == ""
    everywhere = rows(tmp_path / "out" / "tables.csv", kind="ours", runs="10")
    assert sorted((row["table"], row["row"]) for row in everywhere) == [
        ("1", "Image, Motion, Audio"), ("2", "Cross-temp multimodal"), ("2", "Joint attention"),
        ("4", "No pre-training"), ("5", "TAM w/o TSC"),
    ]  # fmt: skip
    assert "no finished run" in [row for row in section(text, "2", "VE-8, accuracy (%)")
                                 if row[0] == "MulT"][0]  # fmt: skip
    values = rows(
        tmp_path / "out" / "runs.csv", table="2", row="Joint attention", metric="macro_f1"
    )
    assert {row["run"]: float(row["value"]) for row in values} == pytest.approx(
        {name: run["metrics"]["macro_f1"] for name, run in runs["joint"].items()}
    )
    counts = rows(tmp_path / "out" / "confusion.csv", table="2", row="Joint attention")
    assert len(counts) == 64 and sum(int(row["count"]) for row in counts) == 10 * 30
    hits = sum(int(row["count"]) for row in counts if row["label"] == row["chosen"])
    assert hits / 300 == pytest.approx(joint.mean() / 100)


def test_seeds_on_one_test_set(capsys, tmp_path):
    random = np.random.default_rng(2)
    runs = {f"seed-{i}": {"metrics": {"accuracy": float(random.random())}} for i in range(5)}
    workdirs.write(tmp_path / "w", "ek6", runs, ("ekman6", "d"), times=7)
    report(capsys, tmp_path / "w", f"--out={tmp_path / 'out'}")
    cell = rows(tmp_path / "out" / "tables.csv", table="3", row="emotional words", runs="5")[0]
    expected = intervals.over_seeds(100 * accuracies(runs))
    assert [float(cell[k]) for k in ("ours", "low", "high")] == pytest.approx(expected, rel=1e-6)
    assert cell["column"].startswith("YF-6") and cell["over"] == "5 seeds"
    assert "5 of 7 runs finished" in (tmp_path / "out" / "tables.md").read_text()


def films(random, constant=False):
    """One run of MediaEval 2016: 120 clips of twelve films."""
    truth = random.normal(size=(120, 1)) + np.repeat(random.normal(size=12), 10)[:, None]
    guess = np.full_like(truth, 3.3) if constant else truth + random.normal(size=truth.shape)
    ids = [f"clip{i}" for i in range(120)]
    groups = [f"film{i // 10}" for i in range(120)]
    return workdirs.of_values(guess, truth, ("arousal",)) | {"ids": ids, "groups": groups}


def test_films_are_drawn_again_and_differences_are_paired_by_clip(capsys, tmp_path):
    truth = films(np.random.default_rng(3))
    runs = {}
    for name, noise in (("me16_arousal", 0.5), ("me16_arousal,scratch", 1.5)):
        random = np.random.default_rng(4)
        facts = truth["columns"]["truth_arousal"][:, None]
        guesses = [facts + noise * random.normal(size=facts.shape) for _ in range(2)]
        runs[name] = {
            f"seed-{i}": truth | workdirs.of_values(guess, facts, ("arousal",))
            for i, guess in enumerate(guesses)
        }
        workdirs.write(tmp_path / name, name, runs[name], ("liris_accede_2016", "d"))
    report(capsys, *(tmp_path / name for name in runs), f"--out={tmp_path / 'out'}")
    column = "MediaEval 2016 arousal, PCC"
    found = {row["row"]: row for row in rows(tmp_path / "out" / "tables.csv", column=column)}
    both = [np.mean([run["metrics"]["pcc"] for run in side.values()]) for side in runs.values()]
    assert found["TAM"]["over"] == "12 groups" and found["TAM"]["runs"] == "2"
    assert float(found["TAM"]["ours"]) == pytest.approx(both[0])
    cell = found["TAM w/o TSC"]
    assert float(cell["less_main"]) == pytest.approx(both[1] - both[0])
    low, high = float(cell["less_main_low"]), float(cell["less_main_high"])
    assert low < both[1] - both[0] < high < 0
    # Paired, the films' own difficulty is gone: narrower than either side alone would be.
    alone = [float(found[n]["high"]) - float(found[n]["low"]) for n in ("TAM", "TAM w/o TSC")]
    assert high - low < np.hypot(*alone)


def test_a_constant_has_an_error_and_an_undefined_correlation(capsys, tmp_path):
    run = films(np.random.default_rng(5), constant=True)
    workdirs.write(tmp_path / "w", "me16_arousal", {"seed-0": run}, ("mediaeval2016", "d"))
    text = report(capsys, tmp_path / "w")
    (cell,) = [r for r in section(text, "6", "MediaEval 2016 arousal, PCC") if r[0] == "**TAM**"]
    assert "undefined" in cell
    assert "undefined in 1 of 1 runs, where it predicts a constant" in cell
    (cell,) = [r for r in section(text, "6", "MediaEval 2016 arousal, MSE") if r[0] == "**TAM**"]
    assert f"{run['metrics']['mse']:.3f}" in cell


def test_the_sample_has_sections_of_its_own_and_never_a_cell_of_the_paper(capsys, tmp_path):
    random = np.random.default_rng(6)
    lead = []
    for corpus in range(3):
        accuracy = {}
        for variant in ("scratch", "joint"):
            runs = {f"seed-{i}": {"metrics": {"accuracy": float(random.random())}} for i in (0, 1)}
            accuracy[variant] = 100 * accuracies(runs).mean()
            workdirs.write(
                tmp_path / f"{variant}{corpus}", f"{variant},small", runs,
                ("sample", f"digest{corpus}"), {"data.sample_seed": corpus},
            )  # fmt: skip
        lead.append(accuracy["joint"] - accuracy["scratch"])
    report(capsys, tmp_path, f"--out={tmp_path / 'out'}")
    cells = rows(tmp_path / "out" / "tables.csv", table="2", row="Joint attention")
    assert [cell["ours"] for cell in cells[:2]] == ["", ""]
    (cell,) = [cell for cell in cells if cell["column"] == "sample, accuracy (%)"]
    assert (cell["over"], cell["runs"], cell["printed"]) == ("3 corpora", "6", "")
    expected = intervals.over_seeds(lead)
    keys = ("less_main", "less_main_low", "less_main_high")
    assert [float(cell[k]) for k in keys] == pytest.approx(expected, rel=1e-6)


def test_another_method_under_the_same_variants_is_a_line_of_its_own(capsys, two, tmp_path):
    runs = {"split-0": {"metrics": {"accuracy": 0.5}}}
    workdirs.write(tmp_path / "more", "ve8,joint", runs, overrides={"model.layers": 2})
    workdirs.write(tmp_path / "less", "ve8,joint,small", runs)
    text = report(capsys, *two[1], tmp_path / "more", tmp_path / "less")
    found = {row[0]: row for row in section(text, "2", "VE-8, accuracy (%)")}
    assert "50.00" in found["Joint attention, with model.layers=2"]
    assert "50.00" in found["Joint attention, with small"]
    assert "10 splits" in found["Joint attention"]


def test_settings_that_all_runs_share_are_said_once(capsys, tmp_path):
    random = np.random.default_rng(12)
    for name, more in (("scratch", {}), ("joint", {}), ("divide", {"model.layers": 2})):
        runs = workdirs.ten_splits(random, 0.5)
        given = {"train.batch": 4, "train.seed": 3, **more}
        workdirs.write(tmp_path / name, f"ve8,{name}", runs, overrides=given)
    text = report(capsys, tmp_path)
    assert text.count("All runs with train.batch=4.") == 4  # VideoEmotion-8 in Tables 1, 2, 4, 5
    found = {row[0]: row for row in section(text, "2", "VE-8, accuracy (%)")}
    assert found["Joint attention"][8] and "10 splits" in found["Joint attention"]
    assert "no finished run" in found["Divide attention"]
    assert found["Divide attention, with model.layers=2"][8]  # the paired difference


def test_what_is_no_row_is_noted(capsys, tmp_path):
    runs = {"": {"metrics": {"word_top1": 0.2}}}
    workdirs.write(tmp_path / "w", "", runs, ("tsc", "d"), config="tam_pretrain")
    assert f"{tmp_path / 'w'} (tam_pretrain: no variant) is no row" in report(
        capsys, tmp_path / "w"
    )


# --- other systems


def test_other_systems_are_scored_on_the_same_splits(capsys, two, tmp_path):
    runs, folders = two
    random = np.random.default_rng(7)
    ids, splits, chosen, hits = [], [], [], []
    for name, run in runs["scratch"].items():
        guess = random.integers(8, size=len(run["ids"]))
        hits.append(100 * np.mean(guess == run["columns"]["label"]))
        ids += run["ids"]
        splits += [name] * len(guess)
        chosen += [workdirs.EIGHT[i] for i in guess]
    path = workdirs.table(tmp_path / "svm.csv", ids, {"run": splits, "class": chosen})
    text = report(capsys, *folders, f"--predictions=an SVM={path}", f"--out={tmp_path / 'out'}")
    assert "predictions: an SVM" in text
    cell = rows(tmp_path / "out" / "tables.csv", table="2", row="an SVM")[0]
    assert float(cell["ours"]) == pytest.approx(np.mean(hits)) and cell["over"] == "10 splits"
    expected = intervals.over_splits(np.array(hits) - 100 * accuracies(runs["scratch"]), 0.5)
    assert float(cell["less_main_low"]) == pytest.approx(expected.low)
    without = workdirs.table(tmp_path / "one.csv", ids[:30], {"class": chosen[:30]})
    assert "column `run`" in refused(capsys, *folders, f"--predictions=x={without}")


def test_scores_and_values_of_other_systems(capsys, tmp_path):
    run = films(np.random.default_rng(8))
    truth = run["columns"]["truth_arousal"]
    seeds = {"seed-0": run, "seed-1": run}
    workdirs.write(tmp_path / "w", "me16_arousal", seeds, ("mediaeval2016", "d"))
    path = workdirs.table(tmp_path / "a.csv", run["ids"][::-1], {"arousal": 2 * truth[::-1] + 1})
    report(capsys, tmp_path / "w", f"--predictions=twice={path}", f"--out={tmp_path / 'out'}")
    found = {row["column"]: row for row in rows(tmp_path / "out" / "tables.csv", row="twice")}
    assert float(found["MediaEval 2016 arousal, PCC"]["ours"]) == pytest.approx(1)
    cell = found["MediaEval 2016 arousal, MSE"]
    assert float(cell["ours"]) == pytest.approx(np.mean((truth + 1) ** 2))
    assert (cell["runs"], cell["over"]) == ("1", "12 groups")  # the same for both seeds is one


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"arousal": ["1"] * 119 + ["much"]}, "line 121"),
        ({"arousal": ["1"] * 119 + [""]}, "missing or not finite"),
        ({"valence": ["1"] * 120}, "holds no predictions of arousal"),
        ({"run": ["split-9"] * 120, "arousal": ["1"] * 120}, "none of its runs is one of ours"),
    ],
)
def test_predictions_that_do_not_fit_are_one_line(capsys, tmp_path, columns, said):
    run = films(np.random.default_rng(9))
    workdirs.write(tmp_path / "w", "me16_arousal", {"seed-0": run}, ("mediaeval2016", "d"))
    path = workdirs.table(tmp_path / "a.csv", run["ids"], columns)
    assert said in refused(capsys, tmp_path / "w", f"--predictions=x={path}")


@pytest.mark.parametrize(
    ("names", "chosen", "expected"),
    [
        (("1", "2", "3"), ["1", "2", "3"], [0, 1, 2]),  # 3 is no place
        (("1", "2", "3"), ["0", "1", "2"], [0, 1, 2]),  # 0 is no name
        (("-1", "0", "1"), ["-1", "0", "1"], [0, 1, 2]),
        (("-1", "0", "1"), ["0", "1", "2"], [0, 1, 2]),
        (("0", "1", "2"), ["2", "1", "0"], [2, 1, 0]),  # the same either way
        (("joy", "fear", "awe"), ["2", "0", "0"], [2, 0, 0]),
        (("joy", "fear", "awe"), ["awe", "joy", "joy"], [2, 0, 0]),
        (("joy", "fear", "awe"), ["awe", "joy", "1"], "there is no class '1' among joy"),
        (("joy", "fear", "awe"), ["0", "1", "3"], "there is no class '3' among 0, 1, 2"),
        (("1", "2", "3"), ["1", "2", "2"], "both fit"),
    ],
)
def test_classes_are_all_names_or_all_numbers(tmp_path, names, chosen, expected):
    ids = ("a", "b", "c")
    test = predictions.Scored(ids, ids, names, np.zeros(3, int), np.arange(3))
    path = workdirs.table(tmp_path / "x.csv", ids, {"class": chosen})
    if isinstance(expected, str):
        with pytest.raises(UserError) as error:
            predictions.of_others(path, {"": test})
        assert expected in str(error.value)
    else:
        found = predictions.of_others(path, {"": test})[""]
        np.testing.assert_array_equal(found.guess, expected)


def test_predictions_must_be_whole(capsys, tmp_path):
    run = films(np.random.default_rng(10))
    workdirs.write(tmp_path / "w", "me16_arousal", {"seed-0": run}, ("mediaeval2016", "d"))
    path = workdirs.table(tmp_path / "a.csv", run["ids"][1:], {"arousal": ["1"] * 119})
    said = refused(capsys, tmp_path / "w", f"--predictions=x={path}")
    assert "1 of 120 test clips have no prediction, 'clip0'" in said
    path = workdirs.table(tmp_path / "b.csv", run["ids"] + ["clip0"], {"arousal": ["1"] * 121})
    assert "stands twice" in refused(capsys, tmp_path / "w", f"--predictions=x={path}")
    path.write_text("id,arousal\nclip0,1,2\n")
    assert "3 cells under 2 columns" in refused(capsys, tmp_path / "w", f"--predictions=x={path}")
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(capsys, tmp_path / "w", f"--predictions=x={path}")
    assert "no finished run says" in refused(capsys, f"--predictions=x={path}")


# --- what is wrong is one line


def test_bad_input_is_one_line(capsys, two, tmp_path):
    _, (scratch, _) = two
    assert "no such folder" in refused(capsys, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "not a workdir" in refused(capsys, tmp_path / "empty")
    assert "not a workdir" in refused(capsys, scratch / "split-0" / "export")
    assert "NAME=CSV" in refused(capsys, "--predictions=alone")
    assert "stands twice" in refused(capsys, "--predictions=a=b", "--predictions=a=c")
    assert "Did you mean '--paper'?" in refused(capsys, "--papper=tam")
    assert "no tables of a paper 'tem'" in refused(capsys, "--paper=tem")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(capsys, f"--out={tmp_path / 'file' / 'out'}")


def test_damaged_and_contradicting_runs_are_named(capsys, two, tmp_path):
    runs, (scratch, _) = two
    workdirs.write(tmp_path / "twin", "ve8,scratch", runs["scratch"])
    assert "same run, split-0" in refused(capsys, scratch, tmp_path / "twin")
    workdirs.write(tmp_path / "other", "ve8,joint", runs["joint"], ("videoemotion8", "d2"))
    assert "different records" in refused(capsys, scratch, tmp_path / "other")
    result = scratch / "split-3" / "result.json"
    result.write_text(result.read_text()[:9])
    assert "damaged" in refused(capsys, scratch)
    run = films(np.random.default_rng(11))
    run["metrics"] = run["metrics"] | {"mse": 2 * run["metrics"]["mse"]}
    workdirs.write(tmp_path / "liar", "me16_arousal", {"seed-0": run}, ("mediaeval2016", "d"))
    assert "result.json says" in refused(capsys, tmp_path / "liar")
    export = tmp_path / "liar" / "seed-0" / "export" / "model.safetensors"
    export.write_bytes(export.read_bytes()[:7])
    dump = json.loads((tmp_path / "liar" / "seed-0" / "result.json").read_text())
    dump["metrics"]["mse"] /= 2
    (tmp_path / "liar" / "seed-0" / "result.json").write_text(json.dumps(dump))
    assert "the export is damaged" in refused(capsys, tmp_path / "liar")
    (tmp_path / "liar" / "command.json").unlink()
    assert "command.json is missing" in refused(capsys, tmp_path / "liar")


def test_as_a_process(tmp_path):
    words = [sys.executable, "-m", "affectjax.report", "--paper=tam"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "## Table 6" in done.stdout
    done = subprocess.run([*words, "nowhere"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    code = "import sys, affectjax.report.__main__; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_another_system_may_be_called_like_a_row(capsys, two, tmp_path):
    runs, folders = two
    name, run = next(iter(runs["scratch"].items()))
    columns = {"run": [name] * 30, "class": run["columns"]["label"]}
    path = workdirs.table(tmp_path / "all.csv", run["ids"], columns)
    text = report(capsys, *folders, f"--predictions=Joint attention={path}")
    found = {row[0]: row for row in section(text, "2", "VE-8, accuracy (%)")}
    assert "10 splits" in found["Joint attention"]
    cell = found["predictions: Joint attention"]
    assert "100.00" in cell and "1" in cell  # one split of the ten, all of it right
