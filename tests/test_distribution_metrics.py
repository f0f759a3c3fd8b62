"""The six measures of distributions: values by hand, identities, zeros, one-hots, averages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.distribution_metrics import MEASURES, averaged, per_window

ONE = np.array([1.0, 0.0, 0.0])
OTHER = np.array([0.0, 1.0, 0.0])
FLAT = np.full(3, 1 / 3)


def measured(t, p):
    return {
        name: float(measure(np.asarray(t), np.asarray(p))) for name, measure in MEASURES.items()
    }


@pytest.mark.parametrize(
    ("t", "p", "expected"),
    [
        # |0.3|; sqrt((.3/.7)^2 + (.3/1.3)^2); .3/.7 + .3/1.3; (.1+.4)/(...); .2+.5; ...
        ((0.5, 0.5), (0.2, 0.8), {
            "chebyshev": 0.3,
            "clark": 0.4867524,
            "canberra": 0.6593407,
            "cosine": 0.8574929,
            "intersection": 0.7,
            "kl": 0.5 * np.log(0.5 / 0.2) + 0.5 * np.log(0.5 / 0.8),
        }),
        (ONE, FLAT, {
            "chebyshev": 2 / 3,
            "clark": (0.25 + 2) ** 0.5,
            "canberra": 2.5,
            "cosine": 3**-0.5,
            "intersection": 1 / 3,
            "kl": np.log(3),
        }),
        (ONE, OTHER, {
            "chebyshev": 1, "clark": 2**0.5, "canberra": 2, "cosine": 0, "intersection": 0,
            "kl": np.inf,
        }),
        # what the clamp before the softmax allows at best: e / (e + 5) for a one-hot truth
        (np.eye(6)[0], np.array([np.e, 1, 1, 1, 1, 1]) / (np.e + 5), {
            "chebyshev": 5 / (np.e + 5), "intersection": np.e / (np.e + 5),
            "kl": np.log(np.e + 5) - 1, "canberra": 5 / (2 * np.e + 5) + 5,
        }),
    ],
)  # fmt: skip
def test_values_by_hand(t, p, expected):
    found = measured(t, p)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


shares = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda x: sum(x) > 0.1)


@given(shares, shares)
def test_identities(t, p):
    t, p = np.array(t) / np.sum(t), np.array(p) / np.sum(p)
    same, found, back = measured(t, t), measured(t, p), measured(p, t)
    nothing = {"chebyshev": 0, "clark": 0, "canberra": 0, "cosine": 1, "intersection": 1, "kl": 0}
    assert same == pytest.approx(nothing, abs=1e-9)
    for name in set(MEASURES) - {"kl"}:
        assert found[name] == pytest.approx(back[name])
    assert found["kl"] >= -1e-12
    assert found["intersection"] == pytest.approx(1 - np.abs(t - p).sum() / 2)
    assert found["clark"] <= found["canberra"] + 1e-9 and found["canberra"] <= 4 + 1e-9
    assert 0 <= found["cosine"] <= 1 + 1e-9 and 0 <= found["chebyshev"] <= 1


def test_windows_then_videos():
    truth = np.array([ONE, ONE, OTHER, [np.nan] * 3, [np.nan] * 3])
    guess = np.array([ONE, OTHER, OTHER, ONE, ONE])
    rows = per_window(truth, guess)
    np.testing.assert_array_equal(rows["chebyshev"], [0, 1, 0, np.nan, np.nan])
    found = averaged(truth, guess, ["a", "a", "b", "b", "c"])
    assert found["chebyshev"] == (0.5 + 0) / 2  # c has no window that counts
    assert found["intersection"] == (0.5 + 1) / 2
    assert all(np.isnan(v) for v in averaged(truth[3:], guess[3:], ["a", "b"]).values())
