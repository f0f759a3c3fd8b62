"""Arrays that others saved: .npy, .npz, .h5 and .csv, read without running anything in them."""

import csv
import functools
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from affectjax.errors import UserError
from data_prep import find

ENDINGS = (".npy", ".npz", ".h5", ".hdf5", ".csv")


def digest(features: str, manifest: str | None, settings: Any) -> str:
    """Of the settings and of all files that an import may read."""
    root = pathlib.Path(features)
    paths = [root] if root.is_file() else sorted(find.files(root, ENDINGS))
    if manifest is not None and not root.is_file():
        paths.append(pathlib.Path(manifest))
    found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in paths:
        name = path.relative_to(root) if path.is_relative_to(root) else ""
        found.update(os.fsencode(name) + b"\n")
        try:
            with open(path, "rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise UserError(f"The file cannot be read: {error.strerror}", str(path)) from error
    return found.hexdigest()


def beside(stem: pathlib.Path) -> pathlib.Path | None:
    """The file of that name with one of the endings."""
    for ending in ENDINGS:
        path = stem.with_name(stem.name + ending)
        if path.is_file():
            return path
    return None


def read(path: pathlib.Path, key: str = "") -> np.ndarray:
    """The one array of a file, or that of the key; numbers only."""
    try:
        found = {
            ".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5, ".csv": _csv,
        }[path.suffix.lower()](path, key)  # fmt: skip
    except UserError:
        raise
    except Exception as error:  # the libraries raise whatever comes up on a damaged file
        what = f"The array cannot be read: {type(error).__name__}: {error}"
        raise UserError(what, str(path), "Save it again.") from error
    if found.dtype.kind not in "biuf":
        raise UserError(f"The array holds {found.dtype}, not numbers", str(path), "Save numbers.")
    return found


@functools.lru_cache(8)
def stacked(path: pathlib.Path, key: str = "") -> np.ndarray:
    """As `read`, and kept: many clips stand in one file."""
    return read(path, key)


def _npy(path: pathlib.Path, key: str) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _npz(path: pathlib.Path, key: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as file:
        return file[_only(path, key, list(file))]


def _hdf5(path: pathlib.Path, key: str) -> np.ndarray:
    try:
        import h5py
    except ImportError as error:
        mend = 'Install the extra "prep".'
        raise UserError("Reading HDF5 needs h5py", str(path), mend) from error
    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visititems(lambda name, one: names.append(name) if _is_array(one) else None)
        return file[_only(path, key, names)][()]


def _is_array(one: Any) -> bool:
    return hasattr(one, "shape") and hasattr(one, "dtype")


def _only(path: pathlib.Path, key: str, names: list[str]) -> str:
    if key in names:
        return key
    if len(names) == 1:
        return names[0]
    mend = f"It has {', '.join(sorted(names)) or 'none'}; keep one, or name it after the modality."
    raise UserError(f"The file holds {len(names)} arrays, none of them {key!r}", str(path), mend)


def _csv(path: pathlib.Path, key: str) -> np.ndarray:
    """Rows of numbers; a first row that has words is a header."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    try:
        [float(cell) for cell in rows[0]]
    except (ValueError, IndexError):
        rows = rows[1:]
    return np.array([[float(cell) for cell in row] for row in rows], np.float32)
