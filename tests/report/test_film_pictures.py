"""Pictures of films: the right seconds, the best and the worst film; t-SNE keeps neighbours."""

import csv
import shutil

import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.report import clip_pictures, film_pictures, gallery, runs
from tests.report import workdirs


@pytest.fixture
def run(tmp_path):
    """A run of three films, the second of which is predicted worst and the last not annotated."""
    with open(tmp_path / "predictions_test.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "group", "prediction_valence", "second", "truth_valence"])
        for film, error in (("a", 0.1), ("b", 0.5), ("c", 0.0)):
            for second in range(40):
                truth = np.sin(second / 9) if film != "c" and second > 4 else float("nan")
                guess = np.sin(second / 9) + error
                table.writerow([f"{film}@{second // 10:04d}", film, guess, second, truth])
    return tmp_path


def test_curves_are_read_and_the_best_and_the_worst_found(run):
    found = film_pictures.of_run(run / "predictions_test.csv", "valence")
    assert [*found] == ["a", "b", "c"] and np.isnan(found["a"].truth[:5]).all()
    np.testing.assert_array_equal(found["b"].seconds, np.arange(40))
    assert found["b"].error == pytest.approx(0.25) and np.isnan(found["c"].error)
    assert film_pictures.best_and_worst(found) == ("a", "b")
    with pytest.raises(UserError, match="no film has a truth"):
        film_pictures.best_and_worst({"c": found["c"]})
    with pytest.raises(UserError, match="no arousal"):
        film_pictures.of_run(run / "predictions_test.csv", "arousal")
    with pytest.raises(UserError, match="cannot be read"):
        film_pictures.of_run(run / "other.csv", "valence")


def test_the_picture_shows_the_truth_and_every_model(run):
    curve = film_pictures.of_run(run / "predictions_test.csv", "valence")["a"]
    fig = film_pictures.against({"one": curve, "other": curve}, "valence", "a")
    lines = {line.get_label(): line for line in fig.axes[0].get_lines()}
    np.testing.assert_array_equal(lines["truth"].get_ydata(), curve.truth)
    for name in ("one", "other"):
        np.testing.assert_array_equal(lines[name].get_ydata(), curve.prediction)
    best, worst = film_pictures.figures({"one": run}, "valence")
    assert (best[0], worst[0]) == ("film valence best", "film valence worst")
    assert worst[1].axes[0].get_title(loc="left") == "b, MSE 0.250"


def test_every_point_has_as_many_neighbours_as_asked():
    x = np.random.default_rng(0).standard_normal((60, 5)) * np.linspace(1, 4, 60)[:, None]
    found = clip_pictures.likeness(x, 10.0)
    assert found.sum() == pytest.approx(1) and (found == found.T).all()
    np.testing.assert_allclose(
        clip_pictures.squares(x), np.square(x[:, None] - x).sum(-1), atol=1e-9
    )
    even = clip_pictures.likeness(np.eye(12), 8.0)  # all points equally far: no one is nearer
    np.testing.assert_allclose(even[~np.eye(12, dtype=bool)], 1 / (12 * 11))


def test_neighbours_stay_neighbours():
    rng = np.random.default_rng(1)
    kind = np.repeat([0, 1, 2], 25)
    x = rng.standard_normal((75, 8)) + 12 * np.eye(3, 8)[kind]
    y = clip_pictures.tsne(x, 10.0)
    apart = np.square(y[:, None] - y).sum(-1) + np.diag(np.full(75, np.inf))
    assert np.mean(kind[apart.argmin(1)] == kind) == 1.0
    np.testing.assert_array_equal(clip_pictures.tsne(x, 10.0), y)
    fig = clip_pictures.plane(y, kind - 1.0, "valence")
    assert [len(dots.get_offsets()) for dots in fig.axes[0].collections] == [25, 50]


def test_runs_along_films_have_their_pictures_among_those_of_the_paper(run, tmp_path):
    model = {"name": "lstc", "task": "values", "outputs": ["valence"]}
    given = []
    for i, variants in enumerate(("", "intra")):
        folder = tmp_path / str(i)
        made = {"seed-0": {"metrics": {"mse": 0.1}}}
        workdirs.write(
            folder, variants, made, ("films", "d"), config="lstc", exported={"model": model}
        )
        shutil.copy(run / "predictions_test.csv", folder / "seed-0")
        given.append(runs.read(folder))
    assert [*gallery.followed(given)[("d", "valence")]] == ["lstc", "lstc intra"]
    assert gallery.write(tmp_path, [], given, {}) == [
        "film_valence_best.png", "film_valence_worst.png",
    ]  # fmt: skip
    assert (tmp_path / "film_valence_worst.png").read_bytes().startswith(b"\x89PNG")
