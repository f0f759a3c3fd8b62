"""Shards of records, in either format: cut when written, read at random with checksums verified."""

import bisect
import dataclasses
import functools
import itertools
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from array_record.python import array_record_module

from affectjax.data import tfrecord
from affectjax.errors import BadRecord

FORMATS = ("tfrecord", "array_record")
OPEN_SHARDS = 128  # files a source keeps open at most

# A chunk per record makes each readable alone. Features are noise to a compressor, and bytes that
# no compressor made do not change with its version.
WRITER = "group_size:1,uncompressed"
READER = "readahead_buffer_size:0,max_parallelism:0"


def write_shard(format: str, path: str, records: Iterator[bytes]) -> None:
    """The records as one file."""
    if format == "tfrecord":
        with open(path, "xb") as file:
            for data in records:
                file.write(tfrecord.frame(data))
        return
    writer = array_record_module.ArrayRecordWriter(path, WRITER)
    try:
        for data in records:
            writer.write(data)
    finally:
        writer.close()


class ArrayShard:
    """Random access to one array_record file; ValueError says why a record is bad."""

    def __init__(self, path: str, lengths: Sequence[int]):
        self._path, self._lengths = path, lengths
        self._reader = self._open()

    def _open(self) -> Any:
        try:
            reader = array_record_module.ArrayRecordReader(self._path, READER)
            count = reader.num_records()
        except Exception as error:  # the library raises whatever its status maps to
            raise ValueError(f"the shard does not open: {_first_line(error)}") from error
        if count != len(self._lengths):
            raise ValueError(f"the shard has {count} records, the index says {len(self._lengths)}")
        return reader

    def read(self, i: int) -> bytes:
        """The bytes of record i; ValueError where they are not as written."""
        try:
            (data,) = self._reader.read([i])
        except Exception:  # a reader that failed once, for any thread, fails ever after
            self._reader = self._open()
            try:
                (data,) = self._open().read([i])
            except Exception as error:
                raise ValueError(_first_line(error)) from error
        if len(data) != self._lengths[i]:
            raise ValueError(f"{len(data)} bytes, the index says {self._lengths[i]}")
        return data


@dataclasses.dataclass(frozen=True)
class Index:
    """What is known of a split without reading its records; one entry a record."""

    ids: list[str]
    groups: list[str]
    labels: np.ndarray  # int64, -1 unknown
    durations: np.ndarray  # float64, seconds
    comments: np.ndarray  # int64, how many
    bytes: np.ndarray  # int64, the lengths of the serialised records


def readable(source) -> Iterator[tuple[int, dict]]:
    """(its place, the record) of those that can be read.

    Whether a bad record stops the run is for the pipeline to say, which reads it again.
    """
    for place in range(len(source)):
        try:
            record = source[place]
        except BadRecord:
            continue
        yield place, record


class One:
    """A source of one record."""

    def __init__(self, record: Mapping[str, Any]):
        self.record = record
        self.ids, self.groups = [record["id"]], [record["group"]]
        self.durations = np.array([record["duration"]])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, place: int) -> Mapping[str, Any]:
        if place not in (0, -1):
            raise IndexError(f"record {place} of 1")
        return self.record


class Source:
    """The records of one split in their written order; what grain.MapDataset.source takes.

    Lazy, picklable, safe to share by threads. `source[i]` is a record dict; BadRecord names the
    file and the record within it.
    """

    def __init__(
        self,
        format: str,
        shards: Sequence[tuple[str, int]],  # path, number of records
        index: Index,
        decode: Callable[[bytes], dict],
    ):
        self.format, self.index, self.decode = format, index, decode
        self.paths = [os.fspath(path) for path, _ in shards]
        self.ends = list(itertools.accumulate(count for _, count in shards))
        self._share()

    ids = property(lambda self: self.index.ids)
    groups = property(lambda self: self.index.groups)
    labels = property(lambda self: self.index.labels)
    durations = property(lambda self: self.index.durations)

    def __len__(self) -> int:
        return len(self.index.ids)

    def __repr__(self) -> str:
        return f"Source({os.path.dirname(self.paths[0])}, {len(self)} records)"

    def __getitem__(self, i: int) -> dict:
        i = operator.index(i)
        if not 0 <= i < len(self):
            raise IndexError(f"record {i} of {len(self)}")
        shard = bisect.bisect_right(self.ends, i)
        place = i - (self.ends[shard - 1] if shard else 0)
        try:
            record = self.decode(self._shard(shard).read(place))
            # A shard of another build can have the right sizes.
            if record["id"] != self.ids[i]:
                raise ValueError(f"it is {record['id']!r}, the index says {self.ids[i]!r}")
        except (ValueError, OSError) as error:
            raise BadRecord(self.paths[shard], place, str(error)) from error
        return record

    def _share(self) -> None:
        # The cache drops the shard that was used least lately; it closes with its last user.
        # It knows nothing of this source: in a circle, files would wait for the garbage collector.
        kind = tfrecord.Shard if self.format == "tfrecord" else ArrayShard
        lengths = np.split(self.index.bytes, self.ends[:-1])
        shards = list(zip(self.paths, lengths))
        self._shard = functools.lru_cache(OPEN_SHARDS)(lambda shard: kind(*shards[shard]))

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key != "_shard"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._share()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
