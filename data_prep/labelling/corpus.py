"""A comment corpus becomes a dataset: python -m data_prep.build comment_corpus --comments=FILE,...

Each comment becomes a record with its text and, for every emotion, 1, 0 or unknown. FILE is as
data_prep/labelling/texts.py says: a table with `text` and `label`, or `label<TAB>text` lines.
Options, as --options JSON:
    emotions   [name, ...] in order; default: every label, by name
    labels     {label: emotion, [emotions] or null}: what a label stands for where it is not itself
               the name of an emotion; null is none of them ("anger": "disgust" is the paper's)
    neutral    labels that are no emotion; default ["none", "neutral"]
    separator  between label and text, where the file is no table; default a tab
    split      "random" (default): by group, 8 : 1 : 1; "order": the file's order is cut so;
               a column `split` goes before both
    parts      [8, 1, 1], what train, validation and test take
    seed       of the random split
A label names what a comment has, so a labelled comment has none of the other emotions, and one
without any label is left out. Comments of equal text are of one group, whatever their column
`group` says.
"""

import argparse
import collections
import hashlib
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import comment_targets, records, splits
from affectjax.data.ngrams import spelling
from affectjax.errors import COMPLETE, UserError, nearest
from data_prep import builders, command, place
from data_prep.labelling import texts

PARTS = ("train", "validation", "test")
SPLITS = ("random", "order")
OPTIONS = {
    "emotions": [],
    "labels": {},
    "neutral": ["none", "neutral"],
    "separator": "\t",
    "split": "random",
    "parts": [8, 1, 1],
    "seed": 0,
}


def main(flags: argparse.Namespace, out: pathlib.Path) -> int:
    """The command `build comment_corpus`."""
    if not flags.comments:
        raise UserError("--comments is missing", mend="Say --comments=FILE, the labelled comments.")
    options = filled(command.json_flag(flags, "options"), "comment_corpus")
    rows, notes = [], collections.Counter()
    for name in flags.comments.split(","):
        found, left = texts.rows(name, options["separator"])
        rows += found
        notes += left
    notes["comments without a label"] += sum(row.labels is None and not row.marks for row in rows)
    made = build(rows, options, out, flags.format, flags.overwrite)
    print(f"{'already there' if made is None else 'made'}: {out}")
    print(told(out))
    for what, count in sorted((+notes).items()):
        print(f"  {count} left out or mended: {what}")
    return COMPLETE


