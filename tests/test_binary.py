"""Yes-or-no metrics against slow loops, scikit-learn, and what is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from affectjax import binary

SCORES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30)


@given(SCORES)
def test_auc_is_the_share_of_pairs_in_order(rows):
    pairs = [(a > b) + (a == b) / 2 for a, x in rows for b, y in rows if x and not y]
    found = binary.auc([a for a, _ in rows], [x for _, x in rows])
    assert math.isnan(found) if not pairs else found == pytest.approx(sum(pairs) / len(pairs))


def test_it_equals_scikit_learn():
    rng = np.random.default_rng(0)
    truth = (rng.random((200, 2)) < 0.3).astype(np.float32)
    guess = np.round(np.clip(truth * 0.2 + rng.random((200, 2)) * 0.8, 0, 1), 2)
    found = binary.scores(guess, truth, ("a", "b"))
    for k, name in enumerate("ab"):
        assert found[f"auc/{name}"] == pytest.approx(roc_auc_score(truth[:, k], guess[:, k]))
        hard = guess[:, k] >= 0.5
        balanced = balanced_accuracy_score(truth[:, k], hard)
        assert found[f"balanced_accuracy/{name}"] == pytest.approx(balanced)
        # the area under hard decisions is that very number
        assert binary.auc(hard, truth[:, k]) == pytest.approx(balanced)
        assert found[f"accuracy/{name}"] == pytest.approx((hard == truth[:, k]).mean())
    assert found["auc"] == pytest.approx((found["auc/a"] + found["auc/b"]) / 2)


def test_unknown_truths_do_not_count_and_what_is_undefined_is_nan():
    nan = np.nan
    truth = np.array([[1, 0], [0, 0], [nan, nan], [1, 0]], np.float32)
    guess = np.array([[0.9, 0.1], [0.6, 0.2], [0.0, 1.0], [0.8, 0.9]], np.float32)
    found = binary.scores(guess, truth, ("a", "b"))
    assert found["accuracy/a"] == pytest.approx(2 / 3) and found["count/a"] == 3
    assert found["balanced_accuracy/a"] == 0.5 and found["auc/a"] == 1.0
    assert math.isnan(found["auc/b"]) and math.isnan(found["balanced_accuracy/b"])
    assert found["auc"] == 1.0 and found["positives/a"] == 2
    nobody = binary.scores(np.zeros((0, 1)), np.zeros((0, 1)), ("a",))
    assert math.isnan(nobody["auc"]) and math.isnan(nobody["accuracy"])
    with pytest.raises(ValueError):
        binary.scores(guess, truth, ("a",))
