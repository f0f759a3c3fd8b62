"""A labelled comment as one example: hashed character n-grams with their counts, and K targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import comment_targets
from affectjax.data.ngrams import ngrams
from affectjax.errors import BadRecord, UserError


class NgramExamples:
    """Record -> example with the n-grams of its text. Picklable, without state.

    `values` repeats the dataset's names of emotions; `outputs` are those to learn. A text with more
    different n-grams than `slots` loses those that come last: long ones at its end.
    """

    def __init__(
        self,
        outputs: Sequence[str],
        buckets: int,
        values: Sequence[str],
        longest: int = 3,
        slots: int = 448,
    ):
        if longest < 1 or slots < 1 or buckets < 2:
            raise UserError(
                f"longest={longest}, slots={slots}, buckets={buckets} hold no n-gram",
                "examples",
                "Give longest >= 1, slots >= 1 and model.buckets >= 2.",
            )
        self.outputs, self.values = tuple(outputs), tuple(values)
        self.columns = comment_targets.columns(self.outputs, self.values)
        self.buckets, self.longest, self.slots = buckets, longest, slots

    def check(self, spec: Any, where: str) -> None:
        """The dataset is a comment corpus of these emotions."""
        comment_targets.check(spec, where, self.values)

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example."""
        return {
            "tokens": ((self.slots,), np.dtype(np.int32)),  # n-grams, 0 where there is none
            "counts": ((self.slots,), np.dtype(np.float32)),
            "target": ((len(self.outputs),), np.dtype(np.float32)),  # 1, 0, NaN unknown
            "weight": ((), np.dtype(np.float32)),
        }

    def empty(self) -> dict[str, np.ndarray]:
        """An example that counts for nothing: padding, or the place of a bad record."""
        example = {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.spec().items()}
        example["target"][...] = np.nan
        return example

    def train(self, record: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The example to train on; nothing in it is drawn."""
        return self.evaluate(record, 0)

    def parts(self, record: Mapping) -> int:
        """How many rows a record gives: one."""
        return 1

    def evaluate(self, record: Mapping, part: int) -> dict[str, np.ndarray]:
        """A comment's n-grams [S], how often each stands in it [S], and its targets [K]."""
        example = self.empty()
        found, counts = self._ngrams(record)
        example["tokens"][: len(found)] = found
        example["counts"][: len(found)] = counts
        example["target"][...] = comment_targets.targets(record, self.columns)
        example["weight"][...] = 1
        return example

    def statistics(self, source) -> dict[str, dict[str, np.ndarray]]:
        """How common each emotion is, and in which share of the comments each n-gram stands."""
        found = np.zeros(self.buckets, np.int64)
        read = 0
        for i in range(len(source)):
            try:
                found[self._ngrams(source[i])[0]] += 1
                read += 1
            except BadRecord:  # whether that stops the run is for the pipeline to say
                continue
        share = found / max(read, 1)
        return {
            **comment_targets.statistics(source, self.columns),
            "ngrams": {"mean": share, "deviation": np.sqrt(share * (1 - share))},
        }

    def _ngrams(self, record: Mapping) -> tuple[np.ndarray, np.ndarray]:
        found, counts = ngrams(comment_targets.text(record), self.longest, self.buckets)
        return found[: self.slots], counts[: self.slots]


Examples = NgramExamples  # what `examples.name = "comment_ngrams"` in a config stands for
