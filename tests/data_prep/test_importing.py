"""Features that others extracted: every layout and file type, and pickles that try to do harm."""

import json
import os
import pickle
import re
import struct

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from data_prep import arrays, build, importing, unpickle


def run(*words) -> int:
    return build.main(["import", *map(str, words)])


def read(folder) -> dict[str, dict]:
    dataset = records.open_dataset(folder)
    return {
        record["id"]: record | {"split": split}
        for split in dataset.splits
        for record in map(dataset.split(split).__getitem__, range(dataset.splits[split]))
    }


@pytest.fixture
def clips(tmp_path):
    """Four clips with an array of each kind, and a manifest that says everything."""
    rng = np.random.default_rng(0)
    root = tmp_path / "features"
    made = {}
    for m, width in (("image", 4), ("audio", 2)):
        (root / m).mkdir(parents=True)
        for i, name in enumerate("abcd"):
            made[m, name] = rows = rng.normal(size=(3 + i, width)).astype(np.float16)
            stem = root / m / name
            if name == "a":
                np.save(f"{stem}.npy", rows)
            elif name == "b":
                np.savez(f"{stem}.npz", rows)
            elif name == "c":
                lines = [",".join(map(repr, row)) for row in rows.astype(float).tolist()]
                head = ",".join(f"x{k}" for k in range(width))
                stem.with_suffix(".csv").write_text("\n".join([head, *lines]))
            elif m == "image":
                np.savez(f"{stem}.npz", image=rows, other=rows[:1])
    manifest = tmp_path / "clips.csv"
    manifest.write_text(
        "id,group,split,start,end,label,value:valence\n"
        "a,film1,train,0,6,joy,0.5\nb,film1,train,6,12,sad,\nc,film2,test,0,4,joy,-1\nd,,test,,,,2\n"
    )
    return root, manifest, made


def test_a_manifest_and_an_array_for_each_clip(clips, tmp_path):
    root, manifest, made = clips
    out = tmp_path / "d"
    rates = '{"rates": {"image": 0.5}}'
    words = (f"--features={root}", f"--manifest={manifest}", f"--options={rates}")
    assert run(*words, f"--out={out}") == COMPLETE
    found, dataset = read(out), records.open_dataset(out)
    assert dataset.spec.modalities == {"image": 4, "audio": 2}
    assert dataset.spec.label_names == ("joy", "sad") and dataset.spec.value_names == ("valence",)
    assert {n: (r["split"], r["group"], r["label"]) for n, r in found.items()} == {
        "a": ("train", "film1", 0), "b": ("train", "film1", 1), "c": ("test", "film2", 0),
        "d": ("test", "d", -1),
    }  # fmt: skip
    for (m, name), rows in made.items():
        there = 0 if (m, name) == ("audio", "d") else len(rows)
        np.testing.assert_array_equal(found[name]["features"][m], rows[:there])
    assert found["b"]["start"] == 6 and found["b"]["duration"] == 6
    assert found["d"]["duration"] == 12 and found["a"]["rate"] == {"audio": 1.0, "image": 0.5}
    np.testing.assert_array_equal(found["a"]["values"], [[0.5]])
    assert np.isnan(found["b"]["values"]).all()
    page = json.loads((out / "report.json").read_text())
    assert page["notes"] == {"d": ["no audio"]}


def stacks(root, seed=0):
    root.mkdir(exist_ok=True)
    rng, made = np.random.default_rng(seed), {}
    for split, count in (("train", 5), ("test", 3)):
        for m, width in (("video", 3), ("audio", 2)):
            made[m, split] = rows = rng.normal(size=(count, 6, width)).astype(np.float16)
            rows[:, : 2 if m == "video" else 1] = 0
            np.save(root / f"{m}_{split}.npy", rows)
        made["y", split] = rng.integers(1, 6, count).astype(float)
        np.save(root / f"y_{split}.npy", made["y", split])
    return made


