"""Features that others extracted become records: python -m data_prep.build import --out=DIR ...

--features=DIR --manifest=CSV   an array [T, D] for each clip and modality:
    DIR/<modality>/<clip id>.npy, .npz, .h5 or .csv. The manifest has a line for each clip, with
    the columns `id` and, as far as there are any, `group` (the film or source; default: the id),
    `split` (default train), `start`, `end` (seconds), `label` (a name or a number), `value:<name>`.
--features=DIR                  an array [N, T, D] for all clips of a split and each modality:
    DIR/<modality>_<split>.npy and so on. With a manifest, its column `row` says which of the N a
    clip is (default: the place of its line among those of its split), and arrays [N, D] are read
    where the option `modalities` names them. Without one, the clips are called <split>-<row>; the
    option `values` {"name": "y"} takes targets from DIR/y_<split> [N].
--features=FILE.pkl             a feature file of MMSA-FET: {split: {id, <modality>, labels}}.

Options, as --options JSON: `rates` {modality: rows a second} (default 1), `padding` "none" or
"zeros" (rows that are zero in every modality, at either end, are left out; where the manifest says
`start` or `end`, no row at the start that belongs to that time), `values` as above,
`label` {"value": name, "above": number, "names": [low, high]} makes classes of a value, `labels`
[name, ...] gives the order of the classes, `modalities` [name, ...] takes these alone.
A file beside these arrays that holds several must name them after the modality.
"""

import argparse
import collections
import dataclasses
import math
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from affectjax.data import records
from affectjax.errors import COMPLETE, UserError, nearest
from affectjax.media.features import narrow
from data_prep import arrays, builders, command, imports, place, report
from data_prep.imports import Entry

OPTIONS = {
    "rates": {},
    "padding": "none",
    "values": {},
    "label": {},
    "labels": [],
    "modalities": [],
}


def main(flags: argparse.Namespace, out: pathlib.Path) -> int:
    """The command `build import`."""
    if flags.features is None:
        mend = "Say --features=DIR, or --features=FILE.pkl."
        raise UserError("--features is missing", mend=mend)
    options = builders.filled(OPTIONS, command.json_flag(flags, "options"), "import")
    if options["padding"] not in ("none", "zeros"):
        mend = nearest(options["padding"], ("none", "zeros"))
        raise UserError(f"padding cannot be {options['padding']!r}", "--options", mend)
    if not _texts(options["modalities"]):
        what = f"the option modalities cannot be {options['modalities']!r}"
        raise UserError(what, "--options", "Say [name, ...].")
    try:
        entries = imports.entries(pathlib.Path(flags.features), flags.manifest, options)
    except OSError as error:
        what = f"The features cannot be read: {error.strerror}"
        raise UserError(what, str(error.filename), "Allow reading them.") from error
    taught = _targets(entries, options)
    widths = _widths(entries, options)
    spec = records.Spec(modalities=widths, label_names=taught.labels, value_names=taught.values)
    metadata = {
        "builder": "import",
        "options": options,
        "modalities": {
            m: {"extractor": "imported", "rate": _rate(options, m), "width": width, "trained": True}
            for m, width in widths.items()
        },
        "trained": True,
    }
    told = {"skipped": {}, "notes": collections.defaultdict(list)}
    by_split: dict[str, list[Entry]] = {}
    for entry in entries:
        by_split.setdefault(entry.split, []).append(entry)
    order = sorted(by_split, key=lambda s: (s != "train", s == "test", s))
    splits = {s: _records(by_split[s], taught, widths, options, told) for s in order}
    metadata["build"] = arrays.digest(flags.features, flags.manifest, [metadata, flags.format])
    with place.lock(out):
        stands = place.stands(out, metadata)
        if stands and (out / report.PAGE).is_file():
            print(f"already there: {out}")
            return COMPLETE
        if not (flags.overwrite or stands) and (out / records.METADATA).is_file():
            what = "A dataset of other inputs or settings stands there, or a damaged one"
            raise UserError(what, str(out), place.OTHER)
        place.sweep(out)
        records.write(
            out, "imported", spec, splits, format=flags.format, metadata=metadata,
            overwrite=flags.overwrite or stands,
        )  # fmt: skip
        page = report.write(out, told)
    said = ", ".join(f"{name} {width}" for name, width in widths.items())
    print(f"made: {out}\n  modalities: {said}")
    print(f"{report.summary(page)}\nreport: {out / report.PAGE}")
    return COMPLETE


@dataclasses.dataclass(frozen=True)
class _Targets:
    """What all entries together have to teach."""

    values: tuple[str, ...]
    labels: tuple[str, ...]
    label_of: Callable[[Entry], int]


