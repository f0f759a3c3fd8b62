"""Along films: the moving average by its formula, seconds from clips, scores of each film."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax import films, metrics


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30), st.floats(0, 0.99))
def test_the_moving_average_is_its_sum(values, beta):
    found = films.moving_average(np.array(values)[:, None], beta)[:, 0]
    for i in range(len(values)):
        weights = [beta**i] + [(1 - beta) * beta ** (i - j) for j in range(1, i + 1)]
        assert found[i] == pytest.approx(np.dot(weights, values[: i + 1]), abs=1e-9)
    ahead = np.array([*values, 7.0])[:, None]
    np.testing.assert_array_equal(films.moving_average(ahead, beta)[:-1, 0], found)  # causal


def test_the_moving_average_goes_on_from_where_it_was():
    values = np.random.default_rng(0).random((9, 2))
    whole = films.moving_average(values, 0.98)
    first = films.moving_average(values[:4], 0.98)
    np.testing.assert_allclose(films.moving_average(values[4:], 0.98, first[-1]), whole[4:])


def windows(lengths: dict[str, int], n: int, beta: float):
    """Rows as the model gives them for films of so many clips of 3 seconds, and plain answers."""
    rng = np.random.default_rng(1)
    rows, ids, expected = [], [], []
    for film, count in lengths.items():
        y, truth = rng.random((count, 1)), rng.random((count, 3, 1))
        for first in range(0, count, n):
            start = min(first, max(0, count - n))  # the last window is shifted back to be full
            places = [start + i if start + i < count else -1 for i in range(n)]
            rows.append(
                {
                    "prediction": np.array([y[k] for k in places]),
                    "truth": np.array([truth[k] for k in places]),
                    "clip": np.array(places),
                    "new": np.array([k >= first for k in places]),
                    "length": np.array([2 if k == count - 1 else 3 for k in places]),
                }
            )
            ids.append(films.clip_id(film, first))
        average = y[0, 0]
        for k in range(count):
            average = beta * average + (1 - beta) * y[k, 0]
            for s in range(2 if k == count - 1 else 3):
                expected.append((films.clip_id(film, k), 3 * k + s, average, truth[k, s, 0]))
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}, ids, expected


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_windows_become_seconds_in_order(beta):
    arrays, ids, expected = windows({"b": 9, "a": 4, "one": 1}, 4, beta)
    mixed = [3, 0, 4, 2, 1]  # whatever order the rows come in
    arrays = {key: values[mixed] for key, values in arrays.items()}
    found, names = films.along_films(arrays, [ids[i] for i in mixed], beta)
    rows = list(zip(names, found["second"], found["prediction"][:, 0], found["truth"][:, 0]))
    assert sorted(names) == sorted(row[0] for row in expected)
    for film in ("a", "b", "one"):
        mine = [row for row in rows if row[0].startswith(f"{film}@")]
        theirs = [row for row in expected if row[0].startswith(f"{film}@")]
        assert [row[:2] for row in mine] == [row[:2] for row in theirs]
        np.testing.assert_allclose([r[2:] for r in mine], [r[2:] for r in theirs], rtol=1e-12)


def test_a_clip_that_could_not_be_read_keeps_its_name_and_no_truth():
    arrays, ids, _ = windows({"a": 4}, 4, 0.0)
    blank = {key: np.zeros_like(values) for key, values in arrays.items()}
    blank |= {"clip": blank["clip"] - 1, "truth": blank["truth"] * np.nan}
    both = {key: np.concatenate([arrays[key], blank[key]]) for key in arrays}
    found, names = films.along_films(both, [*ids, "b@0002"], 0.5)
    assert names[-1] == "b@0002" and np.isnan(found["truth"][-1]).all()
    assert np.isfinite(found["truth"][:-1]).all()


def test_films_are_scored_apart_undefined_ones_counted_and_the_worst_named():
    rng = np.random.default_rng(2)
    lengths = {"a": 30, "b": 20, "c": 10, "d": 25, "unlabelled": 5}
    groups = np.repeat(list(lengths), list(lengths.values()))
    truth = rng.random((len(groups), 1))
    truth[groups == "unlabelled"] = np.nan
    guess = truth + 0.1 * rng.standard_normal(truth.shape)
    guess[groups == "c"] = 0.3  # a constant has no correlation
    guess[groups == "b"] += 2.0
    found = films.by_film(guess, truth, groups, ("valence",))
    pcc = [metrics.pcc(guess[groups == f, 0], truth[groups == f, 0]) for f in "abd"]
    mse = [np.mean((guess - truth)[groups == f] ** 2) for f in "abcd"]
    assert found["films"] == 4 and found["films/pcc"] == pytest.approx(np.mean(pcc))
    assert found["films/mse"] == pytest.approx(np.mean(mse))
    assert found["films/undefined_pcc"] == 1 and found["films/undefined_mse"] == 0
    worst = [key.split("/")[1] for key in found if key.startswith("worst/") and "mse" in key]
    assert worst[:2] == ["b", "c"] and len(worst) == films.WORST
    assert found["worst/b/mse"] == pytest.approx(mse[1])
