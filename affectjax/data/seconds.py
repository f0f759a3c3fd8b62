"""Sequences of seconds with the distribution of every window of some: one stretch as one example.

A row a second and modality, a distribution a window, NaN where none is known. A longer clip gives
a random stretch in training, beginning with a window; in testing as many stretches as cover it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import alignment, sources
from affectjax.errors import UserError


class SecondsExamples:
    """Record -> example with distributions as its target. Picklable, without state."""

    def __init__(
        self,
        modalities: Mapping[str, int],
        outputs: Sequence[str],
        segments: int,
        windows: int,
        segment_seconds: float = 1.0,
        hide: Iterable[str] = (),
    ):
        if windows < 1 or segments % windows:
            raise UserError(
                f"{segments} segments do not make {windows} windows of equal length",
                "model",
                "Let model.windows divide model.segments.",
            )
        alignment.check_hidden(hide, modalities)
        self.modalities = dict(modalities)
        self.outputs = tuple(outputs)
        self.segments, self.windows = segments, windows
        self.segment_seconds = segment_seconds
        self.hide = tuple(hide)

    @property
    def each(self) -> int:
        """Segments of a window."""
        return self.segments // self.windows

    def check(self, spec: Any, where: str) -> None:
        """The dataset has the distributions that the model is to predict."""
        if tuple(spec.distribution_names) != self.outputs:
            have = ", ".join(spec.distribution_names) or "none"
            raise UserError(
                f"model.outputs is {', '.join(self.outputs)}, the dataset has distributions over "
                f"{have}",
                where,
                "`python -m data_prep.build danmaku_ldl` makes one with distributions"
                if have == "none"
                else f'Say "--config.model.outputs={tuple(spec.distribution_names)}".',
            )

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example; W windows."""
        shapes = alignment.feature_shapes(self.modalities, self.segments)
        shapes["distribution"] = ((self.windows, len(self.outputs)), np.float32)
        shapes["window"] = ((self.windows,), np.int32)  # its number in the clip, -1 beyond the end
        shapes["weight"] = ((), np.float32)
        return {key: (shape, np.dtype(dtype)) for key, (shape, dtype) in shapes.items()}

    def empty(self) -> dict[str, np.ndarray]:
        """An example that counts for nothing: padding, or the place of a bad record."""
        example = {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.spec().items()}
        example["distribution"][...] = np.nan
        example["window"][...] = -1
        return example

    def train(self, record: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """A random stretch."""
        count = math.ceil(self._count(record) / self.each)
        return self._example(record, alignment.window_start(count, self.windows, rng))

    def parts(self, record: Mapping) -> int:
        """Stretches that the clip takes in evaluation."""
        return math.ceil(self._count(record) / self.segments)

    def evaluate(self, record: Mapping, part: int) -> dict[str, np.ndarray]:
        """One stretch after another; the last may be short."""
        return self._example(record, part * self.windows)

    def statistics(self, source) -> dict[str, dict[str, np.ndarray]]:
        """{"target": mean and deviation [K]} of the source's known windows."""
        rows = [np.zeros((0, len(self.outputs)))]
        for _, record in sources.readable(source):
            rows.append(np.asarray(record["distribution"], np.float64))
        table = np.concatenate(rows)
        table = table[np.isfinite(table).all(1)]
        if not len(table):
            raise UserError("no window to train on has a distribution", "examples")
        return {"target": {"mean": table.mean(0), "deviation": table.std(0)}}

    def _count(self, record: Mapping) -> int:
        return alignment.segment_count(record["duration"], self.segment_seconds)

    def _example(self, record: Mapping, window: int) -> dict[str, np.ndarray]:
        """The stretch that begins with that window of the clip."""
        example, first = self.empty(), window * self.each
        example["weight"][...] = 1
        count = min(self._count(record) - first, self.segments)
        alignment.fill(
            record, self.modalities, first, count, self.segment_seconds, self.hide, example
        )
        seconds = self.each * self.segment_seconds
        known = np.asarray(record.get("distribution", ())).reshape(-1, len(self.outputs))
        times = np.asarray(record.get("distribution_time", ()), np.float64)
        place = np.floor(times / seconds)
        place = place.astype(np.int64) - window
        there = math.ceil(count / self.each)
        example["window"][:there] = window + np.arange(there)
        inside = (place >= 0) & (place < there)
        example["distribution"][place[inside]] = known[inside]
        return example


Examples = SecondsExamples  # what `examples.name = "seconds"` in a config stands for
