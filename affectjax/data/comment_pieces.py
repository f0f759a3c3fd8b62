"""A labelled comment as one example: its word pieces for BERT, and K targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import comment_targets, wordpieces
from affectjax.data.vocabulary import START, Vocabulary
from affectjax.errors import UserError

END = "[SEP]"


class PieceExamples:
    """Record -> example with the word pieces of its text. Picklable, without state.

    The vocabulary is that of the export that the run starts from: a published BERT's. `values`
    repeats the dataset's names of emotions; `outputs` are those to learn. A text of more pieces
    than `slots`, with one before and one after it, loses its end.
    """

    def __init__(
        self,
        outputs: Sequence[str],
        vocabulary: Vocabulary,
        values: Sequence[str],
        slots: int = 64,
        lowercase: bool = True,
    ):
        if slots < 3:
            raise UserError(
                f"slots={slots} hold no word", "examples.slots", "Give at least 3: two are marks."
            )
        self.outputs, self.values = tuple(outputs), tuple(values)
        self.columns = comment_targets.columns(self.outputs, self.values)
        self.vocabulary, self.slots, self.lowercase = vocabulary, slots, lowercase

    def check(self, spec: Any, where: str) -> None:
        """The dataset is a comment corpus of these emotions."""
        comment_targets.check(spec, where, self.values)

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example."""
        return {
            "tokens": ((self.slots,), np.dtype(np.int32)),  # pieces, 0 where there is none
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
        """A comment's word pieces [L] between the two marks, and its targets [K]."""
        example = self.empty()
        text = comment_targets.text(record)
        pieces = wordpieces.cut(text, self.vocabulary.ids, self.lowercase)[: self.slots - 2]
        found = [START, *self.vocabulary.encode(pieces), *self.vocabulary.encode([END])]
        example["tokens"][: len(found)] = found
        example["target"][...] = comment_targets.targets(record, self.columns)
        example["weight"][...] = 1
        return example

    def statistics(self, source) -> dict[str, dict[str, np.ndarray]]:
        """How common each emotion is."""
        if END not in self.vocabulary.ids:
            raise UserError(
                "there are no word pieces to read with",
                "train.init_from",
                "Make a start of BERT's weights with `python -m affectjax.start_bert`, and say "
                "--config.train.init_from=DIR.",
            )
        return comment_targets.statistics(source, self.columns)


Examples = PieceExamples  # what `examples.name = "comment_pieces"` in a config stands for
