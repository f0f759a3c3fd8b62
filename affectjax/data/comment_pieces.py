"""A labelled comment as one example: its word pieces for BERT, and K targets."""

from collections.abc import Sequence

import numpy as np

from affectjax.data import comment_targets, wordpieces
from affectjax.data.vocabulary import START, Vocabulary
from affectjax.errors import UserError

END = "[SEP]"


class PieceExamples(comment_targets.CommentExamples):
    """Record -> example with the word pieces of its text. Picklable, without state.

    The vocabulary is that of the export that the run starts from: a published BERT's. A text of
    more pieces than `slots`, with one before and one after it, loses its end.
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
        super().__init__(outputs, values)
        self.vocabulary, self.slots, self.lowercase = vocabulary, slots, lowercase
        self.arrays = {"tokens": ((slots,), np.dtype(np.int32))}  # pieces, 0 where there is none

    def fill(self, example: dict[str, np.ndarray], text: str) -> None:
        """A comment's word pieces [L] between the two marks."""
        pieces = wordpieces.cut(text, self.vocabulary.ids, self.lowercase)[: self.slots - 2]
        found = [START, *self.vocabulary.encode(pieces), *self.vocabulary.encode([END])]
        example["tokens"][: len(found)] = found

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
