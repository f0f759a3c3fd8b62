"""Shards are read at random, by many threads and processes, and never believed unchecked."""

import concurrent.futures
import copy
import functools
import os
import pickle
import struct

import grain
import numpy as np
import pytest

from affectjax.data import records, schema, sources, tfrecord
from affectjax.data.schema import Spec
from affectjax.errors import BadRecord

FORMATS = ["tfrecord", "array_record"]
SPEC = Spec(modalities={"image": 8})


def record(i: int) -> dict:
    features = np.full((i % 3, 8), i, np.float16)
    return {
        "id": f"c{i}",
        "group": f"g{i // 4}",
        "start": i,
        "duration": 1,
        "features": {"image": features},
    }


def made(folder, format, count=20, shards=3) -> sources.Source:
    items = {"train": map(record, range(count))}
    records.write(folder, "demo", SPEC, items, format=format, shards=shards)
    return records.open_dataset(folder).split("train")


def slow_crc32c(data: bytes) -> int:
    """A bit at a time, by the reversed polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def slow_frames(raw: bytes) -> list[bytes]:
    """The records of a TFRecord file, read from front to back."""

    def masked(data):
        crc = slow_crc32c(data)
        return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32

    found = []
    while raw:
        (length, crc) = struct.unpack("<QI", raw[:12])
        data, raw = raw[12 : 12 + length], raw[12 + length :]
        assert crc == masked(struct.pack("<Q", length))
        assert struct.unpack("<I", raw[:4])[0] == masked(data)
        found, raw = [*found, data], raw[4:]
    return found


def test_the_frame_of_a_tfrecord():
    assert slow_crc32c(b"123456789") == 0xE3069283  # the published check value of CRC-32C
    data = [b"", b"a", bytes(range(256)) * 3]
    assert slow_frames(b"".join(map(tfrecord.frame, data))) == data


def test_a_tfrecord_shard_reads_what_a_front_to_back_reader_reads(tmp_path):
    source = made(tmp_path / "d", "tfrecord")
    data = [d for path in source.paths for d in slow_frames(open(path, "rb").read())]
    assert [len(d) for d in data] == source.index.bytes.tolist()
    for i in np.random.default_rng(0).permutation(20):
        assert source[i]["id"] == schema.decode(SPEC, data[i])["id"] == f"c{i}"


@pytest.mark.parametrize("format", FORMATS)
def test_a_source_is_a_sequence(format, tmp_path):
    source = made(tmp_path / "d", format)
    assert len(source) == 20 and [source[i]["id"] for i in range(20)] == source.ids
    assert source[np.int64(7)]["features"]["image"][0, 0] == 7
    for i in (-1, 20):
        with pytest.raises(IndexError):
            source[i]
    with pytest.raises(TypeError):
        source[1.0]


@pytest.mark.parametrize("format", FORMATS)
def test_a_source_opens_nothing_before_it_must_and_can_be_sent_away(format, tmp_path):
    def opened():
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        return sum(os.path.exists(x) and "demo-train" in os.readlink(x) for x in links)

    source = made(tmp_path / "d", format)
    assert opened() == 0
    source[0], source[19]
    assert opened() == 2
    for other in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert [other[i]["id"] for i in range(20)] == source.ids
    del source, other
    assert opened() == 0


@pytest.mark.parametrize("format", FORMATS)
def test_few_files_are_open_at_once(format, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "OPEN_SHARDS", 2)
    source = made(tmp_path / "d", format, shards=20)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda i: source[i]["id"], [*range(20)] * 10))
    assert ids == source.ids * 10
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    assert sum(os.path.exists(x) and "demo-train" in os.readlink(x) for x in links) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_one_bad_record_spoils_no_other_in_any_thread(format, tmp_path):
    source = made(tmp_path / "d", format)
    data = schema.encode(SPEC, record(8))
    path = source.paths[1]
    raw = open(path, "rb").read()
    place = raw.index(data[40:60])
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(bytes([raw[place] ^ 1]))

    def read(i):
        try:
            return source[i]["id"]
        except BadRecord as error:
            return error.file, error.record, "checksum" in error.why or "hash" in error.why

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(read, [*range(20)] * 20))
    # 20 records in 3 shards: 6, 7 and 7; the ninth is the third of the second
    expected = [(path, 2, True) if i == 8 else f"c{i}" for i in range(20)]
    assert got == expected * 20


def crafted(tmp_path, format, data: list[bytes], ids) -> sources.Source:
    """A source over sound shards of any bytes, as if an index had promised these ids."""
    path = str(tmp_path / "crafted")
    sources.write_shard(format, path, iter(data))
    zeros = np.zeros(len(data), np.int64)
    lengths = np.array([len(d) for d in data])
    index = sources.Index(ids, ids, zeros, zeros, zeros, lengths)
    return sources.Source(
        format, [(path, len(data))], index, functools.partial(schema.decode, SPEC)
    )


@pytest.mark.parametrize("format", FORMATS)
def test_sound_bytes_that_are_no_such_record(format, tmp_path):
    good = schema.encode(SPEC, record(1))
    wider = schema.encode(
        Spec(modalities={"image": 3}), {**record(1), "features": {"image": np.ones((1, 3))}}
    )
    other = schema.encode(Spec(), {k: record(1)[k] for k in ("id", "group", "start", "duration")})
    comments = schema.encode(Spec({"image": 8}, comments=True), record(1))
    data = [good, b"\xff\xff\xff", wider, other, comments, good, b""]
    source = crafted(tmp_path, format, data, ["c1"] * 5 + ["c2", "c1"])
    assert source[0]["id"] == "c1"
    for i, why in [
        (1, "the protobuf does not decode"),
        (2, r"features/image does not fit the spec, \(n, 8\)"),
        (3, "features/image is missing"),
        (4, "comments/emotional is not in the spec"),
        (5, "it is 'c1', the index says 'c2'"),
        (6, "id is missing"),
    ]:
        with pytest.raises(BadRecord, match=why) as caught:
            source[i]
        assert (caught.value.file, caught.value.record) == (source.paths[0], i)


@pytest.mark.parametrize("format", FORMATS)
def test_shards_that_the_index_does_not_know(format, tmp_path):
    source = made(tmp_path / "d", format)
    os.replace(source.paths[0], source.paths[1])  # 6 records where 7 should be
    with pytest.raises(BadRecord, match="index says"):
        source[8]
    with pytest.raises(BadRecord):  # gone since the dataset was opened
        source[0]
    assert source[19]["id"] == "c19"


def test_each_checksum_of_a_tfrecord_is_looked_at(tmp_path):
    source = made(tmp_path / "d", "tfrecord", shards=1)
    raw = open(source.paths[0], "rb").read()
    size = 16 + source.index.bytes[0]
    places = {0: "of the length", 8: "of the length", 12: "of the data", size - 4: "of the data"}
    for place, what in places.items():
        with open(source.paths[0], "wb") as file:
            file.write(raw[:place] + bytes([raw[place] ^ 128]) + raw[place + 1 :])
        fresh = pickle.loads(pickle.dumps(source))
        with pytest.raises(BadRecord, match=f"the checksum {what} is wrong"):
            fresh[0]
        assert fresh[1]["id"] == "c1"


def test_grain_reads_both_formats_alike(tmp_path):
    orders = []
    for format in FORMATS:
        data = grain.MapDataset.source(made(tmp_path / format, format)).shuffle(seed=3)
        data = data.map(lambda r: {"start": r["start"], "rows": len(r["features"]["image"])})
        batches = list(data.batch(6).to_iter_dataset(grain.ReadOptions(num_threads=4)))
        orders.append(np.concatenate([batch["start"] for batch in batches]))
        rows = np.concatenate([batch["rows"] for batch in batches])
        np.testing.assert_array_equal(rows, orders[-1] % 3)
    np.testing.assert_array_equal(*orders)
    assert sorted(orders[0]) == list(range(20)) != list(orders[0])
