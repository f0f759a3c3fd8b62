"""Clips that another part nearly repeats are found, and left out of training on request."""

import numpy as np
import pytest

from affectjax.data import load, records, repeats
from affectjax.errors import BadRecord, UserError

WIDTHS = {"image": 6, "audio": 3}


def clip(name: str, rng, like=None, noise: float = 1.0) -> dict:
    """A record of random rows, or of another's with noise."""
    features = {}
    for m, width in WIDTHS.items():
        start = rng.normal(size=width) if like is None else like["features"][m].mean(0)
        features[m] = (start + noise * rng.normal(size=(5, width))).astype(np.float32)
    return {
        "id": name, "group": name, "start": 0.0, "duration": 5.0,
        "features": features, "rate": dict.fromkeys(WIDTHS, 1.0), "label": 0,
    }  # fmt: skip


def parts(n: int = 11, m: int = 7, seed: int = 0) -> tuple[list, list]:
    """Training and test clips; the test's clip k repeats the training's clip k + 2 for k < 3."""
    rng = np.random.default_rng(seed)
    train = [clip(f"a{i}", rng, noise=0.1) for i in range(n)]
    again = [clip(f"b{k}", rng, train[k + 2], 0.05) for k in range(3)]
    return train, again + [clip(f"b{k}", rng, noise=0.1) for k in range(3, m)]


def by_loops(train: list, test: list) -> np.ndarray:
    """The cosines, one pair at a time."""
    vectors = []
    for m, width in WIDTHS.items():
        means = [
            np.float64(c["features"][m]).mean(0) for c in train + test if len(c["features"][m])
        ]
        mean, spread = np.mean(means, 0), np.std(means, 0)
        vectors.append([
            (np.float64(c["features"][m]).mean(0) - mean) / spread / width**0.5
            if len(c["features"][m]) else np.zeros(width)
            for c in train + test
        ])  # fmt: skip
    joined = [np.concatenate(both) for both in zip(*vectors)]
    unit = [v / np.linalg.norm(v) for v in joined]
    return np.array([max(float(a @ b) for b in unit[len(train) :]) for a in unit[: len(train)]])


@pytest.mark.parametrize("chunk", [2, 3, 1024])
def test_the_likest_of_all_pairs(chunk, monkeypatch):
    monkeypatch.setattr(repeats, "CHUNK", chunk)
    train, test = parts()
    test[4]["features"]["audio"] = test[4]["features"]["audio"][:0]
    found = repeats.likeness(train, test)
    np.testing.assert_allclose(found, by_loops(train, test), atol=1e-12)
    assert set(np.flatnonzero(found > 0.97)) == {2, 3, 4}


def test_nothing_is_like_nothing_and_what_cannot_be_read_is_like_no_other():
    train, test = parts()
    np.testing.assert_array_equal(repeats.likeness(train, []), -1)
    assert repeats.likeness([], test).shape == (0,)

    bare = [c | {"features": {}} for c in train]
    with pytest.raises(UserError, match="by their features, and these have none"):
        repeats.likeness(bare, bare)

    class Damaged(list):
        def __getitem__(self, i):
            if i == 3:
                raise BadRecord("x", i, "damaged")
            return super().__getitem__(i)

    assert repeats.likeness(Damaged(train), test)[3] == pytest.approx(0)


def test_training_without_what_the_test_nearly_repeats(tmp_path):
    train, test = parts()
    spec = records.Spec(WIDTHS, label_names=("x",))
    records.write(tmp_path / "set", "set", spec, {"train": train, "test": test})
    where = str(tmp_path / "set")
    found = load.load(where, apart=0.97)
    kept = found.parts
    assert "left out as repeated in test: 3" in found.describe()
    assert list(kept["train"].ids) == [c["id"] for i, c in enumerate(train) if i not in (2, 3, 4)]
    assert len(kept["test"]) == len(test)
    assert len(load.load(where).parts["train"]) == len(train)
    with pytest.raises(UserError, match="needs a test part"):
        load.load(where, apart=0.97, test="")
