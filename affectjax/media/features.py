"""Rows as they come from the decoder, made into the float16 features of one source.

An extractor with an `embed` works on batches, each of one source and one modality, and as long as a
power of two: short ones are padded. So a program is compiled for few shapes, and what a row becomes
depends on its own source alone: not on its neighbours in the list, on the number of workers, or on
what an earlier, interrupted build had finished already.
"""

import collections
from collections.abc import Sequence

import numpy as np

from affectjax.errors import UserError
from affectjax.media.extract import Chunk
from affectjax.media.extractor import Extractor

BATCH = 64
LARGEST = float(np.finfo(np.float16).max)


class Features:
    """Takes the chunks of one source; holds a batch of every modality at most, and the features.

    An extractor may say how long its batches are (`batch`).
    """

    def __init__(self, extractors: Sequence[Extractor]):
        self.extractors = extractors
        self.batch = [int(getattr(extractor, "batch", BATCH)) for extractor in extractors]
        self.waiting: dict[tuple[int, str], list[np.ndarray]] = collections.defaultdict(list)
        self.done: dict[tuple[int, str], list[np.ndarray]] = collections.defaultdict(list)
        self.odd: collections.Counter[str] = collections.Counter()

    def push(self, chunk: Chunk) -> None:
        """Take rows as they come; those for a network wait until they fill a batch."""
        place = (chunk.extractor, chunk.modality)
        if not hasattr(self.extractors[chunk.extractor], "embed"):
            self._keep(place, chunk.rows)
            return
        waiting, batch = self.waiting[place], self.batch[chunk.extractor]
        waiting.append(chunk.rows)
        while sum(map(len, waiting)) >= batch:
            rows = np.concatenate(waiting)
            waiting[:] = [rows[batch:]]
            self._embed(place, rows[:batch])

    def finish(self, extractor: int) -> dict[str, np.ndarray]:
        """{modality: float16 [T, D]} of one extractor, or its entry, after the last chunk."""
        found = {}
        for modality, width in self.extractors[extractor].modalities.items():
            place = (extractor, modality)
            rest = self.waiting.pop(place, [])
            if sum(map(len, rest)):
                self._embed(place, np.concatenate(rest))
            rows = self.done.pop(place, [])
            if is_entry(self.extractors[extractor]):
                whole = np.concatenate(rows) if rows else np.zeros(0, object)
                found |= self.extractors[extractor].gather(modality, whole)
                continue
            found[modality] = np.concatenate([np.zeros((0, width), np.float16), *rows])
        return found

    def _embed(self, place: tuple[int, str], rows: np.ndarray) -> None:
        count = len(rows)
        size = min(self.batch[place[0]], 1 << (count - 1).bit_length())
        padding = [(0, size - count)] + [(0, 0)] * (rows.ndim - 1)
        made = self.extractors[place[0]].embed(place[1], np.pad(rows, padding))
        self._keep(place, np.asarray(made)[:count])

    def _keep(self, place: tuple[int, str], rows: np.ndarray) -> None:
        extractor = self.extractors[place[0]]
        if is_entry(extractor):
            self.done[place].append(rows)
            return
        width = extractor.modalities[place[1]]
        if rows.ndim != 2 or rows.shape[1] != width:
            what = f"{extractor.name} gave {place[1]} of shape {rows.shape}, not [n, {width}]"
            raise UserError(what, mend="Mend the extractor.")
        self.done[place].append(narrow(np.asarray(rows), place[1], self.odd))


def is_entry(extractor: Extractor) -> bool:
    """Whether what it makes is an entry of the record, not features."""
    return bool(getattr(extractor, "entry", False))


def narrow(rows: np.ndarray, name: str, odd: collections.Counter[str]) -> np.ndarray:
    """[T, D] as float16. What is no number becomes 0, what is too large the largest: counted."""
    if rows.dtype != np.float16:
        rows = rows.astype(np.float64 if rows.dtype == np.float64 else np.float32)
    bad = ~np.isfinite(rows)
    large = ~bad & (np.abs(rows) > LARGEST)
    if bad.any():
        odd[f"{name}: values that are no numbers, now 0"] += int(bad.sum())
    if large.any():
        odd[f"{name}: values beyond float16, now its largest"] += int(large.sum())
    if bad.any() or large.any():
        rows = np.clip(np.where(bad, 0, rows), -LARGEST, LARGEST)
    return rows.astype(np.float16)


def constant(features: dict[str, np.ndarray]) -> list[str]:
    """Modalities of several rows that never change, as silent sound or a still picture gives."""
    rows_of = {m: rows for m, rows in features.items() if rows.ndim == 2}
    return [m for m, rows in rows_of.items() if len(rows) > 1 and (rows == rows[0]).all()]


def cut(rows: np.ndarray, rate: float, start: float, end: float | None) -> np.ndarray:
    """The rows [T, D] of a part of a source: those whose centres lie in it, to half a row."""
    if end is None:
        return rows[_edge(start, rate) :]
    first, last = _edge(start, rate), _edge(end, rate)
    if last <= first:  # shorter than half a row: the nearest one
        first = int((start + end) / 2 * rate)
        last = first + 1
    return rows[first:last]


def _edge(seconds: float, rate: float) -> int:
    return int(np.floor(seconds * rate + 0.5 + 1e-6))
