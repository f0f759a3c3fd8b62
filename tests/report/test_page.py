"""The page of any runs: read by the command, drawn by a real browser, in tables as well."""

import csv
import json
import shutil

import numpy as np
import pytest

from affectjax.errors import BAD_INPUT, COMPLETE
from affectjax.report import measure, page
from affectjax.report.__main__ import main
from tests.report import workdirs

# Texts of a chart that stick out of its frame.
OUTSIDE = """[...document.querySelectorAll('svg[role=img] text')].filter(text => {
  const a = text.ownerSVGElement.getBoundingClientRect(), b = text.getBoundingClientRect();
  return b.width && (b.left < a.left - 1 || b.right > a.right + 1 || b.top < a.top - 1
                     || b.bottom > a.bottom + 1);
}).map(text => text.textContent)"""


def log(folder, steps: int, random) -> None:
    """A log as training writes it, with scores of a validation part now and then."""
    rows = []
    for step in range(10, steps + 1, 10):
        time = {"time/step_s": 0.1, "time/examples_per_s": 80.0, "time/input_wait": 0.2,
                "time/utilisation": 0.1 + 0.01 * random.random()}  # fmt: skip
        loss = {"loss": 2.0 / step, "loss/target": 2.0 / step, "epoch": step / 40}
        rows.append({"step": step, "split": "train", **loss, "grad_norm": 1.0, **time})
        if step % 50 == 0:
            score = {"accuracy": 0.3 + 0.1 * random.random(), "macro_f1": None, "count": 30.0}
            rows.append({"step": step, "split": "validation", "loss/target": 1.0, **score})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Ten splits twice, one run of values, one of another model half-way; and their report."""
    place = tmp_path_factory.mktemp("runs")
    random = np.random.default_rng(0)
    before, measure.DRAWS = measure.DRAWS, 100
    for name, skill, layers in (("scratch", 0.6, 2), ("joint", 0.4, 4)):
        runs = workdirs.ten_splits(random, skill)
        folder = workdirs.write(place / name, f"ve8,{name}", runs)
        config = {"recipe.times": 10, "train.steps": 200, "model.<odd> & key": "a|b"}
        workdirs.dump(folder / "config.json", config | {"model.layers": layers})
        for run in runs:
            log(folder / run, 200, random)
    truth = random.normal(size=(60, 2))
    values = workdirs.of_values(truth + random.normal(size=truth.shape), truth, ("v", "a"))
    values |= {"ids": [f"c{i}" for i in range(60)], "groups": [f"f{i // 6}" for i in range(60)]}
    workdirs.write(place / "films", "me16_arousal", {"": values}, ("liris_accede_2016", "d"))
    log(place / "films", 100, random)
    workdirs.write(place / "half", "small", {}, config="tam_pretrain")
    workdirs.dump(place / "half" / "config.json", {"train.epochs": 5.0, "train.steps": 0})
    log(place / "half", 40, random)
    assert main([str(place), f"--out={place / 'report'}"]) == COMPLETE
    measure.DRAWS = before
    return place


def rows(path, **where) -> list[dict]:
    with open(path, newline="") as file:
        found = list(csv.DictReader(file))
    return [row for row in found if all(row[key] == value for key, value in where.items())]


@pytest.mark.parametrize(("width", "medium"), [(1200, ""), (390, ""), (700, "print")])
def test_the_page_draws_without_a_network_and_nothing_sticks_out(chromium, made, width, medium):
    with chromium.open(made / "report" / "report.html", width) as page:
        page.media(medium)
        page.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert not page.errors and not page.outside
        assert page.files == [(made / "report" / "report.html").as_uri()]
        headings = page.run("[...document.querySelectorAll('h2')].map(each => each.textContent)")
        assert headings == ["Progress", "Scores", "Beside the papers", "Learning curves", "Time",
                            "Settings"]  # fmt: skip
        kinds = page.run(
            "[...document.querySelectorAll('svg[role=img]')].map(svg =>"
            " svg.getBoundingClientRect().width > 60 && svg.classList[0])"
        )
        assert set(kinds) == {"bars", "heat", "dots", "curves", "empty"}
        assert page.run(OUTSIDE) == []
        assert page.run("document.documentElement.scrollWidth") <= width
        links = "[...document.querySelectorAll('nav a')].every(a => document.querySelector("
        assert page.run(links + "a.getAttribute('href')))")


def test_the_page_says_what_the_files_hold(made):
    text = (made / "report" / "report.html").read_text()
    for said in ("10 splits", "step 40 of 200", "videoemotion8", "Differences, tam_finetune",
                 "&lt;odd&gt; &amp; key", "<td class=n>54.12</td>"):  # fmt: skip
        assert said in text, said
    assert "<odd>" not in text
    markdown = (made / "report" / "report.md").read_text()
    for said in ("10 splits", "step 40 of 200", "| model.layers ", "a\\|b", "54.12"):
        assert said in markdown, said
    assert "train.seed" not in markdown


def test_the_sheets_hold_every_number(made):
    out = made / "report"
    curve = rows(out / "curves.csv", run="split-3", part="train", metric="loss")
    assert len(curve) == 2 * 20 and float(curve[0]["value"]) == pytest.approx(0.2)
    undefined = rows(out / "curves.csv", metric="macro_f1", part="validation")
    assert undefined and {row["value"] for row in undefined} == {""}
    (joint,) = rows(out / "scores.csv", name="tam_finetune:ve8,joint", metric="accuracy")
    each = rows(out / "runs.csv", name="tam_finetune:ve8,joint", metric="accuracy")
    assert float(joint["mean"]) == pytest.approx(np.mean([float(row["value"]) for row in each]))
    assert (joint["over"], joint["runs"], len(each)) == ("10 splits", "10", 10)
    counts = rows(out / "confusion.csv", name="tam_finetune:ve8,joint")
    assert sum(int(row["count"]) for row in counts) == 10 * 30
    layers = rows(out / "settings.csv", setting="model.layers")
    assert [row["value"] for row in layers] == ["4", "2"]
    assert rows(out / "tables.csv", table="2", row="Joint attention", runs="10")


def test_tables_of_several_papers_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "DRAWS", 50)
    run = workdirs.ten_splits(np.random.default_rng(0), 0.5)
    for config, variants in (("vaanet", "frames"), ("cten", "")):
        folder = workdirs.write(tmp_path / config, variants, run, config=config)
        log(folder / "split-0", 10, np.random.default_rng(0))
    words = [str(tmp_path / name) for name in ("vaanet", "cten")]
    assert main([*words, f"--out={tmp_path / 'out'}"]) == COMPLETE
    cells = rows(tmp_path / "out" / "tables.csv", table="1")
    assert next(iter(cells[0])) == "paper"
    assert {row["paper"] for row in cells} == {"vaanet", "cten"}


def test_a_score_that_is_not_defined_everywhere_has_its_interval_whole():
    shown = page._stacked("0.250 (0.200 to 0.300), undefined in 1 of 5")
    assert shown == "0.250<br><small>0.200 to 0.300, undefined in 1 of 5</small>"
    assert page._stacked("0.250 (0.200 to 0.300)") == "0.250<br><small>0.200 to 0.300</small>"
    assert page._stacked("0.250, undefined in 1 of 5") == "0.250, undefined in 1 of 5"


def test_the_same_folders_give_the_same_page(made, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "DRAWS", 100)
    assert main([str(made), f"--out={tmp_path}"]) == COMPLETE
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (made / "report" / path.name).read_bytes(), path.name


def damage(made, name: str, text: str, tmp_path):
    """A copy of a workdir with one file of it replaced."""
    shutil.copytree(made / "films", tmp_path / "w")
    (tmp_path / "w" / name).write_text(text)
    return tmp_path / "w"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metrics.jsonl", "{]\n{}\n", "metrics.jsonl, line 1"),
        ("result.json", '{"steps": 1}', "result.json"),
        ("result.json", "{", "result.json"),
        ("config.json", "[]", "config.json"),
        ("predictions_test.csv", "id,group\n", "predictions_test.csv"),
        ("export/config.json", "{", "config.json"),
        ("export/model.safetensors", "", "model.safetensors"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(made, tmp_path, capsys, name, text, said):
    folder = damage(made, name, text, tmp_path)
    assert main([str(folder), f"--out={tmp_path / 'out'}"]) == BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_asked_is_one_line(made, tmp_path, capsys):
    for words in ([], [str(tmp_path / "absent")], [str(made), "--dataset=d"],
                  [str(made), "--predictions", "a=b"]):  # fmt: skip
        assert main(words) == BAD_INPUT
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1


def test_tables_that_cannot_be_filled_are_a_note(made, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "DRAWS", 100)
    shutil.copytree(made / "joint", tmp_path / "again")  # the same runs twice
    words = [str(made / "joint"), str(tmp_path / "again"), f"--out={tmp_path / 'out'}"]
    assert main(words) == COMPLETE
    said = (tmp_path / "out" / "report.md").read_text()
    assert "The tables of tam are left out" in said and "## Beside" not in said
