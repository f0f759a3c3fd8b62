"""The study of short texts, from a file to both tables, on invented comments."""

import numpy as np
import pytest

from affectjax.data import sample_corpus
from affectjax.data.comment_targets import text
from data_prep.labelling import texts
from tests.studies import comments

NAMES = ("happiness", "surprise", "like", "fear", "sadness", "disgust")  # of the sample's emotions
SMALL = ("--config.model.buckets=8192", "--config.examples.slots=200", "--config.train.batch=64",
         "--config.train.tensorboard=False")  # fmt: skip


@pytest.mark.slow
def test_both_tables_of_the_sample(tmp_path, monkeypatch):
    made = sample_corpus.make()
    lines = []
    for split in made.values():
        for record in split:
            yes = record["values"][0]
            name = NAMES[int(yes.argmax())] if yes.any() else "none"
            lines.append(f"{name}:{text(record)}")
    # what was disgust alone is anger in one of two, as the study's file has both
    lines = [line.replace("disgust:", "anger:") if i % 2 else line for i, line in enumerate(lines)]
    (tmp_path / "said.txt").write_text("\n".join(lines))
    rows, _ = texts.rows(tmp_path / "said.txt", ":")
    ours = comments.classifiers(rows, tmp_path, *SMALL)
    theirs = comments.regression(tmp_path)
    assert ours["auc"] > 0.85 and theirs["auc"] > 0.85
    shown = comments.table_of(ours, theirs)
    assert f"{comments.MERGED}" in shown and "mean of six" in shown
    monkeypatch.setattr(comments, "FEW", (*SMALL, "--config.train.steps=150"))
    found, other = comments.labelling(rows, tmp_path)
    assert other["accepted as no"] >= found["accepted as no"]
    assert found["labelled first"] == 150 and 0 < found["needed a person"] < 1350
    assert found["accuracy of the accepted"] > 0.8
    again = comments.labelling(rows, tmp_path)  # nothing is done twice
    np.testing.assert_equal(again, (found, other))
