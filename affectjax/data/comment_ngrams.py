"""A labelled comment as one example: hashed character n-grams with their counts, and K targets."""

from collections.abc import Sequence

import numpy as np

from affectjax.data import comment_targets, sources
from affectjax.data.ngrams import ngrams
from affectjax.errors import UserError


class NgramExamples(comment_targets.CommentExamples):
    """Record -> example with the n-grams of its text. Picklable, without state.

    A text with more different n-grams than `slots` loses those that come last: long ones at its
    end.
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
        super().__init__(outputs, values)
        self.buckets, self.longest, self.slots = buckets, longest, slots
        self.arrays = {
            "tokens": ((slots,), np.dtype(np.int32)),  # n-grams, 0 where there is none
            "counts": ((slots,), np.dtype(np.float32)),
        }

    def fill(self, example: dict[str, np.ndarray], text: str) -> None:
        """A comment's n-grams [S], and how often each stands in it [S]."""
        found, counts = self._ngrams(text)
        example["tokens"][: len(found)] = found
        example["counts"][: len(found)] = counts

    def statistics(self, source) -> dict[str, dict[str, np.ndarray]]:
        """How common each emotion is, and in which share of the comments each n-gram stands."""
        found = np.zeros(self.buckets, np.int64)
        read = 0
        for _, record in sources.readable(source):
            found[self._ngrams(comment_targets.text(record))[0]] += 1
            read += 1
        share = found / max(read, 1)
        return {
            **comment_targets.statistics(source, self.columns),
            "ngrams": {"mean": share, "deviation": np.sqrt(share * (1 - share))},
        }

    def _ngrams(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        found, counts = ngrams(text, self.longest, self.buckets)
        return found[: self.slots], counts[: self.slots]


Examples = NgramExamples  # what `examples.name = "comment_ngrams"` in a config stands for
