"""The few-label study: its arithmetic by hand, and one walk through all of it at a tiny size."""

import numpy as np
import pytest

from tests.studies import fewlabels

TINY = (
    "--config.model.width=16", "--config.model.layers=1", "--config.model.ffn=16",
    "--config.train.steps=4", "--config.train.batch=8", "--config.train.tensorboard=False",
)  # fmt: skip


def test_leads_are_paired_by_corpus_and_averaged_over_seeds():
    rows = [
        {"corpus": c, "seed": s, "arm": arm, "accuracy": 0.5 + 0.1 * c + 0.02 * s + extra[c]}
        for c in (0, 1)
        for s in (0, 1)
        for arm, extra in (("pre-trained", (0.1, 0.2)), ("permuted", (0, 0)), ("scratch", (0, 0.2)))
    ]
    found = fewlabels.compare(rows)
    assert found["score"]["permuted"].mean == pytest.approx(0.56)
    assert found["lead"]["permuted"].mean == pytest.approx(0.15)
    half = 12.706 * 0.05  # Student's t of one degree of freedom
    assert found["lead"]["permuted"].low == pytest.approx(0.15 - half, abs=1e-3)
    assert found["lead"]["scratch"].mean == pytest.approx(0.05)
    assert "pre-trained" not in found["lead"]


@pytest.mark.slow
def test_the_whole_study_at_a_tiny_size(tmp_path):
    decoder = ("--config.model.decoder_layers=1", "--config.examples.tokens=96",
               "--config.examples.comments=12")  # fmt: skip
    rows = fewlabels.run(tmp_path, 1, 1, 4, (*TINY, *decoder), TINY, "quick", "train")
    arms = {row["arm"] for row in rows}
    assert arms >= {"pre-trained", "permuted", "scratch", "linear probe", "RBF probe"}
    assert all(0 <= row[name] <= 1 for row in rows for name in fewlabels.METRICS)
    said = fewlabels.show(rows, fewlabels.ceilings(rows, "quick"))
    assert "oracle" in said and np.isnan(fewlabels.compare(rows)["lead"]["scratch"].low)
