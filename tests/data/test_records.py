"""What goes into a dataset folder comes out, under both formats, or an error says why not."""

import json
import pathlib
import random
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_datasets.core import example_parser

from affectjax.data import records, schema
from affectjax.data.schema import Spec
from affectjax.errors import BadRecord, UserError

FORMATS = ["tfrecord", "array_record"]
FULL = Spec(
    modalities={"image": 4, "audio": 3},
    comments=True,
    label_names=("joy", "fear"),
    value_names=("valence", "arousal"),
    distribution_names=("joy", "fear", "anger"),
    segments=True,
    frames=True,
    mfcc=5,
)
PLAIN = Spec(modalities={"image": 16}, comments=True, label_names=("joy", "fear"))


def full(i: int, rng: np.random.Generator) -> dict:
    """A record of FULL, every part given, in the types that reading gives."""
    rows, comments = int(rng.integers(0, 4)), int(rng.integers(0, 4))
    length = rng.integers(1, 4, comments).astype(np.int32)
    values = rng.standard_normal((rows, 2)).astype(np.float32)
    values[rng.random((rows, 2)) < 0.3] = np.nan
    return {
        "id": f"clip/{i}",
        "group": f"电影{i // 3}",
        "start": float(rng.random() * 7200),
        "duration": float(rng.random() * 60),
        "features": {
            "image": rng.standard_normal((rows, 4)).astype(np.float16),
            "audio": rng.standard_normal((rows + 1, 3)).astype(np.float16),
        },
        "rate": {"image": 30 / 16, "audio": 1 / 0.96},
        "comments": {
            "word": [f"好{k}" for k in rng.integers(0, 9, length.sum())],
            "length": length,
            "time": rng.random(comments).astype(np.float32),
            "emotional": rng.integers(0, 2, length.sum()).astype(np.uint8),
        },
        "label": int(rng.integers(-1, 2)),
        "values": values,
        "values_time": rng.random(rows).astype(np.float32),
        "distribution": rng.random((rows, 3)).astype(np.float32),
        "distribution_time": rng.random(rows).astype(np.float32),
        "segments": rng.random((rows, 3)).astype(np.float32),
        "frames": [rng.bytes(5) for _ in range(rows)],
        "frames_time": rng.random(rows).astype(np.float32),
        "mfcc": rng.random((rows, 5)).astype(np.float32),
    }


def plain(i: int) -> dict:
    rng = np.random.default_rng(i)
    length = rng.integers(1, 5, 6)
    return {
        "id": f"clip{i:03d}",
        "group": f"film{i // 3}",
        "start": 10.0 * i,
        "duration": 27.0 + i,
        "features": {"image": rng.standard_normal((20, 16)).astype(np.float16)},
        "rate": {"image": 1.875},
        "comments": {
            "word": [f"w{k}" for k in rng.integers(0, 30, length.sum())],
            "length": length,
            "time": rng.random(6) * 27,
            "emotional": rng.integers(0, 2, length.sum()),
        },
        "label": i % 2,
    }


def write(folder, format="tfrecord", train=12, test=3, **more) -> str:
    splits = {"train": map(plain, range(train)), "test": map(plain, range(train, train + test))}
    return records.write(folder, "demo", PLAIN, splits, format=format, **more)


