"""Batches for one host: batch(step) is a pure function of (seed, step), whatever the host count.

The training stream is every epoch of the source, each shuffled anew by (seed, epoch), end to end
without a remainder; the record at position p of it gets its random numbers from (seed, p). Global
batch number `step` is positions step * batch ... (step + 1) * batch, of which a host takes its
rows. Grain shuffles, repeats, seeds, and works ahead in threads or worker processes; the policy for
bad records and padding is here.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, parent_process
from typing import Any

import grain
import numpy as np
from absl import flags

from affectjax.errors import BadRecord, UserError

POLICIES = ("fail", "skip")
PADDING = -1  # the record number of a row that stands for no record


@dataclass
class HostBatch:
    """One host's share of a global batch; b rows."""

    arrays: dict[str, np.ndarray]  # [b, ...]
    ids: list[str]  # "" for padding
    rows: np.ndarray  # int64 [b]: position in the stream (training), row of the split (evaluation)
    bad: list[str]  # a message for every skipped record; its row has weight 0


def train_batches(
    source,
    examples,
    *,
    batch: int,
    seed: int,
    rows: np.ndarray,
    start: int = 0,
    workers: int = 0,
    prefetch: int = 2,
    bad_records: str = "fail",
) -> "Batches":
    """Endless batches from step `start` on. `rows`: this host's numbers within [0, batch)."""
    _check(source, rows, batch, bad_records)
    made = _TrainSteps(source, examples, batch, seed, rows, bad_records)
    return Batches(made, start, workers, prefetch)


def eval_batches(
    source,
    examples,
    *,
    batch: int,
    rows: np.ndarray,
    workers: int = 0,
    prefetch: int = 2,
    bad_records: str = "fail",
    parts: np.ndarray | None = None,
) -> "Batches":
    """Every part of every record once, in order; the last batch is padded with weight 0.

    `parts` is what `count_parts` gives for the same source and examples; to evaluate often, count
    once and keep it. All hosts get the same number of batches.
    """
    _check(source, rows, batch, bad_records)
    if parts is None:
        parts = count_parts(source, examples, prefetch=prefetch, bad_records=bad_records)
    made = _EvalSteps(source, examples, batch, rows, bad_records, np.asarray(parts, np.int64))
    return Batches(made, 0, workers, prefetch)


def count_parts(source, examples, *, prefetch: int = 2, bad_records: str = "fail") -> np.ndarray:
    """Rows that each record takes in evaluation, int64 [records]; reads the whole source once."""
    _settle_flags()
    numbers = grain.MapDataset.source(_Parts(source, examples, bad_records))
    options = grain.ReadOptions(num_threads=prefetch, prefetch_buffer_size=8 * prefetch)
    counted = iter(numbers.to_iter_dataset(options))
    try:
        return np.fromiter(counted, np.int64, count=len(source))
    finally:
        counted.close()


class Batches(Iterator[HostBatch]):
    """Iterator over host batches made ahead of time; close it, or use it in a with statement."""

    def __init__(self, made, start: int, workers: int, prefetch: int):
        _settle_flags()
        self.expected = max(0, len(made) - start)
        self._given, self._shared = 0, workers > 0
        # Each element is a whole batch, so grain's slices for workers keep the order.
        ahead = max(1, prefetch)
        data = grain.MapDataset.source(made)[start:].to_iter_dataset(
            grain.ReadOptions(num_threads=min(ahead, 4), prefetch_buffer_size=ahead)
        )
        if workers:
            options = grain.MultiprocessingOptions(workers, per_worker_buffer_size=ahead)
            data = data.mp_prefetch(options, worker_init_fn=_start_worker)
        self._data = iter(data)

    def __next__(self) -> HostBatch:
        if self._data is None:
            if self._given == self.expected:
                raise StopIteration
            raise ValueError("these batches are closed")
        try:
            element = next(self._data)
        except StopIteration:
            self.close()
            if self._given != self.expected:
                raise AssertionError(
                    f"{self._given} batches given where there are {self.expected}"
                ) from None
            raise
        except BaseException:
            self.close()
            raise
        self._given += 1
        arrays, rows = element["arrays"], element["rows"]
        if self._shared:
            # Out of the workers' shared memory: a batch may outlive the iterator and the process's
            # last breath, and a segment that does is reported as leaked.
            arrays, rows = {key: np.array(array) for key, array in arrays.items()}, np.array(rows)
        return HostBatch(arrays, element["ids"], rows, element["bad"])

    def close(self) -> None:
        """Stops threads and workers. Twice is once."""
        data, self._data = self._data, None
        if data is not None:
            data.close()

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class _TrainSteps:
    """step -> this host's share of that training batch."""

    def __init__(self, source, examples, batch: int, seed: int, rows: np.ndarray, policy: str):
        self.ids, self.batch, self.rows = source.ids, batch, np.asarray(rows, np.int64)
        # Grain shuffles epoch e with its seed + e: neighbouring seeds must not share their epochs.
        order, draws = np.random.SeedSequence(seed).generate_state(2).tolist()
        # Record numbers go through Grain, records do not: it would weigh every word of each.
        self.stream = (
            grain.MapDataset.range(len(source))
            .shuffle(seed=order)
            .repeat()
            .random_map(partial(_train_row, source, examples, policy), seed=draws)
        )

    def __len__(self) -> int:
        return sys.maxsize // self.batch

    def __getitem__(self, step: int) -> dict[str, Any]:
        positions = step * self.batch + self.rows
        return _stack([self.stream[p] for p in positions.tolist()], self.ids, positions)


