"""The folder that a dataset goes to: may it, does it stand there, and who else is at it."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import IO

from affectjax.data import records
from affectjax.errors import UserError
from data_prep import verify

OTHER = "Choose another --out, or say --overwrite."


def check(out: pathlib.Path, metadata: dict, overwrite: bool) -> None:
    """Before hours of work: may the dataset be written there?"""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (out / records.METADATA).is_file():
            mend = "Choose another --out."
            raise UserError("The folder exists and holds no dataset", str(out), mend)
        there = _read(out)
        if not overwrite and not there:
            mend = "Remove it, or say --overwrite."
            raise UserError("The dataset that stands there is damaged", str(out), mend)
        other = list(_other(there, metadata))
        if not overwrite and other:
            what = f"Another dataset stands there; what differs: {', '.join(other)} "
            raise UserError(what, str(out), OTHER)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        probe = out.with_name(f".{out.name}.{os.getpid()}.probe")
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        mend = "Choose another --out."
        raise UserError(
            f"Nothing can be written there: {error.strerror}", str(out), mend
        ) from error


def _other(there: dict, wanted: dict) -> Iterator[str]:
    """The names of what differs; of a table, those inside it."""
    for key, value in wanted.items():
        old = there.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            yield from (f"{key}.{k}" for k in sorted({*value, *old}) if value.get(k) != old.get(k))
        elif old != value:
            yield key


def _read(out: pathlib.Path) -> dict:
    try:
        return records.open_dataset(out).metadata
    except UserError:
        return {}


def stands(out: pathlib.Path, metadata: dict) -> bool:
    """Whether this very dataset is there, every byte of it."""
    if not (out / records.METADATA).is_file():
        return False
    return _read(out).get("build") == metadata["build"] and not verify.dataset(out)


def sweep(out: pathlib.Path) -> None:
    """Remove the half-written folders of killed builds of this dataset; its lock must be held."""
    for path in out.parent.iterdir():
        if re.fullmatch(rf"\.{re.escape(out.name)}\.[0-9a-f]{{8}}\.(partial|old)", path.name):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def lock(out: pathlib.Path, alone: bool = True) -> Iterator[None]:
    """Keep a second build off this dataset; shares of hosts work on the items side by side."""
    if not alone:
        yield
        return
    path = out.with_name(f".{out.name}.lock")
    file = _locked(path, out)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: pathlib.Path, out: pathlib.Path) -> IO:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a")
        except OSError as error:
            what = f"Nothing can be written there: {error.strerror}"
            raise UserError(what, str(path), "Choose another --out.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that just ended may have removed the file between our two steps.
            if os.path.exists(path) and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except BlockingIOError as error:
            file.close()
            mend = "Wait for it, or choose another --out."
            raise UserError("Another build of this dataset is running", str(out), mend) from error
        except OSError:
            file.close()
            raise
        file.close()
