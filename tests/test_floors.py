"""Floors against scikit-learn's kernel ridge, and on data where what they can know is known."""

import numpy as np
import pytest

from affectjax import floors, metrics
from affectjax.data import splits


@pytest.mark.parametrize("width", [0.0, 0.25, 4.0])
def test_a_probe_is_kernel_ridge(monkeypatch, width):
    ridge = pytest.importorskip("sklearn.kernel_ridge")
    random = np.random.default_rng(0)
    x, z = random.normal(size=(40, 6)), random.normal(size=(9, 6))
    targets = random.normal(size=(40, 3))
    monkeypatch.setattr(floors, "_chosen", lambda *_: (width, 0.7))
    found = floors._probe(x, z, targets, None, ())
    settings = {"kernel": "rbf", "gamma": width / 6} if width else {"kernel": "linear"}
    scale = 1.0 if width else 6.0  # ours is the mean over columns
    theirs = ridge.KernelRidge(alpha=0.7 * scale, **settings)
    theirs.fit(x, targets - targets.mean(0))
    np.testing.assert_allclose(found, theirs.predict(z) + targets.mean(0), atol=1e-9)


def test_the_choice_is_the_best_of_a_plain_search():
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 4))
    targets = np.sin(2 * x[:, :1]) + 0.3 * random.normal(size=(60, 1))
    groups = np.repeat([f"film{i}" for i in range(20)], 3)

    best, chosen = np.inf, None
    for width in floors.WIDTHS:
        for ridge in floors.RIDGES:
            guess = np.zeros((60, 1))
            for out in splits.by_group(groups, (1.0,) * floors.FOLDS, 0):
                kept = [i for i in range(60) if i not in out]
                middle = targets[kept].mean(0)
                inner = floors.kernel(x[kept], x[kept], width) + ridge * np.eye(len(kept))
                weights = np.linalg.solve(inner, targets[kept] - middle)
                guess[out] = floors.kernel(x[out], x[kept], width) @ weights + middle
            error = np.square(guess - targets).mean()
            if error < best:
                best, chosen = error, (width, ridge)
    assert floors._chosen(x, targets, groups, floors.WIDTHS) == chosen


def clips(random, count, binding=False):
    """Pooled statistics of two modalities and the label that they tell."""
    label = random.integers(3, size=count)
    image, audio = random.normal(size=(2, count, 8))
    if binding:  # the label is told by the sign of a product alone
        image[:, 0], audio[:, 0] = random.choice([-2.0, 2.0], size=(2, count))
        label = (image[:, 0] * audio[:, 0] > 0).astype(int)
    else:
        image[:, 0] += 2.0 * (label == 1)
        audio[:, 0] += 2.0 * (label == 2)
    return {"image": image, "audio": audio}, label


def scored(found, label, classes):
    names = [str(i) for i in range(classes)]
    return {k: metrics.classification(v, label, names)["accuracy"] for k, v in found.items()}


def test_every_floor_knows_what_it_can_know():
    random = np.random.default_rng(2)
    (train, label), (test, truth) = clips(random, 200), clips(random, 600)
    groups = [f"source{i // 2}" for i in range(200)]
    found = floors.of_classes(train, label, groups, test, 3)
    accuracy = scored(found, truth, 3)
    assert accuracy["majority class"] == np.mean(truth == np.bincount(label).argmax())
    assert accuracy["linear probe"] > 0.68
    assert accuracy["RBF probe"] > 0.66
    assert accuracy["late fusion of RBF probes"] > 0.66


def test_a_product_of_modalities_is_for_the_joint_gaussian_alone():
    random = np.random.default_rng(3)
    (train, label), (test, truth) = clips(random, 200, True), clips(random, 300, True)
    accuracy = scored(floors.of_classes(train, label, range(200), test, 2), truth, 2)
    assert accuracy["RBF probe"] > 0.9
    assert accuracy["linear probe"] < 0.65
    assert accuracy["late fusion of RBF probes"] < 0.65


def test_values_are_each_fitted_on_their_own_clips():
    random = np.random.default_rng(4)
    train, test = ({"image": random.normal(size=(n, 5))} for n in (120, 80))
    truth = np.stack([train["image"][:, 0], -train["image"][:, 1]], 1)
    truth[:40, 1] = np.nan
    found = floors.of_values(train, truth, range(120), test)
    np.testing.assert_allclose(found["training mean"][0], np.nanmean(truth, 0))
    assert np.corrcoef(found["linear probe"][:, 0], test["image"][:, 0])[0, 1] > 0.99
    assert np.corrcoef(found["linear probe"][:, 1], -test["image"][:, 1])[0, 1] > 0.99
    assert "late fusion of RBF probes" not in found  # of one modality there is nothing to fuse


def test_a_large_training_set_is_searched_on_a_part_and_fitted_whole(monkeypatch):
    random = np.random.default_rng(5)
    (train, label), (test, truth) = clips(random, 300), clips(random, 200)
    seen = []
    plain = floors.kernel
    monkeypatch.setattr(floors, "kernel", lambda a, b, w: seen.append(len(b)) or plain(a, b, w))
    monkeypatch.setattr(floors, "CHOOSE_ON", 100)
    accuracy = scored(floors.of_classes(train, label, range(300), test, 3), truth, 3)
    assert set(seen) == {100, 300}
    assert accuracy["RBF probe"] > 0.6


def test_missing_modalities_and_unknown_labels_are_not_faked():
    def record(rows):
        return {
            "features": {"image": np.full((rows, 2), 3.0, np.float16), "audio": np.zeros((4, 1))}
        }

    found = floors.pooled([record(2), record(0)], ("image", "audio"))
    np.testing.assert_array_equal(found["image"][0], [3, 3, 0, 0])
    assert np.isnan(found["image"][1]).all() and found["audio"].shape == (2, 2)
    random = np.random.default_rng(6)
    train, label = clips(random, 60)
    train["image"][::7] = np.nan
    test, _ = clips(random, 10)
    test["audio"][3] = np.nan
    label[:5] = -1
    kept = {name: rows[5:] for name, rows in train.items()}
    with_unknown = floors.of_classes(train, label, range(60), test, 3)
    without = floors.of_classes(kept, label[5:], range(5, 60), test, 3)
    for name, scores in with_unknown.items():
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(scores, without[name])


def test_a_large_training_set_of_few_groups_is_cut_into_no_more_parts_than_groups(monkeypatch):
    random = np.random.default_rng(8)
    (train, label), (test, _) = clips(random, 120), clips(random, 10)
    monkeypatch.setattr(floors, "CHOOSE_ON", 40)
    for count in (1, 2):
        found = floors.of_classes(train, label, [f"film{i % count}" for i in range(120)], test, 3)
        assert np.isfinite(found["RBF probe"]).all()


def test_one_group_alone_is_fitted_without_a_search():
    random = np.random.default_rng(7)
    train, label = clips(random, 30)
    found = floors.of_classes(train, label, ["film"] * 30, train, 3)
    assert np.isfinite(found["RBF probe"]).all()