def leaves(value, path=""):
    """(path, comparable value) of every leaf of a record, with its type."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key], f"{path}/{key}")
    elif isinstance(value, np.ndarray):
        yield path, (value.dtype, value.shape, value.tobytes())
    else:
        yield path, (type(value), value)


def everything(folder) -> list:
    """All that a dataset tells, split by split and record by record."""
    dataset = records.open_dataset(folder)
    told = [("spec", dataset.spec), ("facts", dataset.metadata), ("words", dataset.words())]
    for name in dataset.splits:
        source = dataset.split(name)
        for key in ("ids", "groups", "labels", "durations", "comments"):
            told.append((key, list(getattr(source.index, key))))
        told += [leaf for i in range(len(source)) for leaf in leaves(source[i])]
    return told


# --- one record


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_record_comes_back_as_it_was(seed):
    record = full(seed, np.random.default_rng(seed))
    data = schema.encode(FULL, record)
    assert list(leaves(schema.decode(FULL, data))) == list(leaves(record))
    assert schema.encode(FULL, dict(reversed(record.items()))) == data


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_parser_of_tfds_reads_the_same(seed):
    features = schema.features_dict(FULL)
    data = schema.encode(FULL, full(seed, np.random.default_rng(seed)))
    parser = example_parser.ExampleParserNp(features.get_serialized_info())
    theirs, ours = features.decode_example_np(parser.parse_example(data)), schema.decode(FULL, data)
    for key, field in FULL.fields.items():
        parent, _, name = key.rpartition("/")
        a, b = (theirs[parent][name], ours[parent][name]) if parent else (theirs[name], ours[name])
        if field.kind in ("text", "texts"):
            b = b.encode() if field.kind == "text" else [word.encode() for word in b]
        if isinstance(b, np.ndarray):
            assert np.asarray(a).dtype == b.dtype and np.asarray(a).shape == b.shape
        if isinstance(b, list):  # as objects: NumPy's own bytes lose zeros at their end
            a, b = np.array(a, object), np.array(b, object)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=key)


def test_what_a_clip_lacks_has_no_rows():
    record = {"id": "a", "group": "g", "start": 0.0, "duration": 2.5}
    got = schema.decode(FULL, schema.encode(FULL, record))
    assert {m: x.shape for m, x in got["features"].items()} == {"audio": (0, 3), "image": (0, 4)}
    assert got["rate"] == {"audio": 1.0, "image": 1.0}
    assert got["comments"]["word"] == [] and got["comments"]["length"].shape == (0,)
    assert got["label"] == -1 and got["frames"] == []
    shapes = {"values": (0, 2), "distribution": (0, 3), "segments": (0, 3), "mfcc": (0, 5)}
    assert {key: got[key].shape for key in shapes} == shapes
    bare = schema.decode(Spec(), schema.encode(Spec(), record))
    assert bare == {**record, "features": {}, "rate": {}}


def test_arrays_cannot_be_written_to():
    got = schema.decode(PLAIN, schema.encode(PLAIN, plain(0)))
    with pytest.raises(ValueError):
        got["features"]["image"][0, 0] = 1


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda r: r.update(smell=1), "smell is not in the spec"),
        (lambda r: r["features"].update(smell=[]), "features/smell is not in the spec"),
        (lambda r: r.pop("group"), "group is missing"),
        (lambda r: r.update(id=""), "cannot be empty"),
        (lambda r: r.update(id=7), "7 is not text"),
        (lambda r: r.update(id="\udcff"), "surrogates"),
        (lambda r: r.update(label=2), "label is 2 of 2"),
        (lambda r: r.update(label=0.5), "does not fit into int64"),
        (lambda r: r.update(duration=np.nan), "duration has a value that is not finite"),
        (lambda r: r["rate"].update(image=0), "rate/image is 0"),
        (lambda r: r["features"].update(image=np.zeros((2, 5))), r"has shape \(2, 5\), .*\(n, 4\)"),
        (lambda r: r["features"].update(image=np.zeros(4)), r"has shape \(4,\)"),
        (
            lambda r: r["features"].update(image=np.full((1, 4), 1e6)),
            "features/image .* not finite",
        ),
        (lambda r: r["features"].update(image=np.full((1, 4), np.nan)), "not finite"),
        (
            lambda r: r.update(values=np.full((1, 2), np.inf), values_time=[0]),
            "values .* not finite",
        ),
        (lambda r: r.update(values_time=[0, 1, 2, 3, 4]), "5 values_time"),
        (lambda r: r.update(frames_time=[0, 1, 2, 3, 4]), "5 frames_time"),
        (lambda r: r["comments"].update(word=["a"] * 50), "does not add up"),
        (lambda r: r["comments"].update(time=[0.0] * 9), "9 times"),
        (lambda r: r["comments"].pop("emotional"), "0 comments/emotional"),
        (lambda r: r["comments"].update(emotional=np.full(6, 2)), "neither 0 nor 1"),
        (lambda r: r["comments"].update(emotional=np.full(6, 256)), "does not fit into uint8"),
        (lambda r: r["comments"].update(length=[6, 0], time=[0, 0]), "a comment has no words"),
        (lambda r: r["comments"].update(word=["a", "b\tc", *"defg"]), "white space"),
        (lambda r: r["comments"].update(word=["a", "", *"defg"]), "is empty"),
    ],
)
def test_an_unfit_record_is_refused_and_nothing_is_left(change, why, tmp_path):
    record = full(0, np.random.default_rng(0))
    record["comments"] = {
        "word": list("abcdef"),
        "length": [2, 4],
        "time": [0.0, 1.0],
        "emotional": [0, 1, 0, 0, 0, 1],
    }
    change(record)
    good = full(1, np.random.default_rng(1))
    with pytest.raises(UserError, match=why) as caught:
        records.write(tmp_path / "d", "demo", FULL, {"train": [good, record]})
    assert "record 1" in caught.value.where and list(tmp_path.iterdir()) == []


def test_a_spec_goes_through_json():
    assert Spec.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert list(FULL.modalities) == ["audio", "image"]


# --- a folder


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_gives_back_its_records_in_order(format, tmp_path):
    given = [full(i, np.random.default_rng(i)) for i in range(11)]
    splits = {"train": iter(given[:9]), "test": given[9:]}
    facts = {"modalities": {"image": {"rate": 1.875}}, "settings": {"cut": (1, 2)}}
    digest = records.write(
        tmp_path / "a/b", "demo", FULL, splits, format=format, shards={"train": 4}, metadata=facts
    )
    dataset = records.open_dataset(tmp_path / "a/b")
    assert (dataset.name, dataset.digest, dataset.spec) == ("demo", digest, FULL)
    assert dataset.splits == {"train": 9, "test": 2}
    assert dataset.metadata["settings"] == {"cut": [1, 2]}
    assert dataset.metadata["format"] == format and len(dataset.shards["train"]) == 4
    read = [source[i] for source in map(dataset.split, dataset.splits) for i in range(len(source))]
    expected = given[:9] + given[9:] if [*dataset.splits][0] == "train" else given[9:] + given[:9]
    assert [list(leaves(record)) for record in read] == [list(leaves(r)) for r in expected]
    train = dataset.split("train")
    assert train.ids == [r["id"] for r in given[:9]]
    assert train.groups == [r["group"] for r in given[:9]]
    assert train.labels.tolist() == [r["label"] for r in given[:9]]
    assert train.durations.tolist() == [r["duration"] for r in given[:9]]
    assert train.index.comments.tolist() == [len(r["comments"]["length"]) for r in given[:9]]


@pytest.mark.parametrize("format", FORMATS)
def test_equal_records_give_equal_bytes(format, tmp_path):
    assert write(tmp_path / "a", format, shards=2) == write(tmp_path / "b", format, shards=2)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    assert write(tmp_path / "c", format, train=11) != write(tmp_path / "d", format)


def test_both_formats_hold_the_same(tmp_path):
    for format in FORMATS:
        write(tmp_path / format, format, shards=3)
    told = [dict(enumerate(everything(tmp_path / format))) for format in FORMATS]
    differing = {a[0] for a, b in zip(told[0].values(), told[1].values()) if a != b}
    assert differing == {"facts"} and len(told[0]) == len(told[1])


def test_tfds_opens_the_folder_and_reads_array_record(tmp_path):
    for format in FORMATS:
        write(tmp_path / format, format, shards=2)
        builder = tfds.builder_from_directory(tmp_path / format)
        assert builder.info.splits["train"].num_examples == 12
        assert builder.info.metadata["format"] == format
        assert set(builder.info.features) == {key.partition("/")[0] for key in PLAIN.fields}
    ours = records.open_dataset(tmp_path / "array_record").split("train")
    for i, theirs in enumerate(builder.as_data_source("train")):
        assert theirs["id"].decode() == ours[i]["id"]
        np.testing.assert_array_equal(theirs["features"]["image"], ours[i]["features"]["image"])


def test_words_are_counted_over_train_alone(tmp_path):
    write(tmp_path / "d")
    counts, emotional = {}, {}
    for i in range(12):
        comments = plain(i)["comments"]
        for word, flag in zip(comments["word"], comments["emotional"]):
            counts[word] = counts.get(word, 0) + 1
            emotional[word] = emotional.get(word, 0) + int(flag)
    expected = sorted(
        ((w, n, emotional[w]) for w, n in counts.items()), key=lambda r: (-r[1], r[0])
    )
    assert records.open_dataset(tmp_path / "d").words() == expected


def test_a_shard_holds_about_the_stated_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "SHARD_BYTES", 3000)
    write(tmp_path / "d")
    dataset = records.open_dataset(tmp_path / "d")
    (size,) = {round(sum(dataset.split("train").index.bytes) / 3000 + 0.5)}
    assert len(dataset.shards["train"]) == size > 1


# --- damage


@pytest.mark.parametrize("format", FORMATS)
def test_a_flipped_bit_is_an_error_or_changes_nothing(format, tmp_path):
    folder = tmp_path / "d"
    write(folder, format, shards=2)
    expected = everything(folder)
    files = sorted(folder.iterdir())
    assert {"features.json", "words.tsv", "index_train.json"} < {path.name for path in files}
    chance = random.Random(0)
    errors = {}
    for flip in range(160):
        path = files[flip % len(files)]
        raw = path.read_bytes()
        # array_record pads its files; most of a small one is not read at all
        used = [i for i, byte in enumerate(raw) if byte]
        place = chance.choice(used) if flip // len(files) % 2 else chance.randrange(len(raw))
        changed = bytearray(raw)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            same = everything(folder) == expected
        except (BadRecord, UserError):
            errors[path.name] = errors.get(path.name, 0) + 1
        else:
            assert same, f"{path.name}, byte {place}: silently another dataset"
        path.write_bytes(raw)
    assert everything(folder) == expected
    assert set(errors) == {path.name for path in files}  # none of them goes unwatched
    if format == "tfrecord":
        assert sum(errors.values()) == 160


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.5])
def test_a_cut_shard_is_a_bad_record(format, share, tmp_path):
    write(tmp_path / "d", format)
    dataset = records.open_dataset(tmp_path / "d")
    path = tmp_path / "d" / dataset.shards["train"][0][0]
    raw = path.read_bytes()
    path.write_bytes((raw * 2)[: int(len(raw) * share)])
    with pytest.raises(BadRecord) as caught:
        dataset.split("train")[4]
    assert (caught.value.file, caught.value.record) == (str(path), 4)
    assert len(dataset.split("test")[0]["id"])


def test_metadata_that_was_edited_is_refused(tmp_path):
    write(tmp_path / "d")
    path = tmp_path / "d/metadata.json"
    facts = json.loads(path.read_text())
    for change in ({"format": "array_record"}, {"spec": {}}, {"digest": "0"}, {"tfds": {}}):
        path.write_text(json.dumps({**facts, **change}, sort_keys=True, indent=1) + "\n")
        with pytest.raises(UserError, match=r"metadata.json is damaged"):
            records.open_dataset(tmp_path / "d")
    path.write_text(json.dumps({**facts, "schema": 99}))
    with pytest.raises(UserError, match="schema 99, this version reads 1"):
        records.open_dataset(tmp_path / "d")


# --- what a person can do wrong


def test_folders_that_are_no_dataset(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/readme.txt").write_text("x")
    cases = {"nowhere": "does not exist", "empty": "is empty", "file": "is not a folder"}
    for name, what in {**cases, "other": "is no dataset: metadata.json is missing"}.items():
        with pytest.raises(UserError, match=what) as caught:
            records.open_dataset(tmp_path / name)
        assert "python -m data_prep.build" in caught.value.mend
        assert caught.value.where == str(tmp_path / name)


def test_what_a_dataset_does_not_have(tmp_path):
    record = {"id": "a", "group": "g", "start": 0, "duration": 1}
    records.write(tmp_path / "d", "demo", Spec(), {"train": [record]})
    dataset = records.open_dataset(tmp_path / "d")
    with pytest.raises(UserError, match="no split 'dev'.*one of: train"):
        dataset.split("dev")
    with pytest.raises(UserError, match="has no comments"):
        dataset.words()
    (tmp_path / "d" / dataset.shards["train"][0][0]).unlink()
    with pytest.raises(UserError, match="shard demo-train.tfrecord-00000-of-00001 is missing"):
        dataset.split("train")


def test_requests_that_make_no_dataset(tmp_path):
    record = {"id": "a", "group": "g", "start": 0, "duration": 1}
    one = {"train": [record]}
    for arguments, what in [
        (("demo", Spec(), one, "csv"), "no format 'csv'.*tfrecord or array_record"),
        (("De mo", Spec(), one), "'De mo' cannot be a name"),
        (("demo", Spec(), {"a-b": [record]}), "'a-b' cannot be a name"),
        (("demo", Spec({"a/b": 1}), one), "'a/b' cannot name a modality"),
        (("demo", Spec(), {}), "needs a split"),
        (("demo", Spec(), {"train": []}), "train has no records"),
        (("demo", Spec(), {"train": [record], "test": [record]}), "stands twice"),
    ]:
        with pytest.raises(UserError, match=what):
            records.write(tmp_path / "d", *arguments[:3], format=[*arguments, "tfrecord"][3])
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(tmp_path):
    digest = write(tmp_path / "d")
    with pytest.raises(UserError, match="folder exists"):
        write(tmp_path / "d", train=5)
    assert records.open_dataset(tmp_path / "d").digest == digest
    assert write(tmp_path / "d", train=5, overwrite=True) != digest
    assert records.open_dataset(tmp_path / "d").splits["train"] == 5
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("x")
    with pytest.raises(UserError, match="holds no dataset"):
        write(tmp_path / "letters", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "letters"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("limit", [5_000, 12_600])  # while spooling, while cutting shards
def test_a_full_disk_leaves_what_was_there(format, limit, tmp_path):
    digest = write(tmp_path / "d", format)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(UserError, match="cannot be written: .*too large.*Free space"):
            write(tmp_path / "d", format, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert records.open_dataset(tmp_path / "d").digest == digest


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=re.escape(f"cannot be written: File exists ({tmp_path}")):
        write(tmp_path / "file/d")


def test_a_builder_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield plain(0)
        raise OSError("the video is gone")  # the builder's own trouble, not the disk's

    with pytest.raises(OSError, match="the video is gone"):
        records.write(tmp_path / "d", "demo", PLAIN, {"train": broken()})
    assert list(tmp_path.iterdir()) == []


def test_reading_starts_no_accelerator(tmp_path):
    write(tmp_path / "d")
    code = (
        "import sys\n"
        "from affectjax.data import records\n"
        "print(records.open_dataset('d').split('train')[3]['id'])\n"
        "bridge = sys.modules.get('jax._src.xla_bridge')\n"
        "assert bridge is None or not bridge._backends\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    root = pathlib.Path(records.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": ""},
    )  # fmt: skip
    assert done.stdout == "clip003\n", done.stderr
