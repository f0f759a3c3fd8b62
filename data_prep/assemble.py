"""The last step: clips are cut from items and written as a dataset, the same bytes each time."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from affectjax.data import records
from affectjax.errors import UserError
from affectjax.media import features, pictures
from data_prep import runner
from data_prep.plan import Clip, Found, Plan, Said, Source


class Sources:
    """What became of each source; comments and features are read when they are asked for."""

    def __init__(self, plan: Plan, local: runner.Local):
        self.local = local
        self.by_name = {source.name: source for source in plan.sources}
        self.made = {source.name: local.result(source) for source in plan.sources}

    def lookup(self, source: Source) -> Found | None:
        """Length and comments of a source; None where it failed."""
        made = self.made[source.name]
        if made.failure is not None:
            return None
        return Found(made.facts["duration"], self.said(source.name))

    def said(self, name: str) -> Said | None:
        """The comments of a source; None where it has none."""
        key = self.made[name].said
        if key is None:
            return None
        return runner.unpack(self._item(key))

    def features(self, name: str) -> dict[str, np.ndarray]:
        """{modality: float16 [T, D]} of a whole source, and the arrays of its entries."""
        found = {}
        for key in self.made[name].features.values():
            found |= self._item(key).arrays
        return found

    def _item(self, key: str):
        item = self.local.store.read(key)
        if item is None:  # damaged or removed in the minutes since it was verified
            mend = "Start the same command again: it makes what is missing."
            raise UserError("An item is gone or damaged", str(self.local.store.path(key)), mend)
        return item

    @property
    def skipped(self) -> dict[str, str]:
        """Why each source that failed did."""
        return {name: made.failure for name, made in self.made.items() if made.failure is not None}

    @property
    def notes(self) -> dict[str, list[str]]:
        """What there is to say of each source that has notes."""
        return {n: made.facts["notes"] for n, made in self.made.items() if made.facts.get("notes")}


def spec(plan: Plan, local: runner.Local) -> records.Spec:
    """What the records of a plan hold, from the extractors that were chosen."""
    widths: dict[str, int] = {}
    given: dict[str, Any] = {}
    for one in local.found:
        if features.is_entry(one):
            (entry,) = one.modalities
            if entry in given:
                what = f"two extractors give the record's {entry}"
                raise UserError(what, "--extractors", "Choose one of them.")
            given[entry] = one.modalities[entry] if entry == "mfcc" else True
            continue
        for modality, width in one.modalities.items():
            if modality in widths:
                mend = "Choose extractors whose modalities have names of their own."
                raise UserError(f"two extractors give {modality!r}", "--extractors", mend)
            widths[modality] = width
    return records.Spec(modalities=widths, **given, **plan.spec)


def modalities(local: runner.Local) -> dict[str, dict]:
    """What the dataset says of each modality."""
    return {
        modality: {
            "extractor": one.name,
            "settings": dict(one.settings),
            "weights": one.weights,
            "trained": bool(one.trained),
            "width": width,
            "rate": one.wants[modality].rate,
        }
        for one in local.found
        for modality, width in one.modalities.items()
    }


def chosen(plan: Plan, sources: Sources) -> dict[str, list[Clip]]:
    """The clips of every split, those of one source together, in the order of the sources."""
    if sources.by_name and len(sources.skipped) == len(sources.by_name):
        name, reason = next(iter(sources.skipped.items()))
        what = f"all {len(sources.skipped)} sources failed; {name}: {reason}"
        mend = "Mend that first, and start the same command again with --retry."
        raise UserError(what, mend=mend)
    place = {name: i for i, name in enumerate(sources.by_name)}
    found = {
        split: sorted(clips, key=lambda clip: (place[clip.source], clip.start, clip.id))
        for split, clips in plan.clips(sources.lookup).items()
    }
    empty = [split for split in (*plan.splits, *found) if not found.get(split)]
    if empty:
        what = f"no clip is left for the split {empty[0]}"
        if skipped := [*sources.skipped.items(), *plan.skipped.items()]:
            name, reason = skipped[0]
            what += f": {len(skipped)} sources were skipped; {name}: {reason}"
        raise UserError(what, mend="Give videos of every split.")
    return found


def cut(clips: list[Clip], sources: Sources, spec: records.Spec) -> Iterator[dict[str, Any]]:
    """The records of clips; a source's items are read once where its clips follow each other."""
    name = None
    for clip in clips:
        if clip.source != name:
            name = clip.source
            rows, facts = sources.features(name), sources.made[name].facts
            said = sources.said(name) if spec.comments else None
        end = facts["duration"] if clip.end is None else min(clip.end, facts["duration"])
        yield {
            "id": clip.id,
            "group": clip.group,
            "start": clip.start,
            "duration": end - clip.start,
            "features": {
                m: features.cut(rows[m], facts["rates"][m], clip.start, clip.end)
                for m in spec.modalities
            },
            "rate": {m: facts["rates"][m] for m in spec.modalities},
            **entries(spec, rows, facts["rates"], clip),
            **({"comments": comments(said, clip.start, end)} if spec.comments else {}),
            **clip.targets,
        }


