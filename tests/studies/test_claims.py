"""The study of Tables 1 to 4: its pairing by hand, and a walk through a table at a tiny size."""

import dataclasses

import pytest

from tests.studies import claims
from tests.studies.test_fewlabels import TINY

DECODER = ("--config.model.decoder_layers=1", "--config.examples.tokens=96",
           "--config.examples.comments=12")  # fmt: skip


def test_leads_of_the_main_row_are_paired_by_corpus():
    scores = {"Simple concatenation": (0.4, 0.6), "Cross-temp multimodal": (0.5, 0.8)}
    rows = [
        {"table": "2", "world": world, "corpus": c, "row": name, claims.METRIC: values[c]}
        for world in ("as planted", "no binding clips")
        for name, values in scores.items()
        for c in (0, 1)
    ]
    found = claims.compare(rows, "2", "as planted")
    score, lead = found["Simple concatenation"]
    assert score.mean == pytest.approx(0.5) and lead.mean == pytest.approx(0.15)
    assert lead.high - lead.mean == pytest.approx(12.706 * 0.05, abs=1e-3)  # one degree of freedom
    assert found["Cross-temp multimodal"][1] is None
    assert "| Simple concatenation | 0.500 | +0.150" in claims.show(rows)


@pytest.mark.slow
def test_a_table_at_a_tiny_size(tmp_path, monkeypatch):
    whole = claims._table("4")
    rows = tuple(row for row in whole.rows if row.variant in ("scratch", ""))
    monkeypatch.setattr(claims, "_table", lambda number: dataclasses.replace(whole, rows=rows))
    found = claims.run(tmp_path, ("4",), 1, 2, 4, (*TINY, *DECODER), TINY, "quick", "train")
    by = {(row["world"], row["row"]): row[claims.METRIC] for row in found}
    assert len(by) == 4 and all(0 <= value <= 1 for value in by.values())
    # from nothing, comments cannot matter
    assert by["as planted", "No pre-training"] == by["comments permuted", "No pre-training"]
