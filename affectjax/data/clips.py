"""Labelled clips: turns a record into the fixed-shape arrays of one recognition example.

A window of T consecutive segments is cut from the clip, at random in training and from the centre
in testing, and every modality is aligned to it by time; comments are not looked at. `tiled`
testing cuts as many windows as cover the clip, a row each, whose predictions are averaged.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import alignment, sources
from affectjax.errors import UserError

WINDOWS = ("centre", "tiled")


class ClipExamples:
    """Record -> example with a label or values as its target. Picklable, without state.

    Classes are the record's label, or the steps of the value `cut` between `thresholds`: a value
    above the first is class 1. `values` repeats the dataset's names of values, whose order gives
    the columns.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        outputs: Sequence[str],
        task: str,
        segments: int,
        segment_seconds: float = 16 / 30,
        values: Sequence[str] = (),
        cut: str = "",
        thresholds: Sequence[float] = (),
        windows: str = "centre",
        hide: Iterable[str] = (),
    ):
        if windows not in WINDOWS:
            raise UserError(
                f"windows {windows!r} is unknown",
                "examples.windows",
                f"Choose from {', '.join(WINDOWS)}.",
            )
        wanted = (cut,) if cut else outputs if task == "values" else ()
        unknown = [name for name in wanted if name not in values]
        if unknown:
            raise UserError(
                f"there is no value '{unknown[0]}' among examples.values",
                "examples",
                f"examples.values names {', '.join(values) or 'none'}.",
            )
        if bool(cut) != bool(thresholds) or (cut and task != "classes"):
            raise UserError(
                "a value is cut into classes by examples.cut and examples.thresholds together",
                "examples",
                "Set both, with model.task classes, or neither.",
            )
        if cut and (len(outputs) != len(thresholds) + 1 or sorted(thresholds) != [*thresholds]):
            raise UserError(
                f"{len(thresholds)} thresholds do not make {len(outputs)} classes",
                "examples.thresholds",
                "Give ascending thresholds, one less than model.outputs.",
            )
        alignment.check_hidden(hide, modalities)
        self.modalities = dict(modalities)
        self.outputs = tuple(outputs)
        self.task = task
        self.segments = segments
        self.segment_seconds = segment_seconds
        self.values = tuple(values)
        self.cut = cut
        self.thresholds = tuple(thresholds)
        self.windows = windows
        self.hide = tuple(hide)

    def check(self, spec: Any, where: str) -> None:
        """The dataset has the target that the model is to predict."""
        if self.task == "classes" and not self.cut:
            have, wanted, key = spec.label_names, self.outputs, "model.outputs"
        else:
            have, wanted, key = spec.value_names, self.values, "examples.values"
        if tuple(have) != wanted:
            raise UserError(
                f"{key} is {', '.join(wanted) or 'empty'}, the dataset has "
                f"{', '.join(have) or 'none'}",
                where,
                f'Say "--config.{key}={tuple(have)}", or take a dataset with such targets.',
            )

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example."""
        shapes = alignment.feature_shapes(self.modalities, self.segments)
        if self.task == "classes":
            shapes["label"] = ((), np.int32)
        else:
            shapes["values"] = ((len(self.outputs),), np.float32)
        shapes["weight"] = ((), np.float32)
        return {key: (shape, np.dtype(dtype)) for key, (shape, dtype) in shapes.items()}

    def empty(self) -> dict[str, np.ndarray]:
        """An example that counts for nothing: padding, or the place of a bad record."""
        example = {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.spec().items()}
        if self.task == "classes":
            example["label"][...] = -1
        else:
            example["values"][...] = np.nan
        return example

    def train(self, record: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """A random window."""
        return self._example(
            record, alignment.window_start(self._count(record), self.segments, rng)
        )

    def parts(self, record: Mapping) -> int:
        """Windows that the clip takes in evaluation."""
        if self.windows == "centre":
            return 1
        return math.ceil(self._count(record) / self.segments)

    def evaluate(self, record: Mapping, part: int) -> dict[str, np.ndarray]:
        """The centre window; or the tiles one after another, the last shifted back to be full."""
        count = self._count(record)
        if self.windows == "centre":
            first = alignment.window_start(count, self.segments)
        else:
            first = min(part * self.segments, max(0, count - self.segments))
        return self._example(record, first)

    def statistics(self, source) -> dict[str, dict[str, np.ndarray]]:
        """{"target": mean and deviation [K]} of the values in a source; nothing for classes."""
        if self.task == "classes":
            return {}
        rows = [self._target(record) for _, record in sources.readable(source)]
        table = np.array(rows, np.float64).reshape(-1, len(self.outputs))
        known = [column[np.isfinite(column)] for column in table.T]
        for name, column in zip(self.outputs, known):
            if not len(column):
                raise UserError(
                    f"no clip to train on has the value '{name}'",
                    "examples",
                    "Take another dataset or value.",
                )
        return {
            "target": {
                "mean": np.array([column.mean() for column in known]),
                "deviation": np.array([column.std() for column in known]),
            }
        }

    def _count(self, record: Mapping) -> int:
        return alignment.segment_count(record["duration"], self.segment_seconds)

    def _example(self, record: Mapping, first: int) -> dict[str, np.ndarray]:
        example = self.empty()
        example["weight"][...] = 1
        count = min(self._count(record) - first, self.segments)
        alignment.fill(
            record, self.modalities, first, count, self.segment_seconds, self.hide, example
        )
        example["label" if self.task == "classes" else "values"][...] = self._target(record)
        return example

    def _target(self, record: Mapping) -> Any:
        """The class, -1 if unknown; or the values [K], NaN where unknown."""
        if self.task == "classes" and not self.cut:
            return record.get("label", -1)
        wanted = (self.cut,) if self.cut else self.outputs
        given = np.asarray(record.get("values", ()), np.float64).reshape(-1, len(self.values))
        found = np.full(len(wanted), np.nan)
        for i, name in enumerate(wanted):
            column = given[:, self.values.index(name)]
            column = column[np.isfinite(column)]
            if len(column):
                found[i] = column.mean()
        if not self.cut:
            return found
        return -1 if np.isnan(found[0]) else int(np.searchsorted(self.thresholds, found[0]))


Examples = ClipExamples  # what `examples.name = "clips"` in a config stands for
