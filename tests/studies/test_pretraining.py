"""Pre-training on the sample beats its floors and its control, and comes near the oracle."""

import pytest

from tests.studies import pretraining


@pytest.mark.slow
def test_both_tasks_beat_every_floor_and_the_permuted_comments(tmp_path):
    rows = pretraining.compare(pretraining.train(tmp_path))
    print(pretraining.show(rows))
    word, time = rows
    assert set(word["lead"]) == {"frequent_word", "permuted", "text only"}
    assert set(time["lead"]) == {"prior_top1", "permuted"}  # text alone has no segments to choose
    for row in rows:
        for rival, (low, _) in row["lead"].items():
            assert low > 0, f"{row['task']}: no significant lead over {rival}"
        assert row["of_oracle"] >= 0.6
