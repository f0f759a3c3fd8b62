"""The stream is a pure function of (seed, step): hosts, workers and restarts change nothing."""

import itertools
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from affectjax.data import pipeline, records
from affectjax.data.splits import PermutedComments, Subset
from affectjax.data.vocabulary import UNKNOWN, Vocabulary
from affectjax.errors import BadRecord, UserError
from tests.data.test_tsc import WIDTHS, FakeSource, as_bag, make_examples, make_record, read_back

ALL = np.arange(6)


def source_of(n=10, comments=12):
    return FakeSource([make_record(i, comments=comments) for i in range(n)])


def train(source=None, steps=7, *, rows=ALL, examples=None, seed=3, **options):
    made = pipeline.train_batches(
        source or source_of(), examples or make_examples(), batch=6, seed=seed, rows=rows, **options
    )
    with made:
        return list(itertools.islice(made, steps))


def evaluate(source, *, rows=ALL, examples=None, **options):
    examples = examples or make_examples()
    with pipeline.eval_batches(source, examples, batch=6, rows=rows, **options) as made:
        return list(made)


def assert_same(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two):
        assert a.ids == b.ids and a.bad == b.bad and (a.rows == b.rows).all()
        assert a.arrays.keys() == b.arrays.keys()
        for key in a.arrays:
            assert a.arrays[key].dtype == b.arrays[key].dtype, key
            np.testing.assert_array_equal(a.arrays[key], b.arrays[key], err_msg=key)


class BadSource(FakeSource):
    """A source in which some records cannot be read."""

    def __init__(self, records, bad):
        super().__init__(records)
        self.bad = bad

    def __getitem__(self, i):
        if i in self.bad:
            raise BadRecord("shard-0", i, "checksum differs")
        return super().__getitem__(i)


class Backends:
    """Examples that tell how many jax backends run where they are made, and in which process."""

    def empty(self):
        return self.train(None, None)

    def train(self, record, rng):
        bridge = sys.modules.get("jax._src.xla_bridge")
        started = len(bridge._backends) if bridge else 0
        return {"backends": np.array(started), "process": np.array(os.getpid())}


class Draws:
    """Examples that are nothing but the record's number and a random number."""

    def empty(self):
        return {"draw": np.zeros(2)}

    def train(self, record, rng):
        return {"draw": np.array([int(record["id"][4:]), rng.random()])}


# Training


