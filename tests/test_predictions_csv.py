"""The predictions of a test part as a table: pandas reads it as it is."""

import numpy as np
import pytest

from affectjax import evaluate


class Source:
    ids = ("clip-1", "clip-2", 'with, a comma and a "quote"')
    groups = ("film-a", "film-a", "film-b")


def test_pandas_reads_numbers_names_and_gaps(tmp_path):
    pandas = pytest.importorskip("pandas")
    probability = np.array([[0.25, 0.75], [0.5, 0.5], [1 / 3, 2 / 3]], np.float32)
    arrays = {"probability": probability, "label": np.array([1, -1, 0]),
              "truth": np.array([[0.5], [np.nan], [1e-12]], np.float32)}  # fmt: skip
    names = {"probability": ("joy", "fear"), "truth": ("arousal",)}
    path = tmp_path / "predictions_test.csv"
    evaluate.write_predictions(path, list(Source.ids), Source, arrays, names)
    table = pandas.read_csv(path)
    assert list(table.columns) == ["id", "group", "label", "probability_joy", "probability_fear",
                                   "truth_arousal"]  # fmt: skip
    assert list(table["id"]) == list(Source.ids) and list(table["group"]) == list(Source.groups)
    assert table["label"].dtype.kind == "i" and list(table["label"]) == [1, -1, 0]
    read = table[["probability_joy", "probability_fear"]].to_numpy(np.float32)
    assert (read == probability).all()  # nine digits hold a float32
    assert np.isnan(table["truth_arousal"][1]) and table["truth_arousal"].dtype.kind == "f"