def entries(
    spec: records.Spec, rows: Mapping[str, np.ndarray], rates: Mapping[str, float], clip: Clip
) -> dict[str, Any]:
    """The frames and the MFCC of a clip, where the dataset has them."""
    found: dict[str, Any] = {}
    if spec.frames:
        time = (np.arange(len(rows["frames_size"])) + 0.5) / rates["frames"]
        inside = (time >= clip.start) & (time < (np.inf if clip.end is None else clip.end))
        blobs = pictures.parted(rows)
        found["frames"] = [blobs[i] for i in np.flatnonzero(inside)]
        found["frames_time"] = time[inside] - clip.start
    if spec.mfcc:
        found["mfcc"] = features.cut(rows["mfcc"], rates["mfcc"], clip.start, clip.end)
    return found


def comments(said: Said | None, start: float, end: float) -> dict[str, Any]:
    """The comments that appear in a part of a source, with their times in it."""
    if said is None:
        return {}
    first, last = np.searchsorted(said.time, np.array([start, end], np.float32))
    # A float32 second can round up to the end that lies above it.
    time = np.clip(said.time[first:last].astype(np.float64) - start, 0, None).astype(np.float32)
    words, flags = said.words[first:last], said.emotional[first:last]
    return {
        "word": [word for each in words for word in each],
        "length": np.array([len(each) for each in words], np.int32),
        "time": time,
        "emotional": np.array([flag for each in flags for flag in each], np.uint8),
    }


def partition_table(plan: Plan, clips: Mapping[str, list[Clip]]) -> dict[str, Any]:
    """How each partition divides the records of one split, a letter a record: {} for none."""
    if not plan.partitions:
        return {}
    ((split, found),) = clips.items()
    names = sorted({part for parts in plan.partitions.values() for part in parts.values()})
    letters = {part: str(i) for i, part in enumerate(names)}
    table = {
        name: "".join(letters.get(parts.get(clip.id), "-") for clip in found)
        for name, parts in plan.partitions.items()
    }
    return {"partitions": {"split": split, "parts": names, "table": table}}


def digest(
    metadata: Mapping[str, Any],
    format: str,
    spec: records.Spec,
    clips: Mapping[str, list[Clip]],
    sources: Sources,
) -> str:
    """Of everything that the dataset's bytes follow from."""
    found = hashlib.sha256(
        json.dumps([metadata, format, spec.to_json()], sort_keys=True, default=str).encode()
    )
    for split, each in clips.items():
        for clip in each:
            made = sources.made[clip.source]
            parts = [split, *made.features.values(), made.said or ""]
            found.update(json.dumps(parts).encode())
            for field in dataclasses.fields(clip)[:-1]:
                found.update(repr(getattr(clip, field.name)).encode())
            for name, value in clip.targets.items():
                found.update(name.encode() + np.asarray(value, np.float64).tobytes())
    return found.hexdigest()


def write(
    out: pathlib.Path,
    name: str,
    spec: records.Spec,
    clips: Mapping[str, list[Clip]],
    sources: Sources,
    metadata: Mapping[str, Any],
    format: str,
    overwrite: bool,
) -> None:
    """Cut the clips of every split and write them as a dataset."""
    splits = {split: cut(each, sources, spec) for split, each in clips.items()}
    records.write(out, name, spec, splits, format=format, metadata=metadata, overwrite=overwrite)
