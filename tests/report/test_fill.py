"""Filling tables that no paper has: rows, columns and metrics are known by their names alone."""

import math

import numpy as np
import pytest

from affectjax import intervals, tables
from affectjax.errors import UserError
from affectjax.report import fill, runs, write
from affectjax.report.measure import measure
from affectjax.tables import Column, Paper, Row, Table
from tests.report import workdirs

CHEBYSHEV = Column("Danmaku, Chebyshev", "Danmaku", ("danmaku",), "", "chebyshev", decimals=4,
                   spread="groups")  # fmt: skip
ACCURACY = Column("Ekman-6, accuracy", "Ekman-6", ("ekman6",), "")
TABLE = Table(
    "9", "a table", "danmaku", (CHEBYSHEV,),
    (
        Row("Two | words", (0.25,), "deep,wide"),
        Row("Other", (0.3,)),
        Row("Main", (0.2,), ""),
    ),
    main="Main",
)  # fmt: skip


def seeds(values) -> dict:
    return {f"seed-{i}": {"metrics": {"chebyshev": value}} for i, value in enumerate(values)}


def test_a_metric_and_a_table_of_another_paper(tmp_path):
    both = {"": [0.21, 0.25, 0.2], "wide,deep": [0.3, 0.31, 0.35]}
    found = []
    for number, (variants, values) in enumerate(both.items()):
        where = tmp_path / str(number)
        workdirs.write(where, variants, seeds(values), ("danmaku_ldl", "d"), config="danmaku")
        found.append(runs.read(where))
    ((section,), used) = fill.sections(TABLE, found)
    assert used == found and section.of_paper and not section.missing
    lines = {line.name: line for line in section.lines}
    assert lines["Main"].ours.interval == pytest.approx(intervals.over_seeds(both[""]))
    assert lines["Main"].ours.spread == "3 seeds"  # clips do not tell this metric
    away = np.array(both["wide,deep"]) - np.array(both[""])
    row = lines["Two | words"]
    assert row.difference.interval == pytest.approx(intervals.over_seeds(away))
    assert row.command == "configs/danmaku.py:deep,wide"
    assert row.paper_difference == pytest.approx(0.05)
    text = write.markdown(Paper("danmaku", "a paper", (TABLE,)), [section])
    assert r"| Two \| words " in text and "0.2200" in text and "literature, not rerun" in text


def test_runs_of_one_side_alone_have_no_difference(tmp_path):
    workdirs.write(tmp_path / "a", "", seeds([0.2, 0.3]), ("danmaku_ldl", "d"), config="danmaku")
    late = {"seed-7": {"metrics": {"chebyshev": 0.1}}}
    workdirs.write(tmp_path / "b", "deep,wide", late, ("danmaku_ldl", "d"), config="danmaku")
    ((section,), _) = fill.sections(TABLE, [runs.read(tmp_path / name) for name in "ab"])
    line = section.lines[0]
    assert line.difference is None and line.ours.interval.mean == pytest.approx(0.1)
    assert math.isnan(line.ours.interval.low) and line.ours.spread == ""


def test_undefined_runs_are_counted_and_left_out_of_the_mean():
    key = [("d", f"seed-{i}") for i in range(3)]
    ours = dict(zip(key, (runs.Run({"chebyshev": v}) for v in (0.1, None, 0.3))))
    found = measure(ours, CHEBYSHEV)
    assert (found.interval.mean, found.runs, found.undefined) == (pytest.approx(0.2), 3, 1)
    main = {k: runs.Run({"chebyshev": 0.1}) for k in key[1:]}
    found = measure(ours, CHEBYSHEV, main)
    assert (found.interval.mean, found.runs, found.undefined) == (pytest.approx(0.2), 2, 1)
    with pytest.raises(UserError, match="no metric 'chebyshev'"):
        measure({key[0]: runs.Run({"mse": 1.0})}, CHEBYSHEV)


def test_seeds_of_one_split_are_no_further_splits():
    """Two splits with three seeds each: the mean of its seeds is the value of a split."""
    column = Column("own", "own", ("own",), "", test_share=0.5)
    values = {"split-0": (0.1, 0.2, 0.3), "split-1": (0.6, 0.7, 0.8)}
    ours = {
        ("d", f"{split},train.seed={seed}"): runs.Run({"accuracy": value})
        for split, own in values.items()
        for seed, value in enumerate(own)
    }
    found = measure(ours, column)
    assert (found.spread, found.runs) == ("2 splits", 6)
    assert found.interval == pytest.approx(intervals.over_splits([0.2, 0.7], 0.5))
    alone = {key: run for key, run in ours.items() if key[1].startswith("split-0")}
    assert measure(alone, column).spread == "3 seeds"


