"""The clips that an import is made of: from a manifest, from stacked arrays, from MMSA-FET."""

import csv
import dataclasses
import functools
import io
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from affectjax.errors import UserError, nearest
from data_prep import arrays, find, unpickle


@dataclasses.dataclass(frozen=True)
class Entry:
    """One clip to be; `features` gives the arrays [T, D] when they are asked for."""

    id: str
    group: str
    split: str
    features: Mapping[str, Callable[[], np.ndarray]]
    start: float | None = None
    end: float | None = None
    label: str = ""
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    where: str = ""


def entries(
    features: pathlib.Path, manifest: str | None, options: Mapping[str, Any]
) -> list[Entry]:
    """All clips, in the order in which they were listed."""
    if features.suffix.lower() in (".pkl", ".pickle") and features.is_file():
        return mmsa(features)
    find.folder(features, "--features", "the folder of the arrays")
    stacks = _stacks(features, options["values"].values())
    if manifest is not None:
        return listed(features, pathlib.Path(manifest), stacks, options["modalities"])
    if not stacks:
        mend = "Say --manifest=CSV, or give stacked arrays named <modality>_<split>.npy."
        raise UserError("there is no manifest and no stacked array", str(features), mend)
    return stacked(features, stacks, options["values"])


def _stacks(folder: pathlib.Path, targets: Any) -> dict[tuple[str, str], pathlib.Path]:
    """{(modality, split): file} of the arrays that hold all clips of a split."""
    found = {}
    for path in sorted(folder.iterdir()):
        name, _, split = path.stem.rpartition("_")
        fits = path.suffix.lower() in arrays.ENDINGS and name and re.fullmatch("[a-z0-9]+", split)
        if fits and name not in targets:
            found[name, split] = path
    return found


def listed(folder: pathlib.Path, manifest: pathlib.Path, stacks, wanted: Any) -> list[Entry]:
    """The clips of a manifest, and of the stacked arrays those that are `wanted` or [N, T, D]."""
    if not manifest.is_file():
        raise UserError("The manifest is missing", str(manifest), "Say --manifest=CSV.")
    rows = list(csv.DictReader(io.StringIO("\n".join(find.lines(manifest)))))
    if not rows or "id" not in rows[0]:
        mend = "Its first line names the columns, `id` among them."
        raise UserError("The manifest has no column id", str(manifest), mend)
    known = {"id", "group", "split", "start", "end", "label", "row"}
    for column in rows[0]:
        if column not in known and not str(column).startswith("value:"):
            mend = nearest(str(column), (*sorted(known), "value:NAME"))
            raise UserError(f"the manifest's column {column!r} is unknown", str(manifest), mend)
    modalities = sorted(path.name for path in folder.iterdir() if path.is_dir())
    splits = {(row.get("split") or "").strip() or "train" for row in rows}
    stacks = {
        (name, split): path
        for (name, split), path in stacks.items()
        if split in splits and _is_modality(path, name, wanted)
    }
    place: dict[str, int] = {}
    found = []
    for number, row in enumerate(rows, 2):
        where = f"{manifest}, line {number}"
        row = {key: (value or "").strip() for key, value in row.items() if key}
        if not row["id"]:
            raise UserError("a clip has no id", where)
        split = row.get("split") or "train"
        at = _second(row.get("row"), where, place.get(split, 0))
        if at != int(at):
            raise UserError(f"the row {at} is no whole number", where)
        place[split] = place.get(split, 0) + 1
        features: dict[str, Callable[[], np.ndarray]] = {}
        for name in modalities:
            if path := arrays.beside(folder / name / row["id"]):
                features[name] = functools.partial(arrays.read, path, name)
        for (name, part), path in stacks.items():
            if part == split:
                features.setdefault(name, _one(path, name, int(at)))
        start = _second(row.get("start"), where, None)
        end = _second(row.get("end"), where, None)
        if end is not None and end < (start or 0.0):
            raise UserError(f"{row['id']} ends before it starts", where)
        values = {
            key.removeprefix("value:"): _number(value, where, float("nan"))
            for key, value in row.items()
            if key.startswith("value:")
        }
        found.append(
            Entry(
                row["id"],
                row.get("group") or row["id"],
                split,
                features,
                start,
                end,
                row.get("label", ""),
                values,
                where,
            )  # fmt: skip
        )
    if not any(entry.features for entry in found):
        example = folder / "<modality>" / f"{found[0].id}.npy"
        mend = f"Such as {example}. A stack [N, D] is read where the option modalities names it."
        raise UserError("no clip of the manifest has a file", str(folder), mend)
    return found


def _is_modality(path: pathlib.Path, name: str, wanted: Any) -> bool:
    """Whether a stacked array is one of features; a table of targets looks like [N, D] as well."""
    return name in wanted if wanted else arrays.stacked(path, name).ndim == 3


def _number(text: str | None, where: str, default: Any) -> Any:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("inf")
    if np.isinf(value):
        raise UserError(f"{text!r} is no number", where)
    return value


def _second(text: str | None, where: str, default: Any) -> Any:
    """A number that says where something is: not below 0, and never missing by a word."""
    value = _number(text, where, default)
    if value is not None and not value >= 0:
        raise UserError(f"{text!r} is no number from 0", where)
    return value


