"""The tables of `vaanet` and `cten` filled from workdirs: two configs, floors, what is missing."""

import numpy as np
import pytest

from affectjax import tables
from affectjax.report import fill, runs, write
from affectjax.report.__main__ import main
from tests.report import workdirs

EKMAN = ("ekman6", "digest")


def seeds(scores: dict[str, float]) -> dict:
    """Five runs, each a little better than the one before."""
    return {
        f"seed-{i}": {"metrics": {name: value + 0.01 * i for name, value in scores.items()}}
        for i in range(5)
    }


def detector(score: float) -> dict:
    found = {f"{kind}@{x}": score for kind in ("map", "map_any") for x in (0.1, 0.2, 0.3, 0.4, 0.5)}
    found |= {f"{floor}/{k}": 0.2 for floor in ("whole_video", "centre_half") for k in [*found]}
    return seeds(found | {"accuracy": 0.5})


@pytest.fixture
def found(tmp_path):
    every = {"cten": ("ekman6,detection", 0.4), "vaanet": ("detection,ekman6,of_cten", 0.3)}
    for config, (variants, score) in every.items():
        workdirs.write(tmp_path / config, variants, detector(score), EKMAN, config=config)
    return tmp_path


def test_rows_of_two_configs_stand_in_one_table_with_floors_beside(found):
    table = next(t for t in tables.load("cten").tables if t.number == "3")
    given = [runs.read(found / name) for name in ("cten", "vaanet")]
    sections, used = fill.sections(table, given)
    assert len(sections) == 5 and all(workdir in used for workdir in given)
    section = next(s for s in sections if s.column.metric == "map_any@0.3")
    lines = {line.name: line for line in section.lines}
    assert lines["Ours"].ours.interval.mean == pytest.approx(42)
    assert lines["Ours"].paper == 40.1 and lines["Ours"].ours.spread == "5 seeds"
    assert lines["VAANet [65]"].command == "configs/vaanet.py:ekman6,detection,of_cten"
    assert lines["VAANet [65]"].difference.interval.mean == pytest.approx(-10)
    for floor in ("whole video", "centre half"):
        assert lines[floor].kind == "floor"
        assert lines[floor].ours.interval.mean == pytest.approx(22)
        assert lines[floor].difference.interval.mean == pytest.approx(-20)
    assert lines["W-TALC [34]"].ours is None
    text = write.markdown(tables.load("cten"), sections)
    assert "floor: whole video" in text and "no finished run" in text


def test_the_other_scoring_reads_the_same_runs(found):
    table = next(t for t in tables.load("cten").tables if t.number == "3, by class")
    sections, _ = fill.sections(table, [runs.read(found / "cten")])
    assert [s.column.metric for s in sections] == [f"map@{x}" for x in (0.5, 0.4, 0.3, 0.2, 0.1)]
    line = next(line for line in sections[0].lines if line.name == "Ours")
    assert line.ours.interval.mean == pytest.approx(42) and line.paper is None


def test_a_floor_without_the_column_s_metric_is_left_out(found):
    """Probes of classes and others' predictions have an accuracy, and find no intervals."""
    table = next(t for t in tables.load("cten").tables if t.number == "3")
    given = [runs.read(found / "cten")]

    def beside(column, rows):
        (keys,) = rows.values()
        probe = dict.fromkeys(keys, runs.Run({"accuracy": 0.4}))
        blind = dict.fromkeys(keys, runs.Run({column.metric: 0.1}))
        return {"linear": ("floor", probe), "blind": ("floor", blind)}

    for section in fill.sections(table, given, beside)[0]:
        names = [line.name for line in section.lines]
        assert "blind" in names and "linear" not in names


@pytest.mark.parametrize("paper", ["vaanet", "cten"])
def test_without_runs_every_cell_says_which_dataset_it_needs(paper, capsys):
    assert main([f"--paper={paper}"]) == 0
    said = capsys.readouterr().out
    needed = {"vaanet": ("VideoEmotion-8", "Ekman-6"), "cten": ("Ekman-6 with annotated", "CAER")}
    for name in needed[paper]:
        assert f"No finished run: needs {name}" in said
    assert "literature, not rerun" in said and "floor: " not in said


def test_classes_stand_one_by_one(tmp_path, capsys):
    """Each class's column is the recall of that class, and the average is over all videos."""
    rng = np.random.default_rng(0)
    label = rng.integers(8, size=400)
    scores = rng.random((400, 8)) + 0.8 * np.eye(8)[label]
    made = workdirs.of_classes(scores, label, workdirs.EIGHT)
    ids = [f"clip{i}" for i in range(400)]
    one = made | {"ids": ids, "groups": ids}
    run = {f"split-{i}": one for i in range(2)}
    workdirs.write(tmp_path / "a", "frames,vs", run, ("videoemotion8", "d"), config="vaanet")
    table = next(t for t in tables.load("vaanet").tables if t.number == "3")
    sections, _ = fill.sections(table, [runs.read(tmp_path / "a")])
    assert len(sections) == 9
    for k, section in enumerate(sections[:8]):
        line = next(line for line in section.lines if line.name == "VS")
        own = label == k
        want = 100 * np.mean(scores.argmax(1)[own] == k)
        assert line.ours.interval.mean == pytest.approx(want)
        assert section.column.metric == f"accuracy/{workdirs.EIGHT[k]}"
    whole = next(line for line in sections[8].lines if line.name == "VS")
    assert whole.ours.interval.mean == pytest.approx(100 * np.mean(scores.argmax(1) == label))
    assert whole.paper == 51.7
