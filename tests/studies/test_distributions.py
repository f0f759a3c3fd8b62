"""The study of distributions: its arithmetic by hand, and one walk through it at a tiny size."""

import numpy as np
import pytest

from tests.studies import distributions as study

TINY = (
    "--config.model.hidden=4", "--config.train.batch=8", "--config.train.evaluate_every=2",
    "--config.train.tensorboard=False",
)  # fmt: skip


def test_differences_are_paired_by_corpus():
    rows = [
        {"world": "as planted", "corpus": c, "row": row, "kl": 0.5 + 0.1 * c + extra[c]}
        for c in (0, 1)
        for row, extra in ((study.BASE, (0, 0)), ("softmax", (-0.1, -0.2)))
    ]
    found = study.compare(rows, "as planted")
    score, apart = found["softmax"]
    assert score.mean == pytest.approx(0.4) and apart.mean == pytest.approx(-0.15)
    assert apart.high == pytest.approx(-0.15 + 12.706 * 0.05, abs=1e-3)  # t of one degree
    assert found[study.BASE][1] is None


@pytest.mark.slow
def test_the_whole_study_at_a_tiny_size(tmp_path):
    rows = study.run(tmp_path, 1, 4, (study.BASE,), TINY, "quick")
    assert {(row["world"], row["row"]) for row in rows} == {
        (world, name) for world in study.WORLDS for name in (study.BASE, study.MEAN)
    }
    assert all(0 < row["kl"] < 2 for row in rows)
    said = study.show(rows, study.oracles([0], "quick"))
    assert "one kind" in said and np.isnan(study.compare(rows, "one kind")[study.MEAN][1].low)