def test_stacked_arrays_need_no_manifest(tmp_path):
    made = stacks(tmp_path / "f")
    options = {"values": {"sentiment": "y"}, "padding": "zeros",
               "label": {"value": "sentiment", "above": 3.5, "names": ["low", "high"]}}  # fmt: skip
    words = (f"--features={tmp_path / 'f'}", f"--out={tmp_path / 'd'}")
    assert run(*words, f"--options={json.dumps(options)}") == COMPLETE
    found = read(tmp_path / "d")
    assert len(found) == 8
    for split in ("train", "test"):
        for i, value in enumerate(made["y", split]):
            record = found[f"{split}-{i:05d}"]
            assert record["label"] == int(value > 3.5) and record["values"][0, 0] == value
            np.testing.assert_array_equal(record["features"]["video"], made["video", split][i, 1:])
            np.testing.assert_array_equal(record["features"]["audio"], made["audio", split][i, 1:])


def test_a_manifest_chooses_rows_of_stacked_arrays(tmp_path):
    made = stacks(tmp_path / "f")
    (tmp_path / "m.csv").write_text("id,split,row\nx,train,4\ny,train,0\nz,test,2\n")
    words = (f"--features={tmp_path / 'f'}", f"--manifest={tmp_path / 'm.csv'}")
    options = '--options={"values": {"sentiment": "y"}}'  # y is no modality
    assert run(*words, f"--out={tmp_path / 'd'}", options) == COMPLETE
    found = read(tmp_path / "d")
    np.testing.assert_array_equal(found["x"]["features"]["video"], made["video", "train"][4])
    np.testing.assert_array_equal(found["z"]["features"]["audio"], made["audio", "test"][2])


def test_hdf5_is_read(tmp_path):
    h5py = pytest.importorskip("h5py", reason="HDF5 is read where h5py is installed")
    rows = np.arange(6.0).reshape(3, 2)
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["d1"] = rows
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["deep/audio"], file["other"] = rows, rows[:1]
    np.testing.assert_array_equal(arrays.read(tmp_path / "one.h5"), rows)
    np.testing.assert_array_equal(arrays.read(tmp_path / "two.h5", "deep/audio"), rows)
    with pytest.raises(UserError, match="holds 2 arrays.*deep/audio, other"):
        arrays.read(tmp_path / "two.h5", "audio")


def test_padding_goes_at_the_ends_alone_and_jointly():
    a = np.array([[0], [0], [1], [0], [2], [0]])
    b = np.array([[0], [3], [0], [0], [0], [0]])
    found = importing.unpadded({"a": a, "b": b})
    assert found["a"].ravel().tolist() == [0, 1, 0, 2]
    assert found["b"].ravel().tolist() == [3, 0, 0, 0]
    other = importing.unpadded({"a": a, "b": b[:3]})  # each has a time of its own
    assert other["a"].ravel().tolist() == [0, 0, 1, 0, 2] and len(other["b"]) == 2


@pytest.mark.parametrize(
    ("head", "times", "rows", "left"),
    [
        ("id,start,end", "a,10,16", [0, 0, 3, 4, 5, 6], [0, 0, 3, 4, 5, 6]),
        ("id,end", "a,6", [0, 0, 3, 4, 0, 0], [0, 0, 3, 4]),
        ("id,start", "a,0", [0, 0, 3, 0], [0, 0, 3]),
        ("id,start,end", "a,10,13", [0, 0, 0, 3, 4, 5], [3, 4, 5]),  # padded before the clip
        ("id,start,end", "a,10,13", [0, 0, 0, 0, 4, 5], [0, 4, 5]),
        ("id", "a", [0, 0, 3, 4, 0], [3, 4]),
    ],
)
def test_rows_keep_their_time_where_the_manifest_says_one(head, times, rows, left, tmp_path):
    (tmp_path / "f/m").mkdir(parents=True)
    np.save(tmp_path / "f/m/a.npy", np.array(rows, float)[:, None])
    (tmp_path / "m.csv").write_text(f"{head}\n{times}\n")
    words = (f"--features={tmp_path / 'f'}", f"--manifest={tmp_path / 'm.csv'}")
    assert run(*words, f"--out={tmp_path / 'd'}", '--options={"padding": "zeros"}') == COMPLETE
    assert read(tmp_path / "d")["a"]["features"]["m"].ravel().tolist() == left


