"""What is written is read by others: TensorFlow's own reader, and plain TFDS."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from affectjax.data import records

SPEC = records.Spec(modalities={"image": 3}, comments=True, label_names=("joy", "fear"))


def clip(i: int) -> dict:
    rng = np.random.default_rng(i)
    return {
        "id": f"clip{i}", "group": "g", "start": 0.0, "duration": 2.0,
        "features": {"image": rng.normal(size=(4, 3))},
        "comments": {"word": ["好", "sad"] * i, "length": [2] * i, "time": [0.5] * i,
                     "emotional": [0, 1] * i},
        "label": i % 2,
    }  # fmt: skip


def written(folder, format):
    records.write(folder, "demo", SPEC, {"train": map(clip, range(7))}, format=format, shards=2)
    source = records.open_dataset(folder).split("train")
    return [source[i] for i in range(7)]


def check(theirs, ours):
    assert theirs["id"].decode() == ours["id"] and int(theirs["label"]) == ours["label"]
    np.testing.assert_array_equal(theirs["features"]["image"], ours["features"]["image"])
    np.testing.assert_array_equal(theirs["comments"]["time"], ours["comments"]["time"])
    assert [w.decode() for w in theirs["comments"]["word"]] == ours["comments"]["word"]


def test_tfrecord_is_read_by_tensorflow(tmp_path):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    ours = written(tmp_path / "d", "tfrecord")
    raw = list(tf.data.TFRecordDataset(sorted(map(str, (tmp_path / "d").glob("*-of-*")))))
    assert len(raw) == 7
    example = tf.train.Example.FromString(raw[3].numpy())
    assert example.features.feature["id"].bytes_list.value[0] == b"clip3"
    theirs = tfds.builder_from_directory(tmp_path / "d").as_dataset(split="train")
    found = {str(row["id"].decode()): row for row in tfds.as_numpy(theirs)}
    for one in ours:
        check(found[one["id"]], one)


def test_array_record_is_read_by_plain_tfds(tmp_path):
    ours = written(tmp_path / "d", "array_record")
    source = tfds.builder_from_directory(tmp_path / "d").as_data_source(split="train")
    assert len(source) == 7
    for theirs, one in zip(source, ours):
        check(theirs, one)
