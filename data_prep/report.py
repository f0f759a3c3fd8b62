"""What a build made and what it left out: report.json, and the same as a page that stands alone.

Everything here follows from the dataset and the items, so the same build writes the same report.
"""

import collections
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectjax import files
from affectjax.data import records
from affectjax.errors import UserError
from data_prep import report_page
from data_prep.comments import clean

FILE, PAGE = "report.json", "report.html"
COMMENT_BINS = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1000)
SECOND_BINS = (0, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


def of_sources(plan, sources, clips) -> dict[str, Any]:
    """What only the builder knows: skipped sources, notes, what cleaning removed."""
    cleaned: collections.Counter[str] = collections.Counter()
    facts = collections.Counter()
    used = {clip.source for each in clips.values() for clip in each}
    for name, made in sources.made.items():
        if made.failure is not None:
            continue
        facts["sources"] += 1
        facts["sources without a clip"] += name not in used
        facts["without sound"] += not made.facts["has_sound"]
        facts["silent"] += made.facts["silent"] is True
        if made.said is not None:
            said = sources.said(name)
            cleaned.update(said.counts)
            # Only here are the comments and the video's length known together.
            end = made.facts["duration"]
            cleaned[clean.END] += len(said.time) - int(np.searchsorted(said.time, end))
    return {
        "skipped": {**plan.skipped, **sources.skipped},
        "notes": {"": plan.notes, **sources.notes} if plan.notes else sources.notes,
        "cleaning": dict(cleaned),
        "sources": dict(facts),
    }


def write(out: pathlib.Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """Write both files beside the dataset; gives what they say."""
    page = {**of_dataset(records.open_dataset(out)), **told}
    text = json.dumps(page, indent=1, ensure_ascii=False) + "\n"
    for name, said in ((FILE, text), (PAGE, report_page.as_html(page))):
        try:
            files.put(out / name, said.encode("utf-8", "backslashreplace"))
        except OSError as error:
            mend = "The dataset is whole; free space there and start the same command again."
            what = f"The report cannot be written: {error.strerror}"
            raise UserError(what, str(out / name), mend) from error
    return page


def of_dataset(dataset: records.Dataset) -> dict[str, Any]:
    """Counts and histograms of every record of a dataset."""
    widths = dataset.spec.modalities
    found = {"name": dataset.name, "digest": dataset.digest, "splits": {}, "modalities": {}}
    found["trained"] = dataset.metadata.get("trained", True)
    tables = {m: _Table(width) for m, width in widths.items()}
    for split in dataset.splits:
        source = dataset.split(split)
        seen = _Split(dataset.spec)
        for i in range(len(source)):
            record = source[i]
            seen.add(record)
            for m in widths:
                tables[m].add(record["features"][m])
        said = {**seen.table(), "groups": len(set(source.groups))}
        found["splits"][split] = said
    said = dataset.metadata.get("modalities", {})
    for m, table in tables.items():
        known = {k: said.get(m, {}).get(k) for k in ("extractor", "rate", "trained", "weights")}
        found["modalities"][m] = {**known, **table.table()}
    return found


class _Split:
    """Sums over the records of one split."""

    def __init__(self, spec: records.Spec):
        self.spec, self.durations, self.comments = spec, [], []
        self.labels: collections.Counter[int] = collections.Counter()
        self.words: collections.Counter[str] = collections.Counter()
        self.values, self.rows = [], []
        self.segments = 0

    def add(self, record: Mapping[str, Any]) -> None:
        self.durations.append(record["duration"])
        if self.spec.comments:
            self.comments.append(len(record["comments"]["length"]))
            pairs = zip(record["comments"]["word"], record["comments"]["emotional"].tolist())
            self.words.update(word for word, emotional in pairs if emotional)
        if self.spec.label_names:
            self.labels[record["label"]] += 1
        if self.spec.value_names:
            self.values.append(record["values"])
        if self.spec.distribution_names:
            self.rows.append(record["distribution"])
        if self.spec.segments:
            self.segments += len(record["segments"])

    def table(self) -> dict[str, Any]:
        spec, seconds = self.spec, np.array(self.durations)
        found = {
            "clips": len(seconds),
            "seconds": {**_spread(seconds), "total": round(float(seconds.sum()), 3)},
            "durations": _histogram(seconds, SECOND_BINS),
        }
        if spec.comments:
            counts = np.array(self.comments)
            found["comments"] = {**_spread(counts), "total": int(counts.sum())}
            found["comments of a clip"] = _histogram(counts, COMMENT_BINS)
            found["emotional words"] = dict(self.words.most_common(30))
        if spec.label_names:
            named = {name: self.labels[i] for i, name in enumerate(spec.label_names)}
            found["labels"] = named | ({"unknown": self.labels[-1]} if self.labels[-1] else {})
        if spec.value_names:
            values = np.concatenate(self.values)
            found["values"] = {
                name: {**_spread(column[~np.isnan(column)]), "masked": int(np.isnan(column).sum())}
                for name, column in zip(spec.value_names, values.T)
            }
        if spec.distribution_names:
            rows = np.concatenate(self.rows)
            full = rows[~np.isnan(rows).any(1)]
            mean = full.mean(0) if len(full) else np.zeros(rows.shape[1])
            found["windows"] = {"counted": len(full), "masked": len(rows) - len(full)}
            found["distribution"] = {
                name: round(float(share), 4) for name, share in zip(spec.distribution_names, mean)
            }
        if spec.segments:
            found["segments"] = self.segments
        return found


class _Table:
    """Sums over the rows of one modality."""

    def __init__(self, width: int):
        self.least, self.most = np.full(width, np.inf), np.full(width, -np.inf)
        self.total, self.squares = np.zeros(width), np.zeros(width)
        self.rows = self.zero = self.without = self.still = 0

    def add(self, rows: np.ndarray) -> None:
        if not len(rows):
            self.without += 1
            return
        wide = rows.astype(np.float64)
        self.least = np.minimum(self.least, wide.min(0))
        self.most = np.maximum(self.most, wide.max(0))
        self.total, self.squares = self.total + wide.sum(0), self.squares + (wide**2).sum(0)
        self.rows += len(rows)
        self.zero += int((rows == 0).all(1).sum())
        self.still += len(rows) > 1 and bool((rows == rows[0]).all())

    def table(self) -> dict[str, Any]:
        found = {"width": len(self.least), "rows": self.rows, "clips without": self.without}
        if not self.rows:
            return found
        mean = self.total / self.rows
        deviation = np.sqrt(np.maximum(self.squares / self.rows - mean**2, 0))
        constant = np.flatnonzero(self.least == self.most)
        return found | {
            "rows of zeros": self.zero,
            "clips that never change": self.still,
            "constant features": constant.tolist(),
            "least": _short(self.least.min()),
            "most": _short(self.most.max()),
            "mean": _short(mean.mean()),
            "deviation": _short(deviation.mean()),
        }


def _spread(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    wide = np.asarray(values, np.float64)
    return {"least": _short(wide.min()), "median": _short(np.median(wide)),
            "mean": _short(wide.mean()), "most": _short(wide.max())}  # fmt: skip


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _histogram(values: np.ndarray, bins: tuple[int, ...]) -> dict[str, int]:
    """{"from to below": count}; the last bin is open."""
    place = np.searchsorted(bins, values, side="right") - 1
    counts = np.bincount(place.astype(int), minlength=len(bins))
    names = [f"{a} to {b}" for a, b in zip(bins, bins[1:])] + [f"{bins[-1]} and more"]
    return {name: int(count) for name, count in zip(names, counts)}


def summary(page: Mapping[str, Any]) -> str:
    """The report in a few lines."""
    lines = []
    for split, found in page["splits"].items():
        comments = f", {found['comments']['total']} comments" if "comments" in found else ""
        hours = found["seconds"]["total"] / 3600
        lines.append(
            f"  {split}: {found['clips']} clips of {found['groups']} groups, {hours:.2f} h"
            f"{comments}"
        )
        if "labels" in found:  # a label that somebody misspelt shows here as a class of its own
            counts = ", ".join(f"{name} {count}" for name, count in found["labels"].items())
            lines.append(f"    {counts}")
    for m, found in page["modalities"].items():
        odd = [f"{len(found['constant features'])} constant features"] if found.get(
            "constant features") else []  # fmt: skip
        for key in ("clips without", "clips that never change", "rows of zeros"):
            if found.get(key):
                odd.append(f"{key}: {found[key]}")
        if odd:
            lines.append(f"  note: {m}: {', '.join(odd)}")
    if not page["trained"]:
        lines.append("  note: features of random weights: they are good for trying the way only")
    reasons = collections.Counter(page["skipped"].values())
    lines += [f"  skipped: {count} ({reason})" for reason, count in reasons.most_common(3)]
    if len(reasons) > 3:
        lines.append(f"  skipped: {sum(c for _, c in reasons.most_common()[3:])} for other reasons")
    return "\n".join(lines)
