"""Statistics of features equal NumPy's, and a dataset's are those of its training split."""

import json

import numpy as np
import pytest

from affectjax.data import moments, records
from affectjax.data.moments import Moments
from affectjax.errors import BadRecord


def test_equal_to_numpy_over_all_rows():
    rng = np.random.default_rng(0)
    pieces = [rng.normal(3, 2, (n, 4)).astype(np.float16) for n in (3, 0, 7, 20)]
    moments = Moments()
    for piece in pieces:
        moments.add({"image": piece})
    table = moments.table()["image"]
    rows = np.concatenate(pieces).astype(np.float64)
    assert table["rows"] == 30
    np.testing.assert_allclose(table["mean"], rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(table["deviation"], rows.std(0), rtol=1e-5)


def test_a_constant_feature_deviates_by_nothing():
    moments = Moments()
    moments.add({"audio": np.full((1000, 1), 0.1, np.float16)})
    assert moments.table()["audio"]["deviation"] == [0.0]


def test_a_dataset_tells_its_training_split_alone(tmp_path):
    def clip(name, value):
        return {"id": name, "group": name, "start": 0.0, "duration": 1.0,
                "features": {"image": np.full((2, 3), value, np.float16)}, "rate": {"image": 2.0},
                "label": 0}  # fmt: skip

    spec = records.Spec(modalities={"image": 3}, label_names=("joy",))
    records.write(tmp_path / "set", "set", spec,
                  {"train": [clip("a", 1), clip("b", 3)], "test": [clip("c", 50)]})  # fmt: skip
    metadata = records.open_dataset(tmp_path / "set").metadata
    assert json.loads(json.dumps(metadata["statistics"]))["image"]["mean"] == [2.0] * 3
    assert metadata["statistics"]["image"]["deviation"] == pytest.approx([1.0] * 3)


def test_a_source_s_own_clips_leave_out_the_unreadable():
    class Source:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            if i == 1:
                raise BadRecord("shard", 1, "damaged")
            return {"features": {"image": np.full((2, 1), float(i))}}

    found = moments.of_source(Source())["image"]
    assert found == {"rows": 4, "mean": [1.0], "deviation": [1.0]}