def test_a_table_of_targets_becomes_a_modality_only_by_name(tmp_path, capsys):
    root = tmp_path / "f"
    root.mkdir()
    np.save(root / "img_train.npy", np.ones((3, 5, 4)))
    np.save(root / "y_train.npy", np.ones((3, 1)))
    (tmp_path / "m.csv").write_text("id\na\nb\nc\n")
    words = (f"--features={root}", f"--manifest={tmp_path / 'm.csv'}")
    assert run(*words, f"--out={tmp_path / 'd'}") == COMPLETE
    assert "  modalities: img 4\n" in capsys.readouterr().out
    both = '--options={"modalities": ["img", "y"]}'
    assert run(*words, f"--out={tmp_path / 'e'}", both) == COMPLETE
    assert "  modalities: img 4, y 1\n" in capsys.readouterr().out
    (root / "img_train.npy").unlink()
    assert run(*words, f"--out={tmp_path / 'g'}") == BAD_INPUT
    assert "[N, D] is read where the option modalities names it" in capsys.readouterr().err


def test_values_that_are_no_numbers_are_counted(tmp_path):
    (tmp_path / "f/m").mkdir(parents=True)
    np.save(tmp_path / "f/m/a.npy", np.array([[1, np.nan], [-np.inf, 2]]))
    (tmp_path / "m.csv").write_text("id\na\n")
    words = (f"--features={tmp_path / 'f'}", f"--manifest={tmp_path / 'm.csv'}")
    assert run(*words, f"--out={tmp_path / 'd'}") == COMPLETE
    page = json.loads((tmp_path / "d/report.json").read_text())
    assert page["notes"] == {"a": ["2 m: values that are no numbers, now 0"]}


# --- MMSA-FET


def mmsa(path, protocol=4):
    rng = np.random.default_rng(0)
    whole = {}
    for split, count in (("train", 4), ("valid", 2), ("test", 3)):
        whole[split] = {
            "id": [f"{split}$_${i}" for i in range(count)],
            "raw_text": np.array(["some words"] * count, object),
            "audio": rng.normal(size=(count, 5, 3)).astype(np.float32),
            "vision": rng.normal(size=(count, 7, 2)),
            "text_bert": rng.integers(0, 9, (count, 3, 4)),
            "audio_lengths": list(range(2, 2 + count)),
            "vision_lengths": [7] * count,
            "regression_labels": rng.normal(size=count),
            "classification_labels": np.arange(count) % 3,
            "annotations": ["Negative", "Neutral", "Positive", "Positive"][:count],
        }
    path.write_bytes(pickle.dumps(whole, protocol=protocol))
    return whole


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_feature_file_of_mmsa(protocol, tmp_path):
    whole = mmsa(tmp_path / "x.pkl", protocol)
    words = (f"--features={tmp_path / 'x.pkl'}", f"--out={tmp_path / 'd'}")
    assert run(*words, '--options={"labels": ["Negative", "Neutral", "Positive"]}') == COMPLETE
    found, dataset = read(tmp_path / "d"), records.open_dataset(tmp_path / "d")
    assert dataset.spec.modalities == {"audio": 3, "vision": 2}
    assert dataset.splits == {"train": 4, "valid": 2, "test": 3}
    for split, part in whole.items():
        for i, name in enumerate(part["id"]):
            assert found[name]["group"] == split and found[name]["split"] == split
            assert found[name]["label"] == min(i, 2)
            np.testing.assert_array_equal(
                found[name]["features"]["audio"], part["audio"][i, : i + 2].astype(np.float16)
            )
            assert len(found[name]["features"]["vision"]) == 7
            assert found[name]["values"][0, 0] == np.float32(part["regression_labels"][i])