def test_a_beginning_elsewhere_makes_no_other_method(tmp_path):
    """Rows that start from exports of their own, wherever they lie, are still those rows."""
    for name, variants, begun in (("a", "", "/far/plain"), ("b", "deep,wide", "/far/deep")):
        own = {"train.init_from": f"{begun}/export"}
        workdirs.write(tmp_path / name, variants, seeds([0.2, 0.3]), ("danmaku_ldl", "d"), own,
                       config="danmaku")  # fmt: skip
    ((section,), _) = fill.sections(TABLE, [runs.read(tmp_path / name) for name in "ab"])
    lines = {line.name: line for line in section.lines}
    assert lines["Main"].ours.runs == 2 and lines["Main"].note == "from /far/plain/export"
    assert lines["Two | words"].difference.interval.mean == 0
    workdirs.write(tmp_path / "c", "", seeds([0.1]), ("danmaku_ldl", "d"),
                   {"train.init_from": "/elsewhere"}, config="danmaku")  # fmt: skip
    ((section,), _) = fill.sections(TABLE, [runs.read(tmp_path / name) for name in "abc"])
    assert [line.ours for line in section.lines if line.name == "Main"] == [None]


def test_a_seed_that_the_recipe_sets_makes_no_further_runs(tmp_path):
    for name, overrides in (("a", {}), ("b", {"train.seed": 1})):
        made = workdirs.write(tmp_path / name, "", seeds([0.2, 0.3]), ("danmaku_ldl", "d"),
                              overrides, config="danmaku")  # fmt: skip
        workdirs.dump(made / "config.json", {"recipe.times": 2, "recipe.name": "repeat"})
    with pytest.raises(UserError, match="same run, seed-0"):
        fill.sections(TABLE, [runs.read(tmp_path / name) for name in "ab"])


def test_a_row_of_other_features_is_compared_where_the_clips_are_the_same(tmp_path):
    rows = (Row("Main", (0.5,), ""), Row("Other features", (0.4,), "dagger", apart=True))
    table = Table("5", "", "tam_finetune", (ACCURACY,), rows, main="Main")
    scores, label = np.eye(2)[[0, 1, 1, 0]], np.array([0, 1, 0, 0])
    told = workdirs.of_classes(scores, label, ("a", "b")) | {"groups": list("wxyz")}
    places = {}
    for name, variants, digest, ids in (("a", "", "d1", "1234"), ("b", "dagger", "d2", "1234"),
                                        ("c", "dagger", "d3", "5678")):  # fmt: skip
        made = {f"seed-{i}": told | {"ids": list(ids)} for i in range(2)}
        places[name] = workdirs.write(tmp_path / name, variants, made, ("ekman6", digest))
    ((section,), _) = fill.sections(table, [runs.read(places[name]) for name in "ab"])
    assert section.lines[1].difference.interval.mean == 0
    ((section,), _) = fill.sections(table, [runs.read(places[name]) for name in "ac"])
    assert section.lines[1].difference is None and section.lines[1].ours.runs == 2


def of_outputs(folder, scores: dict[str, float], dataset=("comments", "d")) -> runs.Workdir:
    """A workdir of recipe `each`: one model for every output."""
    made = {
        name: {"metrics": {"accuracy": value, "auc": value, f"auc/{name}": value}}
        for name, value in scores.items()
    }
    workdirs.write(folder, "bert", made, dataset, config="danmaku_comments")
    settings = {"recipe.name": "each", "model.outputs": ["joy", "fear", "disgust"]}
    workdirs.dump(folder / "config.json", settings)
    return runs.read(folder)


COMMENTS = Table(
    "8", "classifiers", "danmaku_comments",
    tuple(Column(k, "comments", ("comment",), "", f"auc/{k}") for k in ("joy", "fear", "disgust")),
    (Row("Six", (0.9, 0.8, 0.7), "bert"), Row("One", (None,) * 3, "")),
    main="Six",
)  # fmt: skip


def test_models_of_one_output_each_fill_the_column_of_theirs(tmp_path):
    found = [of_outputs(tmp_path / "each", {"joy": 0.6, "fear": 0.5})]
    assert (len(found[0].runs), found[0].expected) == (2, 3)
    one = {"": {"metrics": {"auc": 0.3, "auc/joy": 0.4, "auc/fear": 0.2, "auc/disgust": 0.3}}}
    workdirs.write(tmp_path / "one", "", one, ("comments", "d"), config="danmaku_comments")
    sections, used = fill.sections(COMMENTS, [*found, runs.read(tmp_path / "one")])
    assert found[0] in used and len(sections) == 3
    joy, fear, disgust = ({line.name: line for line in s.lines} for s in sections)
    assert joy["Six"].ours.interval.mean == 0.6 and joy["Six"].ours.runs == 1
    assert fear["Six"].ours.interval.mean == 0.5 and disgust["Six"].ours is None
    assert joy["One"].difference.interval.mean == pytest.approx(-0.2)  # theirs stand for one run


