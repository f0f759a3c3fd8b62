"""Metrics against scikit-learn and SciPy, on random and on degenerate inputs."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from affectjax import metrics

NAMES = ("anger", "fear", "joy", "trust")
QUICK = settings(max_examples=80, deadline=None, derandomize=True)


@st.composite
def decisions(draw):
    n = draw(st.integers(1, 40))
    classes = arrays.arrays(np.int64, n, elements=st.integers(0, len(NAMES) - 1))
    return draw(classes), draw(classes)


@QUICK
@given(decisions())
def test_classes_equal_scikit_learn(pair):
    sklearn = pytest.importorskip("sklearn.metrics")
    chosen, label = pair
    found = metrics.of_classes(chosen, label, NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes nobody has, which is the point
        expected = {
            "accuracy": sklearn.accuracy_score(label, chosen),
            "balanced_accuracy": sklearn.balanced_accuracy_score(label, chosen),
            "macro_f1": sklearn.f1_score(label, chosen, average="macro", zero_division=0),
        }
        recall = sklearn.recall_score(
            label, chosen, labels=range(4), average=None, zero_division=np.nan
        )
        matrix = sklearn.confusion_matrix(label, chosen, labels=range(4))
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-9), key
    per_class = [found[f"accuracy/{name}"] for name in NAMES]
    np.testing.assert_allclose(per_class, recall, atol=1e-9)
    np.testing.assert_array_equal(metrics.confusion(chosen, label, 4), matrix)
    assert found["count"] == len(label)


@QUICK
@given(decisions(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_unknown_labels_change_nothing(pair, extra, random):
    chosen, label = pair
    order = list(range(len(label) + 5))
    random.shuffle(order)
    more = np.concatenate([chosen, np.full(5, extra)])[order]
    labels = np.concatenate([label, np.full(5, -1)])[order]
    before, after = (metrics.of_classes(c, t, NAMES) for c, t in ((chosen, label), (more, labels)))
    np.testing.assert_equal(after, before)


def test_scores_choose_the_highest_class_and_the_first_of_equals():
    scores = np.array([[0.1, 0.7, 0.2, 0.0], [0.4, 0.4, 0.1, 0.1], [-3, -2, -1, -4.0]])
    found = metrics.classification(scores, np.array([1, 0, 3]), NAMES)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["accuracy/trust"] == 0 and found["accuracy/fear"] == 1
    assert math.isnan(found["accuracy/joy"])
    with pytest.raises(ValueError, match="names"):
        metrics.classification(scores, np.array([1, 0, 3]), NAMES[:3])


def test_nothing_to_count_is_undefined_everywhere():
    found = metrics.classification(np.zeros((2, 4)), np.array([-1, -1]), NAMES)
    assert found.pop("count") == 0
    assert all(math.isnan(value) for value in found.values())
    found = metrics.regression(np.zeros((0, 1)), np.zeros((0, 1)), ("valence",))
    assert found.pop("count") == 0
    assert all(math.isnan(value) for value in found.values())


numbers = st.one_of(
    st.floats(-1e6, 1e6, allow_subnormal=False, width=32), st.sampled_from([0.1, 3.3, -2.0])
)


@st.composite
def series(draw):
    n = draw(st.integers(1, 30))
    column = st.one_of(arrays.arrays(np.float64, n, elements=numbers),
                       numbers.map(lambda value: np.full(n, value)))  # fmt: skip
    return draw(column), draw(column)


@QUICK
@given(series())
def test_values_equal_scikit_learn_and_scipy(pair):
    sklearn = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    guess, fact = pair
    assert metrics.mse(guess, fact) == pytest.approx(
        sklearn.mean_squared_error(fact, guess), rel=1e-9
    )
    if len(fact) < 2:  # SciPy refuses; so little has no correlation
        assert math.isnan(metrics.pcc(guess, fact))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = stats.pearsonr(guess, fact)[0]
        assert metrics.pcc(guess, fact) == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert metrics.ccc(guess, fact) == pytest.approx(plain_ccc(guess, fact), abs=1e-6, nan_ok=True)


def plain_ccc(guess, fact) -> float:
    """Lin's formula, number by number, in exact fractions."""
    from fractions import Fraction

    n, x, y = len(fact), [Fraction(v) for v in guess], [Fraction(v) for v in fact]
    mx, my = sum(x) / n, sum(y) / n
    below = sum((a - mx) ** 2 for a in x) + sum((b - my) ** 2 for b in y) + n * (mx - my) ** 2
    return float(2 * sum((a - mx) * (b - my) for a, b in zip(x, y)) / below) if below else math.nan


@pytest.mark.parametrize("value", [0.1, 3.3, 0.0])
def test_a_constant_prediction_has_an_error_and_no_correlation(value):
    truth = np.array([[1.0], [2.0], [4.0]])
    found = metrics.regression(np.full((3, 1), value), truth, ("arousal",))
    assert found["mse/arousal"] == found["mse"] == pytest.approx(np.mean((truth - value) ** 2))
    assert math.isnan(found["pcc/arousal"]) and math.isnan(found["pcc"])
    assert found["ccc/arousal"] == 0


def test_masked_truths_are_left_out_of_their_own_column_alone():
    random = np.random.default_rng(0)
    guess, truth = random.normal(size=(2, 9, 2))
    truth[[2, 5], 0] = np.nan
    found = metrics.regression(guess, truth, ("valence", "arousal"))
    kept = ~np.isnan(truth[:, 0])
    assert found["pcc/valence"] == pytest.approx(np.corrcoef(guess[kept, 0], truth[kept, 0])[0, 1])
    assert found["pcc/arousal"] == pytest.approx(np.corrcoef(guess[:, 1], truth[:, 1])[0, 1])
    assert found["pcc"] == pytest.approx((found["pcc/valence"] + found["pcc/arousal"]) / 2)
    assert found["count"] == 16
    with pytest.raises(ValueError, match="names"):
        metrics.regression(guess, truth, ("valence",))


def test_what_pre_training_counts():
    arrays_ = {
        "word_count": np.array([2.0, 0.0]),
        "word_top1": np.array([1.0, 0.0]),
        "word_top5": np.array([2.0, 0.0]),
        "time_count": np.zeros(2),
        "time_top1": np.zeros(2),
        "time_distance": np.zeros(2),
    }
    found = metrics.pretraining(arrays_)
    assert found["word_top1"] == 0.5 and found["word_top5"] == 1.0
    assert math.isnan(found["time_top1"]) and found["comments"] == 0
