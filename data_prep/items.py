"""Results kept under the digest of what they were made from: whole and proved, or not there.

An item is a file `ab/abcd...`, named by its key: a line with the digest of the rest, then arrays
and facts as safetensors. It is written beside, flushed to the disk and renamed, so a build that is
killed leaves no half item, and any number of processes may fill one store.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import stat
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from affectjax import files
from affectjax.errors import UserError

MEMO = "digests.jsonl"
FAILED = "failed"
SETTLED = 2.0  # seconds; a file changed later than that may change again within its time stamp

STALE = 3600.0  # seconds


@dataclasses.dataclass(frozen=True)
class Item:
    """Arrays by name, and whatever JSON can hold."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


class Damaged(Exception):
    """A file of the store whose bytes are not those that were written."""


def key(parts: Mapping[str, Any]) -> str:
    """The digest of everything that an item follows from."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Store:
    """The items under one folder; see the module."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder).absolute()
        self.damaged: list[str] = []  # keys that were there and had to be made again
        self._memo: dict[tuple, str] | None = None

    def path(self, key: str) -> pathlib.Path:
        """Where an item stands."""
        return self.folder / key[:2] / key

    def write(self, key: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep arrays and facts under a key, with a digest in front."""
        text = json.dumps(facts, sort_keys=True)
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        data = safetensors.numpy.save(arrays, {"facts": text})
        self._put(self.path(key), hashlib.sha256(data).hexdigest().encode() + b"\n" + data)

    def read(self, key: str) -> Item | None:
        """The item, None where there is none; one that is damaged is removed."""
        try:
            return load(self.path(key))
        except FileNotFoundError:
            return None
        except Damaged:
            self.damaged.append(key)
            self.path(key).unlink(missing_ok=True)
            return None

    def keys(self) -> Iterator[str]:
        """The keys of all items."""
        for path in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*")):
            if re.fullmatch("[0-9a-f]{64}", path.name):
                yield path.name

    def failed(self, key: str, reason: str | None) -> None:
        """Remember why nothing could be made under this key; None forgets it."""
        path = self.folder / FAILED / key
        if reason is None:
            path.unlink(missing_ok=True)
        else:
            self._put(path, reason.encode())

    def failure(self, key: str) -> str | None:
        """Why the item could not be made; None where nothing says so."""
        try:
            return (self.folder / FAILED / key).read_text()
        except FileNotFoundError:
            return None

    def content(self, path: str | os.PathLike) -> str:
        """The digest of a file's bytes; read once for as long as its size and time stamp stand."""
        path = os.path.abspath(path)
        try:
            now = os.stat(path)
            if not stat.S_ISREG(now.st_mode):
                raise UserError("This is no regular file", path)
            stamp = (path, now.st_size, now.st_mtime_ns)
            known = self._known()
            if stamp not in known:
                known[stamp] = files.sha256(path)
                if time.time() - now.st_mtime > SETTLED:
                    self._remember(stamp, known[stamp])
            return known[stamp]
        except OSError as error:
            raise UserError(f"The file cannot be read: {error.strerror}", path) from error

    def _known(self) -> dict[tuple, str]:
        if self._memo is None:
            self._memo = {}
            with contextlib.suppress(FileNotFoundError):
                for line in (self.folder / MEMO).read_bytes().splitlines():
                    with contextlib.suppress(ValueError, TypeError):  # a line that was cut off
                        *stamp, digest = json.loads(line)
                        self._memo[tuple(stamp)] = digest
        return self._memo

    def _remember(self, stamp: tuple, digest: str) -> None:
        line = json.dumps([*stamp, digest]) + "\n"
        with _disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / MEMO, "ab", buffering=0) as file:
                file.write(b"\n" + line.encode())  # apart from a line that was cut off

    def _put(self, path: pathlib.Path, data: bytes) -> None:
        with _disk(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.put(path, data)

    def sweep(self) -> None:
        """Remove what processes that were killed an hour ago or longer left half-written."""
        for path in self.folder.glob("*/.*.partial"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()


def load(path: pathlib.Path) -> Item:
    """One file of a store, or Damaged."""
    data = memoryview(path.read_bytes())
    if bytes(data[:65]) != hashlib.sha256(data[65:]).hexdigest().encode() + b"\n":
        raise Damaged(str(path))
    try:
        arrays = safetensors.numpy.load(bytes(data[65:]))
        size = int.from_bytes(data[65:73], "little")
        header = json.loads(bytes(data[73 : 73 + size]))
        return Item(arrays, json.loads(header["__metadata__"]["facts"]))
    except (ValueError, KeyError, safetensors.SafetensorError) as error:
        raise Damaged(str(path)) from error


@contextlib.contextmanager
def _disk(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "Free space there, allow writing, or say --cache=DIR; finished items are kept."
        what = f"The items cannot be written: {error.strerror}"
        raise UserError(what, str(folder), mend) from error
