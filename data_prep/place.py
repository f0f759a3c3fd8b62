"""The folder that a dataset goes to: may it, does it stand there, and who else is at it."""

import contextlib
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator

from affectjax.data import records
from affectjax.errors import UserError
from data_prep import verify


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
        if not overwrite and any(there.get(key) != value for key, value in metadata.items()):
            mend = "Choose another --out, or say --overwrite."
            raise UserError("Another dataset stands there", str(out), mend)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        probe = out.with_name(f".{out.name}.{os.getpid()}.partial")
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        mend = "Choose another --out."
        raise UserError(
            f"Nothing can be written there: {error.strerror}", str(out), mend
        ) from error


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
    """Remove the half-written folders of builds of this dataset that were killed."""
    for tail in ("partial", "old"):
        for path in out.parent.glob(f".{out.name}.*.{tail}"):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def lock(out: pathlib.Path, folder: str, alone: bool) -> Iterator[None]:
    """Keep a second build off this dataset; shares of hosts work on the items side by side."""
    if not alone:
        yield
        return
    place = pathlib.Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = open(place / f".lock.{out.name}", "w")
    except OSError as error:
        mend = "Say --cache=DIR."
        raise UserError(f"Nothing can be written there: {error.strerror}", folder, mend) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError("Another build of this dataset is running", str(out)) from error
        yield