def test_a_missing_class_of_mmsa_is_no_class(tmp_path):
    whole = mmsa(tmp_path / "x.pkl")
    for part in whole.values():
        del part["annotations"]
        part["classification_labels"] = np.array([np.nan, 1, 0, 2][: len(part["id"])])
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(whole))
    assert run(f"--features={tmp_path / 'x.pkl'}", f"--out={tmp_path / 'd'}") == COMPLETE
    assert records.open_dataset(tmp_path / "d").spec.label_names == ("0", "1", "2")
    assert read(tmp_path / "d")["test$_$0"]["label"] == -1


NESTED = ["a"]
for _ in range(18):
    NESTED = [NESTED, NESTED]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("regression_labels", ["high", "low", "high"], "regression_labels are no numbers"),
        ("regression_labels", NESTED, "regression_labels is no plain list"),
        ("annotations", 7, "annotations is no plain list"),
        ("annotations", ["a", {}, "b"], "annotations is no plain list"),
        ("audio_lengths", [1, 2], "audio_lengths are no 3 numbers"),
        ("audio_lengths", [1, -1, 2], "audio_lengths are no 3 numbers"),
        ("id", 7, "id is no plain list"),
        ("id", NESTED, "id is no plain list"),
    ],
)
def test_columns_of_mmsa_that_are_wrong(column, value, said, tmp_path, capsys):
    whole = mmsa(tmp_path / "x.pkl")
    whole["test"][column] = value
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(whole))
    assert run(f"--features={tmp_path / 'x.pkl'}", f"--out={tmp_path / 'd'}") == BAD_INPUT
    assert said in capsys.readouterr().err


THINGS = {
    "words": ["a", {"b": (1, 2.5, None, True)}],
    "narrow": np.arange(6, dtype=">i2").reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "texts": np.array(["x", "yy"]),
    "objects": np.array(["x", [1, 2]], object),
    "number": np.float64(3.5),
    "truth": np.bool_(True),
    "none": np.zeros((0, 3)),
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "set of numbers": {np.float32(1), np.float32(2)},
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("old", [False, True])
def test_arrays_of_both_numpy_generations_come_back(protocol, old, tmp_path):
    data = pickle.dumps(THINGS, protocol=protocol)
    if old:  # NumPy 1 calls the module by a name two letters shorter
        new, name = b"numpy._core.", b"numpy.core."
        for word in (b"multiarray", b"numeric"):
            long, short = new + word, name + word
            data = data.replace(bytes([0x8C, len(long)]) + long, bytes([0x8C, len(short)]) + short)
            data = data.replace(b"c" + long + b"\n", b"c" + short + b"\n")
        assert b"numpy._core" not in data
        if protocol >= 4:  # the frame is shorter now
            assert data[2:3] == b"\x95"
            data = data[:3] + struct.pack("<Q", len(data) - 11) + data[11:]
    (tmp_path / "x.pkl").write_bytes(data)
    found = unpickle.load(tmp_path / "x.pkl")
    assert list(found) == list(THINGS)
    for name, value in THINGS.items():
        if isinstance(value, np.ndarray):
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)
        else:
            assert found[name] == value


@st.composite
def laid_out(draw) -> np.ndarray:
    """An array of any kind, with its axes in any order and perhaps with gaps."""
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    kind = draw(st.sampled_from(["<f4", ">f8", "i8", "u2", "?", "S3", "<U3", "c8", "f2", "O"]))
    plain = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind)
    found = plain.transpose(draw(st.permutations(range(len(shape)))))
    return found[..., ::2] if shape and draw(st.booleans()) else found


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(value=laid_out(), protocol=st.integers(0, 5))
@hypothesis.example(value=np.arange(24.0).reshape(2, 4, 3).transpose(0, 2, 1), protocol=5)
@hypothesis.example(value=np.arange(6).astype(object).reshape(2, 3).T, protocol=4)
def test_arrays_come_back_however_they_lie_in_memory(value, protocol, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "laid_out.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    found = unpickle.load(path)
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value, strict=True)


