"""Filling tables that no paper has: rows, columns and metrics are known by their names alone."""

import math

import numpy as np
import pytest

from affectjax import intervals
from affectjax.errors import UserError
from affectjax.report import fill, runs, write
from affectjax.report.measure import measure
from affectjax.tables import Column, Paper, Row, Table
from tests.report import workdirs

CHEBYSHEV = Column("Danmaku, Chebyshev", "Danmaku", ("danmaku",), "", "chebyshev", decimals=4,
                   spread="groups")  # fmt: skip
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