def test_models_of_one_output_each_are_no_seeds_of_a_metric_of_all(tmp_path):
    other = COMMENTS.columns[0], Column("all", "comments", ("comment",), "", "auc")
    elsewhere = Table("8", "", "danmaku_comments", (Column("x", "x", ("x",), "other"),),
                      (Row("Six", (0.9,), "bert"),), main="Six")  # fmt: skip
    plain = Table("8", "", "danmaku_comments", other, (Row("Six", (0.9, 0.8), "bert"),), main="Six")
    given = of_outputs(tmp_path / "each", {"joy": 0.6, "fear": 0.5})
    assert fill.sections(elsewhere, [given])[1] == []
    joy, every = fill.sections(plain, [given])[0]
    assert joy.lines[0].ours.interval.mean == 0.6 and every.missing


def test_the_paper_s_own_config_of_comments_fills_its_table(tmp_path):
    emotions = tables.load("danmaku").tables[0].columns[:6]
    names = [column.metric.partition("/")[2] for column in emotions]
    made = {
        name: {"metrics": {f"{metric}/{name}": 0.1 * i for metric in ("balanced_accuracy", "auc")}}
        for i, name in enumerate(names)
    }
    workdirs.write(tmp_path / "w", "bert", made, ("comments", "d"), config="danmaku_comments")
    workdirs.dump(tmp_path / "w" / "config.json", {"recipe.name": "each", "model.outputs": names})
    found, _ = fill.sections(tables.load("danmaku").tables[0], [runs.read(tmp_path / "w")])
    means = [section.lines[0].ours.interval.mean for section in found]
    assert means == pytest.approx(2 * [0.1 * i for i in range(6)])


def test_datasets_of_one_name_are_no_draws_of_one(tmp_path):
    """Only the sample is drawn anew; two imports are as different as any two datasets."""
    table = tables.load("tam").tables[0]
    for dataset, columns in (("imported", 2), ("sample", 1)):
        found = []
        for digest, accuracy in (("aaaaaaaa", 0.9), ("bbbbbbbb", 0.3)):
            run = {"": {"metrics": {"accuracy": accuracy}}}
            where = workdirs.write(tmp_path / dataset / digest, "scratch", run, (dataset, digest))
            found.append(runs.read(where))
        own = [s for s in fill.sections(table, found)[0] if s.column.data.startswith(dataset)]
        assert len(own) == columns, dataset
        told = {
            s.column.name: line.ours.interval.mean for s in own for line in s.lines if line.ours
        }
        if dataset == "imported":
            named = ("imported aaaaaa, accuracy (%)", "imported bbbbbb, accuracy (%)")
            assert told == pytest.approx(dict(zip(named, (90, 30))))
        else:
            assert told == pytest.approx({"sample, accuracy (%)": 60})
    one = fill.sections(table, found[:1])[0]
    assert "sample, accuracy (%)" in [section.column.name for section in one]


def test_runs_with_other_classes_have_no_confusion_in_common(tmp_path):
    made = {}
    for i, names in enumerate((("x", "y", "z"), ("p", "q"))):
        run = workdirs.of_classes(np.eye(len(names)), np.arange(len(names)), names)
        ids = [f"c{k}" for k in range(len(names))]
        made[f"seed-{i}"] = run | {"ids": ids, "groups": ids}
    where = workdirs.write(tmp_path / "w", "scratch", made, ("own", "d"))
    found, _ = fill.sections(tables.load("tam").tables[0], [runs.read(where)])
    assert write.confusion_csv(found).count("\n") == 1  # the header


def test_splits_of_a_dataset_that_no_table_knows_find_their_share(tmp_path):
    """Test clips to training clips, from the clips that the splits tested."""
    random = np.random.default_rng(0)
    made = workdirs.ten_splits(random, 0.5)  # thirds of 90 clips
    folder = workdirs.write(tmp_path / "w", "", made, ("own", "d"), config="tam_finetune")
    own = {("d", name): run for name, run in runs.read(folder).runs.items()}
    column = Column("own", "own", ("own",), "")
    every = len({name for run in made.values() for name in run["ids"]})
    values = [run["metrics"]["accuracy"] for run in made.values()]
    expected = intervals.over_splits(values, 30 / (every - 30))
    assert measure(own, column).interval == pytest.approx(expected)
    assert 85 <= every <= 90