def test_every_epoch_holds_every_record_once_in_an_order_of_its_own():
    ids = [i for batch in train(steps=5) for i in batch.ids]  # 30 rows, three epochs of ten
    epochs = [ids[:10], ids[10:20], ids[20:]]
    assert all(sorted(epoch) == sorted(f"clip{i}" for i in range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_neighbouring_seeds_share_no_epoch():
    def epochs(seed):
        ids = [i for batch in train(steps=10, seed=seed, examples=Draws()) for i in batch.ids]
        return {tuple(ids[i : i + 10]) for i in range(0, 60, 10)}

    assert len(epochs(0) | epochs(1) | epochs(2)) == 18


def test_every_position_draws_its_own_random_numbers():
    draws = np.concatenate([b.arrays["draw"] for b in train(steps=20, examples=Draws())])
    assert len(set(draws[:, 1])) == 120
    other = np.concatenate([b.arrays["draw"] for b in train(steps=20, examples=Draws(), seed=4)])
    assert not set(draws[:, 1]) & set(other[:, 1])


def test_the_same_seed_gives_the_same_stream_and_another_seed_another():
    assert_same(train(), train(prefetch=5))
    assert train()[0].ids != train(seed=4)[0].ids


@pytest.mark.parametrize("start", [1, 2, 5, 10**9])
def test_starting_at_a_step_equals_the_uninterrupted_stream(start):
    resumed = train(steps=2, start=start)
    if start < 10:
        assert_same(train(steps=start + 2)[start:], resumed)
    assert resumed[0].rows.tolist() == list(range(start * 6, start * 6 + 6))


@pytest.mark.parametrize("hosts", [[[0, 1, 2], [3, 4, 5]], [[5], [0, 2], [1, 3], [4]]])
def test_hosts_together_hold_the_batch_of_one_host(hosts):
    whole, parts = train(), [train(rows=np.array(rows)) for rows in hosts]
    for step, batch in enumerate(whole):
        for rows, part in zip(hosts, parts):
            assert part[step].ids == [batch.ids[r] for r in rows]
            assert (part[step].rows == batch.rows[rows]).all()
            for key, array in batch.arrays.items():
                np.testing.assert_array_equal(part[step].arrays[key], array[rows])


def test_a_source_smaller_than_a_batch_is_repeated_within_it():
    ids = [i for batch in train(source_of(4), steps=2) for i in batch.ids]
    assert [sorted(ids[k : k + 4]) for k in (0, 4, 8)] == [[f"clip{i}" for i in range(4)]] * 3


# Evaluation


@pytest.mark.parametrize(
    "hosts", [[[0, 1, 2, 3, 4, 5]], [[0, 1, 2], [3, 4, 5]], [[0, 4], [1, 2, 3, 5]]]
)
def test_evaluation_gives_every_part_once_and_pads_the_last_batch(hosts):
    source, examples = source_of(11, comments=40), make_examples()
    parts = [examples.parts(record) for record in source.records]
    assert max(parts) > 1
    by_host = [evaluate(source, rows=np.array(rows)) for rows in hosts]
    assert len({len(batches) for batches in by_host}) == 1
    found = {}
    for batches in by_host:
        for batch in batches:
            for k, (row, name) in enumerate(zip(batch.rows.tolist(), batch.ids)):
                assert row not in found
                found[row] = name, {key: array[k] for key, array in batch.arrays.items()}
    expected = [(r["id"], examples.evaluate(r, p)) for r, n in zip(source, parts) for p in range(n)]
    assert sorted(found) == list(range(-(-len(expected) // 6) * 6)) and len(expected) % 6
    for row, (name, example) in sorted(found.items()):
        wanted, arrays = expected[row] if row < len(expected) else ("", examples.empty())
        assert name == wanted
        assert all((example[key] == arrays[key]).all() for key in arrays)


def test_counted_parts_can_be_given_again():
    source, examples = source_of(5, comments=40), make_examples()
    parts = pipeline.count_parts(source, examples)
    assert parts.tolist() == [examples.parts(record) for record in source.records]
    assert_same(evaluate(source), evaluate(source, parts=parts))


def test_subsets_and_permuted_comments_go_through():
    source = source_of(8)
    part = Subset(source, [6, 2, 4])
    (batch,) = evaluate(part, parts=np.ones(3))
    assert batch.ids == ["clip6", "clip2", "clip4", "", "", ""]
    (null,) = train(PermutedComments(source, 1), steps=1)
    (plain,) = train(source, steps=1)
    assert null.ids == plain.ids
    np.testing.assert_array_equal(null.arrays["features/image"], plain.arrays["features/image"])
    assert (null.arrays["tokens"] != plain.arrays["tokens"]).any()


def real_source(folder, format, found):
    spec = records.Spec(modalities=dict(WIDTHS), comments=True)
    records.write(folder, "fake", spec, {"train": found}, format=format, shards=3)
    dataset = records.open_dataset(folder)
    words = Vocabulary.build(dataset.words(), cap=30)
    return dataset.split("train"), make_examples(vocabulary=words)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_both_formats_give_the_batches_of_the_records_in_memory(tmp_path, workers):
    found = [make_record(i, comments=40, shortest=1) for i in range(11)]
    batches = []
    for format in ("tfrecord", "array_record"):
        source, examples = real_source(tmp_path / format, format, found)
        options = dict(examples=examples, workers=workers)
        batches.append(train(source, 4, **options) + evaluate(source, **options))
    memory = FakeSource(found)
    in_memory = train(memory, 4, examples=examples) + evaluate(memory, examples=examples)
    assert any((batch.arrays["tokens"] == UNKNOWN).any() for batch in in_memory)
    assert_same(batches[0], batches[1])
    assert_same(batches[0], in_memory)


@pytest.mark.parametrize("format", ["tfrecord", "array_record"])
def test_a_damaged_record_on_disk_fails_or_is_skipped(tmp_path, format):
    found = [make_record(i, comments=12, shortest=1) for i in range(9)]
    source, examples = real_source(tmp_path / "set", format, found)
    path = pathlib.Path(source.paths[1])
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"clip4")] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BadRecord, match=str(path)):
        train(source, 4, examples=examples)
    batches = train(source, 3, examples=examples, bad_records="skip")
    names = [name for batch in batches for name in batch.ids]
    weights = np.concatenate([batch.arrays["weight"] for batch in batches])
    assert sum(len(batch.bad) for batch in batches) == (weights == 0).sum() > 0
    assert all((name == "clip4") == (weight == 0) for name, weight in zip(names, weights))


# Bad records


def test_a_bad_record_stops_training_and_evaluation_by_default():
    source = BadSource(source_of().records, {4})
    with pytest.raises(BadRecord, match="shard-0, record 4: checksum differs"):
        train(source, steps=2)
    with pytest.raises(BadRecord, match="shard-0, record 4"):
        evaluate(source)
    parts = np.ones(10, np.int64)
    with pytest.raises(BadRecord, match="shard-0, record 4"):
        evaluate(source, parts=parts)


def test_a_skipped_record_is_a_row_of_weight_nought_and_changes_no_other():
    good, bad = source_of(), BadSource(source_of().records, {4, 7})
    for whole, holed in [
        (train(good, 5), train(bad, 5, bad_records="skip")),
        (evaluate(good, parts=np.ones(10)), evaluate(bad, parts=np.ones(10), bad_records="skip")),
    ]:
        skipped = 0
        for a, b in zip(whole, holed):
            assert a.ids == b.ids
            for k, name in enumerate(a.ids):
                if name in ("clip4", "clip7"):
                    skipped += 1
                    assert not any(array[k].any() for array in b.arrays.values())
                else:
                    assert all((a.arrays[key][k] == b.arrays[key][k]).all() for key in a.arrays)
        messages = [message for batch in holed for message in batch.bad]
        assert skipped == len(messages) > 0
        assert set(messages) == {f"shard-0, record {i}: checksum differs" for i in (4, 7)}


def test_a_skipped_record_keeps_one_row_in_evaluation():
    source = BadSource(source_of(5, comments=40).records, {0, 3})
    examples = make_examples()
    parts = pipeline.count_parts(source, examples, bad_records="skip").tolist()
    assert parts == [1 if i in (0, 3) else examples.parts(source[i]) for i in range(5)]
    batches = evaluate(source, bad_records="skip")
    weight = np.concatenate([batch.arrays["weight"] for batch in batches])
    assert weight.sum() == sum(parts) - 2
    got = [
        comment
        for batch in batches
        for k in range(6)
        for comment in read_back({key: array[k] for key, array in batch.arrays.items()})
    ]
    wanted = [
        comment
        for i in (1, 2, 4)
        for part in range(parts[i])
        for comment in read_back(examples.evaluate(source[i], part))
    ]
    assert as_bag(got) == as_bag(wanted)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="bad_records='hide' is unknown"):
        train(bad_records="hide")
    with pytest.raises(UserError, match="the split has no records"):
        evaluate(FakeSource([]))
    with pytest.raises(ValueError, match="not rows of a batch of 6"):
        train(rows=np.array([6]))


def test_closed_batches_say_so():
    made = pipeline.train_batches(source_of(), make_examples(), batch=6, seed=0, rows=ALL)
    next(made)
    made.close()
    made.close()
    with pytest.raises(ValueError, match="closed"):
        next(made)


# Worker processes


@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_workers_give_what_threads_give(workers):
    source = source_of(11, comments=40)
    assert_same(train(source, 5, start=2), train(source, 5, start=2, workers=workers))
    assert_same(evaluate(source), evaluate(source, workers=workers))


@pytest.mark.slow
def test_a_bad_record_reaches_the_consumer_from_a_worker():
    source = BadSource(source_of().records, {4})
    with pytest.raises(BadRecord, match="shard-0, record 4: checksum differs") as raised:
        train(source, steps=4, workers=2)
    assert raised.value.record == 4


def workers_of(made):
    next(made)
    deadline = time.monotonic() + 60
    while len(multiprocessing.active_children()) < 2 and time.monotonic() < deadline:
        next(made)
    return multiprocessing.active_children()


@pytest.mark.slow
def test_a_killed_worker_is_an_error_not_a_hang():
    examples = make_examples()
    made = pipeline.train_batches(source_of(), examples, batch=6, seed=0, rows=ALL, workers=2)
    os.kill(workers_of(made)[0].pid, signal.SIGKILL)
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="exit code -9"):
        for _ in itertools.islice(made, 1000):
            pass
    assert time.monotonic() - begun < 60
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_workers_outlive_the_signal_that_asks_the_job_to_stop():
    with pipeline.train_batches(
        source_of(), make_examples(), batch=6, seed=3, rows=ALL, workers=2
    ) as made:
        next(made), next(made)  # one of each: a worker that is still starting is not deaf yet
        for worker in workers_of(made):
            os.kill(worker.pid, signal.SIGTERM)
        seen = [next(made) for _ in range(12)]
    first = int(seen[0].rows[0]) // 6
    assert_same(seen, train(steps=12, start=first))


@pytest.mark.slow
def test_workers_start_no_jax_backend():
    import jax

    assert jax.devices()  # this process has one, so that the count below could be more than none
    assert train(examples=Backends(), steps=1)[0].arrays["backends"].min() > 0
    (batch,) = train(examples=Backends(), steps=1, workers=1)
    assert (batch.arrays["process"] != os.getpid()).all()
    assert (batch.arrays["backends"] == 0).all()


ORPHANS = """
import multiprocessing, os, signal
import numpy as np
from affectjax.data import pipeline
from tests.data.test_tsc import FakeSource, make_examples, make_record

if __name__ == "__main__":
    source = FakeSource([make_record(i) for i in range(4)])
    made = pipeline.train_batches(
        source, make_examples(), batch=2, seed=0, rows=np.arange(2), workers=1
    )
    next(made)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_leave_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    root = pathlib.Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Output to a file: a pipe would stay open, and be waited for, as long as an orphan lives.
    with open(tmp_path / "out", "w+") as out:
        code = subprocess.run(
            [sys.executable, str(script)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": paths},
            timeout=120,
        ).returncode
        out.seek(0)
        told = out.read()
    assert code == -signal.SIGKILL, told
    (pid,) = map(int, told.split("\n")[0].split())
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)