class _EvalSteps:
    """step -> this host's share of that evaluation batch: all parts of all records in order."""

    def __init__(self, source, examples, batch: int, rows: np.ndarray, policy: str, parts):
        self.ids, self.batch, self.rows = source.ids, batch, np.asarray(rows, np.int64)
        self.source, self.examples, self.policy = source, examples, policy
        self.record = np.repeat(np.arange(len(parts)), parts)
        self.part = np.arange(len(self.record)) - np.repeat(np.cumsum(parts) - parts, parts)

    def __len__(self) -> int:
        return -(-len(self.record) // self.batch)

    def __getitem__(self, step: int) -> dict[str, Any]:
        positions = step * self.batch + self.rows
        return _stack([self._row(p) for p in positions.tolist()], self.ids, positions)

    def _row(self, position: int) -> tuple[dict, int, str]:
        if position >= len(self.record):
            return self.examples.empty(), PADDING, ""
        number, part = int(self.record[position]), int(self.part[position])
        record = _read(self.source, self.policy, number)
        if isinstance(record, BadRecord):
            return self.examples.empty(), number, str(record)
        return self.examples.evaluate(record, part), number, ""


class _Parts:
    """Record number -> its rows in evaluation; a bad record keeps one, of weight 0."""

    def __init__(self, source, examples, policy: str):
        self.source, self.examples, self.policy = source, examples, policy

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, number: int) -> int:
        record = _read(self.source, self.policy, number)
        return 1 if isinstance(record, BadRecord) else self.examples.parts(record)


def _read(source, policy: str, number: int) -> dict | BadRecord:
    """The record; a bad one raises ("fail") or comes back as the error itself ("skip")."""
    try:
        return source[number]
    except BadRecord as bad:
        if policy == "fail":
            raise
        return bad


def _train_row(source, examples, policy: str, number: int, rng: np.random.Generator):
    """Record number -> (example, record number, message)."""
    record = _read(source, policy, number)
    if isinstance(record, BadRecord):
        return examples.empty(), number, str(record)
    return examples.train(record, rng), number, ""


def _stack(made: list[tuple[dict, int, str]], ids, positions: np.ndarray) -> dict[str, Any]:
    examples, numbers, messages = zip(*made)
    return {
        "arrays": {key: np.stack([example[key] for example in examples]) for key in examples[0]},
        "ids": ["" if n == PADDING else str(ids[n]) for n in numbers],
        "rows": positions,
        "bad": [message for message in messages if message],
    }


def _check(source, rows: np.ndarray, batch: int, bad_records: str) -> None:
    if bad_records not in POLICIES:
        raise UserError(
            f"bad_records={bad_records!r} is unknown", "data", f"Choose from {', '.join(POLICIES)}."
        )
    if not len(source):
        raise UserError("the split has no records", "data", "Take another split.")
    if not len(rows) or min(rows) < 0 or max(rows) >= batch:
        raise ValueError(f"rows {rows} are not rows of a batch of {batch}")


def _settle_flags() -> None:
    # Grain asks absl for its flags; in a notebook or a library call nobody has parsed them.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


def _start_worker(index: int, count: int) -> None:
    """Workers stop when told to or when their parent is gone, not with a signal to the whole job:
    the parent still wants batches between SIGTERM and the step that all hosts agree to stop at."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def leave() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=leave, daemon=True, name="orphan-watch").start()
