"""What stands is whole: it is written beside its place, then renamed into it.

A file is replaced at one stroke. A folder is gone for the moment between the old one and the new.
"""

import contextlib
import hashlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator


def put(path: pathlib.Path, content: bytes | str) -> None:
    """Make `path` a file of this at one stroke, once all is on the disk; or leave what is there.

    Its folder must be there already: one that was taken away is not made again in silence.
    """
    data = content.encode() if isinstance(content, str) else content
    with _beside(path, secrets.token_hex(4)) as partial:  # others may be writing the same
        with open(partial, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)


def sha256(path: str | os.PathLike) -> str:
    """The digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy(source: pathlib.Path, path: pathlib.Path) -> None:
    """Make `path` a copy of a file, which may be long: what a kill leaves is written over."""
    with _beside(path, hashlib.sha256(path.name.encode()).hexdigest()[:8]) as partial:
        shutil.copyfile(source, partial)
        os.replace(partial, path)


@contextlib.contextmanager
def _beside(path: pathlib.Path, mark: str) -> Iterator[pathlib.Path]:
    partial = path.with_name(f".{mark}.partial")  # without the name, which may be as long as can be
    try:
        yield partial
    except OSError as error:
        if error.filename is None:  # a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder to fill, which takes the place of `path` when the block ends well."""
    partial = path.with_name(f"{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