def _targets(entries: list[Entry], options: Mapping[str, Any]) -> _Targets:
    values = tuple(dict.fromkeys(name for entry in entries for name in entry.values))
    rule = options["label"]
    if rule:
        if not {"value", "above"} <= set(rule) <= {"value", "above", "names"}:
            mend = 'Write {"value": name, "above": number, "names": [low, high]}.'
            raise UserError("the option label is not whole", "--options", mend)
        if isinstance(rule["above"], bool) or not isinstance(rule["above"], (int, float)):
            raise UserError(f"label cannot lie above {rule['above']!r}", "--options")
        if rule["value"] not in values:
            mend = nearest(str(rule["value"]), values) if values else "There are no values."
            raise UserError(f"there is no value {rule['value']!r}", "--options", mend)
        names = rule.get("names") or [f"up to {rule['above']}", f"above {rule['above']}"]
        if not _texts(names) or len(names) != 2 or len(set(names)) < 2:
            raise UserError("the option label has not two names", "--options", "Say [low, high].")

        def above(entry: Entry) -> int:
            value = entry.values.get(rule["value"], np.nan)
            return -1 if np.isnan(value) else int(value > rule["above"])

        return _Targets(values, tuple(names), above)
    said = {entry.label for entry in entries if entry.label != ""}
    numbers = all(re.fullmatch("-?[0-9]+", label) for label in said)
    ordered = sorted(said, key=int) if numbers else sorted(said)
    names = tuple(map(str, options["labels"])) or tuple(ordered)
    if len(set(names)) < len(names):
        raise UserError(f"the option labels names a class twice: {names}", "--options")
    if numbers and options["labels"]:  # the numbers are places in the list
        places = {str(i): i for i in range(len(names))} | {n: i for i, n in enumerate(names)}
    else:
        places = {name: i for i, name in enumerate(names)}
    for entry in entries:
        if entry.label != "" and entry.label not in places:
            mend = nearest(entry.label, names)
            raise UserError(f"{entry.id}: there is no class {entry.label!r}", "--options", mend)
    return _Targets(values, names, lambda entry: places.get(entry.label, -1))


def _texts(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


def _widths(entries: list[Entry], options: Mapping[str, Any]) -> dict[str, int]:
    """{modality: D}, from the first clip that has it."""
    names = options["modalities"] or sorted({m for entry in entries for m in entry.features})
    found = {}
    for name in names:
        for entry in entries:
            if name in entry.features:
                found[name] = _rows(entry, name).shape[1]
                break
        else:
            known = sorted({m for entry in entries for m in entry.features})
            raise UserError(f"no clip has {name!r}", "--options", nearest(name, known))
    for name in options["rates"]:
        if name not in found:
            mend = nearest(name, found)
            raise UserError(f"there is no modality {name!r}", "--options, rates", mend)
    return found


def _rows(entry: Entry, modality: str) -> np.ndarray:
    rows = entry.features[modality]()
    if rows.ndim == 1:
        rows = rows[None]
    if rows.ndim != 2 or not rows.shape[1]:
        what = f"{entry.id}: {modality} has the shape {rows.shape}, not [T, D]"
        raise UserError(what, entry.where, "Save rows by time, columns by feature.")
    return rows


def _records(entries, taught: _Targets, widths, options, told) -> Iterator[dict[str, Any]]:
    for entry in entries:
        odd: collections.Counter[str] = collections.Counter()
        rates = {name: _rate(options, name) for name in widths}
        found = {}
        for name, width in widths.items():
            rows = _rows(entry, name) if name in entry.features else np.zeros((0, width))
            if rows.shape[1] != width:
                what = f"{entry.id}: {name} is {rows.shape[1]} wide, others are {width}"
                raise UserError(what, entry.where, "Extract all clips in the same way.")
            found[name] = narrow(rows, name, odd)
        if options["padding"] == "zeros":
            found = unpadded(found, _room(entry, found, rates))
        if not any(len(rows) for rows in found.values()):
            told["skipped"][entry.id] = "it has no row of any modality"
            continue
        notes = [f"{count} {what}" for what, count in sorted(odd.items())]
        notes += [f"no {name}" for name, rows in found.items() if not len(rows)]
        if notes:
            told["notes"][entry.id] += notes
        longest = max(len(rows) / rates[name] for name, rows in found.items())
        record = {
            "id": entry.id,
            "group": entry.group,
            "start": entry.start or 0.0,
            "duration": longest if entry.end is None else entry.end - (entry.start or 0.0),
            "features": found,
            "rate": rates,
        }
        if taught.labels:
            record["label"] = taught.label_of(entry)
        if taught.values:
            row = [entry.values.get(name, np.nan) for name in taught.values]
            record |= {"values": [row], "values_time": [0.0]}
        yield record


def _rate(options: Mapping[str, Any], modality: str) -> float:
    rate = options["rates"].get(modality, 1.0)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
        raise UserError(f"the rate of {modality} cannot be {rate!r}", "--options")
    return float(rate)


def _room(entry: Entry, features: Mapping[str, np.ndarray], rates: Mapping[str, float]) -> int:
    """How many rows take up the time that the manifest gives the clip; 0 where it gives none."""
    if entry.end is not None:
        seconds = entry.end - (entry.start or 0.0)
        return math.ceil(seconds * max(rates.values()) - 1e-6)
    return 0 if entry.start is None else max(map(len, features.values()))


def unpadded(features: dict[str, np.ndarray], room: int = 0) -> dict[str, np.ndarray]:
    """Without the rows at both ends that are zero in every modality of that length.

    Rows have their time from the first one on, so at the start only those go that lie before the
    last `room` rows: they cannot belong to the clip's time.
    """
    counts = {len(rows) for rows in features.values() if len(rows)}
    if len(counts) > 1:  # each has a time of its own, so each is cut at its end alone
        return {name: rows[: _ends({name: rows})[1]] for name, rows in features.items()}
    first, last = _ends({name: rows for name, rows in features.items() if len(rows)})
    first = max(0, min(first, last - room))
    return {name: rows[first:last] if len(rows) else rows for name, rows in features.items()}


def _ends(features: dict[str, np.ndarray]) -> tuple[int, int]:
    told = [np.flatnonzero(rows.any(1)) for rows in features.values()]
    said = [rows for rows in told if len(rows)]
    if not said:
        return 0, 0
    return min(int(rows[0]) for rows in said), max(int(rows[-1]) for rows in said) + 1