class Buffered:
    """Pickles as an array of protocol 5 with a layout of its own."""

    def __init__(self, *layout):
        self.layout = layout

    def __reduce__(self):
        function = np.arange(2.0).__reduce_ex__(5)[0]
        return function, (bytearray(48), np.dtype("f8"), (2, 3), *self.layout)


@pytest.mark.parametrize(
    "layout", [("A",), (None,), ("K",), ("C", (1, 0)), ("K", (0, 0)), ("K", (0,)), ("K", (0, 2))]
)
def test_layouts_that_are_unknown_are_refused(layout, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(Buffered(*layout), protocol=5))
    with pytest.raises(UserError):
        unpickle.load(tmp_path / "x.pkl")


def test_what_is_shared_stays_shared(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([NESTED, np.zeros(2)] * 2))
    first, array, second, other = unpickle.load(tmp_path / "x.pkl")
    assert first is second and first[0] is first[1] and array is other


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("case", range(5))
def test_a_pickle_runs_nothing(case, protocol, tmp_path):
    mark = tmp_path / "ran"
    harm = [
        Calls(os.system, f"touch {mark}"),
        Calls(eval, f"open({str(mark)!r}, 'w')"),
        Calls(getattr, "x", "upper"),
        Calls(open, str(mark), "w"),
        {"train": {"id": np.array([Calls(os.mkdir, str(mark))], object)}},
    ][case]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(harm, protocol=protocol))
    with pytest.raises(UserError, match="The pickle asks for .*nothing was run"):
        unpickle.load(tmp_path / "x.pkl")
    assert not mark.exists()


BY_HAND = {
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x14ndarray.__subclasses__\x93.",
    "another module of numpy": b"cnumpy.testing._private.utils\nruntest\n.",
    "an outside object": b"Pabc\n.",
    "a registered extension": b"\x80\x02\x82\x01.",
    "a dtype with objects inside": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00V8K\x00K\x01\x87R.",
    "fields put into a dtype": (
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00<NX\x01\x00\x00\x00a\x85}K\x08K\x01K?tb."
    ),
    "a class": b"cnumpy\nndarray\n.",
    "a call of a class": b"cnumpy\nndarray\n)R.",
    "nothing": b"",
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_pickles_made_by_hand_are_refused(case, tmp_path):
    (tmp_path / "x.pkl").write_bytes(BY_HAND[case])
    with pytest.raises(UserError):
        unpickle.load(tmp_path / "x.pkl")


