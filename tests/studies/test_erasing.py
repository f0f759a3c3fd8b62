"""The study of erasing runs from end to end, and pairs what it compares."""

import pytest

from tests.studies import erasing


@pytest.mark.slow
def test_the_study_tells_every_score_of_every_model(tmp_path):
    dials = {"as planted": erasing.DIALS["as planted"]}
    found = erasing.scores(tmp_path, corpora=1, steps=8, size="quick", dials=dials)
    models = found["as planted"]
    assert set(models) == set(erasing.RUNS)
    for runs in models.values():
        assert len(runs) == 1 and set(runs[0]) == set(erasing.SCORES)
        assert all(0 <= value <= 1 for value in runs[0].values())
    text = erasing.show(found)
    assert text.count("cten leads by") == 2 * len(erasing.SCORES)