def filled(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Every option, with the given ones on top; one line where a value does not fit."""
    found = builders.filled(OPTIONS, given, where)
    meant = [name for stands in found["labels"].values() for name in _names(stands)]
    wrong = [n for n in (*found["emotions"], *found["neutral"], *meant) if not isinstance(n, str)]
    if wrong:
        mend = "Write names of emotions and labels in quotes."
        raise UserError(f"{wrong[0]!r} is no name", "--options", mend)
    if not found["separator"]:
        raise UserError("the separator is empty", "--options", "Leave it out for a tab.")
    if found["seed"] < 0:
        raise UserError("the option seed is at least 0", "--options")
    return found


def build(
    rows: Sequence[texts.Row],
    options: Mapping[str, Any],
    out: pathlib.Path,
    format: str = "tfrecord",
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> str | None:
    """Write the dataset; gives its digest, None where this very one stands there already."""
    options = {**OPTIONS, **options}
    rows = [row for row in unique(rows) if row.labels is not None or row.marks]
    emotions = options["emotions"] or emotions_of(rows, options)
    if not emotions:
        raise UserError("the comments have no labels", "--comments", "Give a column `label`.")
    table = values(rows, emotions, options)
    side = divide(rows, options)
    made = {
        part: [
            comment_targets.record(row.id, group(row), row.text, line)
            for row, line, at in zip(rows, table, side)
            if at == part
        ]
        for part in sorted(set(side), key=lambda name: ((*PARTS, name).index(name), name))
    }
    facts = {"builder": "comment_corpus", "options": dict(options), **(metadata or {})}
    said = [[row.id, row.text, row.split, list(map(str, line))] for row, line in zip(rows, table)]
    text = json.dumps([facts, emotions, said, format], sort_keys=True)
    facts["build"] = hashlib.sha256(text.encode()).hexdigest()
    with place.lock(out):
        stands = place.stands(out, facts)
        if stands:
            return None
        if out.exists() and not overwrite:
            place.check(out, facts, overwrite)
        place.sweep(out)
        spec = records.Spec(comments=True, value_names=emotions)
        return records.write(
            out, "comments", spec, made, format=format, metadata=facts, overwrite=overwrite
        )


def unique(rows: Sequence[texts.Row]) -> list[texts.Row]:
    """The rows, or one line about an id that stands twice."""
    for name, count in collections.Counter(row.id for row in rows).items():
        if count > 1:
            mend = "Give each comment an id of its own."
            raise UserError(f"the id {name!r} stands {count} times", "--comments", mend)
    return list(rows)


def group(row: texts.Row) -> str:
    """What keeps equal texts together; a group of several texts keeps those together as well."""
    return row.group or hashlib.sha256(spelling(row.text).encode()).hexdigest()[:16]


def values(
    rows: Sequence[texts.Row], emotions: Sequence[str], options: Mapping[str, Any]
) -> np.ndarray:
    """float32 [n, K]: which emotions each comment has, NaN where nobody said."""
    column = {name: i for i, name in enumerate(emotions)}
    meaning = {name: [name] for name in emotions} | {name: [] for name in options["neutral"]}
    for label, stands in options["labels"].items():
        meaning[label] = _names(stands)
        wrong = [name for name in meaning[label] if name not in column]
        if wrong:
            what = f"{label!r} cannot stand for {wrong[0]!r}"
            raise UserError(what, "--options, labels", nearest(str(wrong[0]), emotions))
    table = np.full((len(rows), len(emotions)), np.nan, np.float32)
    for line, row in zip(table, rows):
        if row.labels is not None:
            line[:] = 0
            for label in row.labels:
                if label not in meaning:
                    what = f"{row.id}: the label {label!r} is unknown"
                    mend = "Say in the option labels what it stands for."
                    raise UserError(what, "--comments", f"{mend} {nearest(label, meaning)}")
                line[[column[name] for name in meaning[label]]] = 1
        for name, value in row.marks:
            if name not in column:
                mend = nearest(name, emotions)
                raise UserError(f"the column {name!r} is no emotion", "--comments", mend)
            line[column[name]] = value
    return table


def emotions_of(rows: Sequence[texts.Row], options: Mapping[str, Any]) -> list[str]:
    """The emotions that the labels stand for, by name."""
    own = [n for n in texts.emotions_of(rows, options["neutral"]) if n not in options["labels"]]
    return sorted({*own, *(name for v in options["labels"].values() for name in _names(v))})


def _names(meaning: Any) -> list[str]:
    """What a label stands for, as a list."""
    if meaning is None:
        return []
    return list(meaning) if isinstance(meaning, list | tuple) else [meaning]


def divide(rows: Sequence[texts.Row], options: Mapping[str, Any]) -> list[str]:
    """The split of every comment."""
    if options["split"] not in SPLITS:
        mend = nearest(options["split"], SPLITS)
        raise UserError(f"split cannot be {options['split']!r}", "--options", mend)
    parts = options["parts"]
    fit = all(isinstance(n, int | float) and 0 < n < math.inf for n in parts)
    if len(parts) != len(PARTS) or not fit:
        raise UserError(f"parts cannot be {parts!r}", "--options", "Write three numbers above 0.")
    if any(row.split for row in rows):
        without = [row.id for row in rows if not row.split]
        if without:
            raise UserError(f"{without[0]} has no split", "--comments", "Fill the column `split`.")
        return [row.split for row in rows]
    if options["split"] == "order":
        ends = np.round(np.cumsum(parts) / sum(parts) * len(rows)).astype(int)
        return [PARTS[int(np.searchsorted(ends, i, side="right"))] for i in range(len(rows))]
    side = [""] * len(rows)
    for part, places in zip(PARTS, splits.by_group(joined(rows), parts, options["seed"])):
        for i in places:
            side[i] = part
    return side


def joined(rows: Sequence[texts.Row]) -> list[str]:
    """A group for each row: those that share a group or a text, directly or through others."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for row in rows:
        parent[root("t" + spelling(row.text))] = root("g" + group(row))
    return [root("g" + group(row)) for row in rows]


def told(out: pathlib.Path) -> str:
    """How many comments of each emotion each split has."""
    dataset = records.open_dataset(out)
    names = dataset.spec.value_names
    lines = [f"{'':12}{'comments':>10}" + "".join(f"{name:>12}" for name in names)]
    for split in dataset.splits:
        source = dataset.split(split)
        rows = np.array([source[i]["values"][0] for i in range(len(source))])
        counts = (rows == 1).sum(0)
        lines.append(f"{split:12}{len(rows):10}" + "".join(f"{count:12}" for count in counts))
    return "\n".join(lines)