STATES = {
    "a slot": b"(N}S'made'\n}stb",
    "an attribute": b"}S'made'\n}sb",
    "defaults": b"(N}S'__defaults__'\n(tstb",
    "a call": b"(N}S'call'\n}stb",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("place", unpickle.ALLOWED, ids=".".join)
def test_a_pickle_changes_nothing_for_the_next_one(place, state, tmp_path):
    name = "\n".join(place).encode()
    (tmp_path / "x.pkl").write_bytes(b"c" + name + b"\n" + STATES[state] + b".")
    with pytest.raises(UserError, match="changes what it may only call"):
        unpickle.load(tmp_path / "x.pkl")
    made = b"cnumpy.core.multiarray\nscalar\n(NNtR" + STATES[state] + b"."
    (tmp_path / "x.pkl").write_bytes(made)
    with pytest.raises(UserError, match="changes what it may only call"):
        unpickle.load(tmp_path / "x.pkl")


def test_every_cut_and_many_flips_of_a_pickle_are_one_line_or_plain_data(tmp_path):
    data = pickle.dumps({"a": np.arange(5.0), "b": ["x", np.float32(1)]}, protocol=4)
    rng, path = np.random.default_rng(0), tmp_path / "x.pkl"
    refused = 0
    for i in range(300):
        bad = bytearray(data)
        bad[rng.integers(len(bad))] = rng.integers(256)
        path.write_bytes(bad if i % 3 else data[: i % len(data)])
        try:
            unpickle.load(path)
        except UserError:
            refused += 1
    assert refused > 100


# --- what a person can do wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--features is missing"),
        (["--features=nowhere"], "--features is no folder"),
        (["--features=FEATURES"], "no manifest"),
        (["--features=FEATURES", "--manifest=nothing.csv"], "manifest is missing"),
        (["--features=FEATURES", "--manifest=MANIFEST", '--options={"rate": 1}'], "'rates'?"),
        (["--features=FEATURES", "--manifest=MANIFEST", '--options={"rates": {"imag": 2}}'],
         "'image'?"),
        (["--features=FEATURES", "--manifest=MANIFEST", '--options={"rates": {"image": 0}}'],
         "rate of image"),
        (["--features=FEATURES", "--manifest=MANIFEST",
          '--options={"rates": {"image": Infinity}}'], "rate of image"),
        (["--features=FEATURES", "--manifest=MANIFEST", '--options={"labels": ["joy"]}'],
         "no class 'sad'"),
        (["--features=FEATURES", "--manifest=MANIFEST",
          '--options={"label": {"value": "valenc", "above": 0}}'], "'valence'?"),
        (["--features=FEATURES", "--manifest=MANIFEST",
          '--options={"label": {"value": 5, "above": 0}}'], "no value 5"),
        (["--features=FEATURES", "--manifest=MANIFEST",
          '--options={"label": {"value": "valence", "above": 0, "names": 5}}'], "not two names"),
        (["--features=FEATURES", "--manifest=MANIFEST",
          '--options={"label": {"value": "valence", "above": 0, "names": "ab"}}'],
         "not two names"),
        (["--features=FEATURES", "--manifest=MANIFEST",
          '--options={"label": {"value": "valence", "above": 0, "names": [0, 1]}}'],
         "not two names"),
        (["--features=FEATURES", "--manifest=MANIFEST", '--options={"modalities": [1]}'],
         "modalities cannot be [1]"),
    ],
)  # fmt: skip
def test_bad_imports_are_one_line(words, said, clips, capsys):
    root, manifest, _ = clips
    words = [w.replace("FEATURES", str(root)).replace("MANIFEST", str(manifest)) for w in words]
    assert run(*words, "--out=d") == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("error: ") and said in error[0]
    assert not os.path.exists("d")


def test_labels_that_only_look_like_numbers_are_names(clips, tmp_path):
    root, manifest, _ = clips
    manifest.write_text("id,label\na,²\nb,--5\nc,3\n")
    words = (f"--features={root}", f"--manifest={manifest}", f"--out={tmp_path / 'd'}")
    assert run(*words) == COMPLETE
    assert records.open_dataset(tmp_path / "d").spec.label_names == ("--5", "3", "²")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\na\n", "no column id"),
        ("id,splitt\na,train\n", "'split'?"),
        ("id,start,end\na,5,1\n", "ends before it starts"),
        ("id,start\na,soon\n", "'soon' is no number.*line 2"),
        ("id\nzz\n", "no clip of the manifest has a file"),
        ("id\na\na\n", "stands twice"),
    ],
)
def test_manifests_that_are_wrong(text, said, clips, capsys):
    root, manifest, _ = clips
    manifest.write_text(text)
    assert run(f"--features={root}", f"--manifest={manifest}", "--out=d") == BAD_INPUT
    assert re.search(said, capsys.readouterr().err)


def test_arrays_that_do_not_fit(clips, capsys):
    root, manifest, _ = clips
    words = (f"--features={root}", f"--manifest={manifest}", "--out=d")
    for rows, said in (
        (np.zeros((3, 5)), "b: image is 5 wide, others are 4"),
        (np.zeros((3, 4, 2)), "shape (3, 4, 2)"),
        (np.array([["x"]]), "not numbers"),
        (np.array([{}], object), "cannot be read"),
    ):
        (root / "image/b.npz").unlink(missing_ok=True)
        np.save(root / "image/b.npy", rows)
        assert run(*words) == BAD_INPUT
        assert said in capsys.readouterr().err