def _one(path: pathlib.Path, name: str, row: int) -> Callable[[], np.ndarray]:
    """One clip of a stacked array [N, T, D]."""

    def read() -> np.ndarray:
        found = arrays.stacked(path, name)
        if found.ndim not in (2, 3) or not 0 <= row < len(found):
            what = f"The array has the shape {found.shape}, and row {row} is wanted"
            raise UserError(what, str(path), "Stack clips as [N, T, D].")
        return found[row] if found.ndim == 3 else found[row][None]

    return read


def stacked(folder: pathlib.Path, stacks, targets: Mapping[str, str]) -> list[Entry]:
    """Clips that nothing names: row after row of the stacked arrays of each split."""
    found = []
    for split in sorted({split for _, split in stacks}):
        mine = {name: path for (name, part), path in stacks.items() if part == split}
        counts = {name: len(arrays.stacked(path, name)) for name, path in mine.items()}
        columns = {}
        for name, stem in targets.items():
            path = arrays.beside(folder / f"{stem}_{split}")
            if path is None:
                mend = f"The option values says that {name} stands there."
                raise UserError("the targets are missing", str(folder / f"{stem}_{split}"), mend)
            columns[name] = arrays.stacked(path, stem).reshape(-1)
            counts[stem] = len(columns[name])
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise UserError(f"the arrays of {split} are of different length: {said}", str(folder))
        for row in range(min(counts.values())):
            name = f"{split}-{row:05d}"
            features = {m: _one(path, m, row) for m, path in mine.items()}
            values = {key: float(column[row]) for key, column in columns.items()}
            found.append(Entry(name, name, split, features, values=values, where=str(folder)))
    return found


def mmsa(path: pathlib.Path) -> list[Entry]:
    """The clips of a feature file of MMSA-FET."""
    whole = unpickle.load(path)
    good = isinstance(whole, dict) and whole and all(isinstance(v, dict) for v in whole.values())
    if not good or not all("id" in part for part in whole.values()):
        mend = "It holds {split: {id: [...], audio: [N, T, D], ...}}."
        raise UserError("The file is none of MMSA-FET", str(path), mend)
    found = []
    for split, part in whole.items():
        part = {str(name): column for name, column in part.items()}
        ids = [str(name) for name in _plain(part, "id", path)]
        columns = {
            name: rows
            for name, rows in part.items()
            if isinstance(rows, np.ndarray) and rows.ndim == 3 and rows.dtype.kind in "fiu"
            and len(rows) == len(ids) and name != "text_bert"  # tokens, no features
        }  # fmt: skip
        lengths = {name: _lengths(part, f"{name}_lengths", rows, path)
                   for name, rows in columns.items()}  # fmt: skip
        values = {
            name.removesuffix("regression_labels").rstrip("_") or "sentiment": column
            for name in part
            if name.startswith("regression_labels") or name.endswith("regression_labels")
            if len(column := _numbers(part, name, path)) == len(ids)
        }
        given = "annotations" if "annotations" in part else "classification_labels"
        labels = _plain(part, given, path)
        for row, name in enumerate(ids):
            features = {
                m: functools.partial(_rows_of, rows, row, lengths[m][row])
                for m, rows in columns.items()
            }
            label = _label(labels[row]) if len(labels) == len(ids) else ""
            taught = {key: float(column[row]) for key, column in values.items()}
            group = name.partition("$_$")[0]
            found.append(
                Entry(
                    name, group, str(split), features, label=label, values=taught, where=str(path)
                )
            )
    return found


def _rows_of(rows: np.ndarray, row: int, count: int) -> np.ndarray:
    return rows[row][:count]


def _plain(part: Mapping[str, Any], name: str, path: pathlib.Path) -> list:
    """A column of numbers or words, one for each clip; empty where it is missing."""
    column = part.get(name)
    if column is None:
        return []
    column = column.reshape(-1).tolist() if isinstance(column, np.ndarray) else column
    if isinstance(column, (list, tuple)):
        found = [_only(value) for value in column]
        if all(v is None or isinstance(v, (str, bytes, int, float, np.generic)) for v in found):
            return found
    mend = "It has a number or a word for each clip."
    raise UserError(f"{name} is no plain list", str(path), mend)


def _only(value: Any) -> Any:
    """What a list or an array of one holds, else the value itself."""
    value = value.tolist() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _numbers(part: Mapping[str, Any], name: str, path: pathlib.Path) -> np.ndarray:
    try:
        return np.array(_plain(part, name, path), np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{name} are no numbers: {error}", str(path)) from error


def _label(value: Any) -> str:
    if value is None or value != value:  # a missing one
        return ""
    number = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if number else str(value)


def _lengths(part: Mapping[str, Any], name: str, rows: np.ndarray, path: pathlib.Path) -> list:
    """How many rows of each padded clip are its own."""
    if part.get(name) is None:
        return [rows.shape[1]] * len(rows)
    found = _numbers(part, name, path)
    if len(found) != len(rows) or not (found >= 0).all():
        what = f"{name} are no {len(rows)} numbers from 0, one for each clip"
        raise UserError(what, str(path), "Say how many rows each clip has.")
    return [int(min(length, rows.shape[1])) for length in found]
