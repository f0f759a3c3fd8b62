"""One labelled comment: a record's text, and which of the emotions it has.

The record of a comment corpus has one comment at second 0, whose words are the text's pieces
between spaces, and one row of `values`: 1 where the comment has the emotion of that name, 0 where
it has not, NaN where nobody and nothing has said.
"""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import sources
from affectjax.errors import UserError


class CommentExamples(abc.ABC):
    """What the ways to read a comment share: one row a record, its targets, nothing drawn.

    `values` repeats the dataset's names of emotions; `outputs` are those to learn. A way says what
    `tokens` and other arrays of its own are shaped like (`arrays`), and fills them from the text.
    """

    arrays: dict[str, tuple[tuple[int, ...], np.dtype]]  # without those of every comment

    def __init__(self, outputs: Sequence[str], values: Sequence[str]):
        self.outputs, self.values = tuple(outputs), tuple(values)
        self.columns = columns(self.outputs, self.values)

    @abc.abstractmethod
    def fill(self, example: dict[str, np.ndarray], text: str) -> None:
        """Write the arrays of one's own."""

    def check(self, spec: Any, where: str) -> None:
        """The dataset is a comment corpus of these emotions."""
        check(spec, where, self.values)

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example."""
        return self.arrays | {
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
        """A comment's own arrays, and its targets [K]."""
        example = self.empty()
        self.fill(example, text(record))
        example["target"][...] = targets(record, self.columns)
        example["weight"][...] = 1
        return example


def record(name: str, group: str, text: str, values: Sequence[float]) -> dict[str, Any]:
    """The record of a comment, as `affectjax.data.records` writes it."""
    words = text.split()
    return {
        "id": name,
        "group": group,
        "start": 0.0,
        "duration": 0.0,
        "comments": {
            "word": words,
            "length": np.array([len(words)] if words else [], np.int32),
            "time": np.zeros(int(bool(words)), np.float32),
            "emotional": np.zeros(len(words), np.uint8),
        },
        "values": np.array([values], np.float32).reshape(-1, len(values)),
        "values_time": np.zeros(1, np.float32),
    }


def text(found: Mapping) -> str:
    """The text of a record's comments."""
    return " ".join(found.get("comments", {}).get("word", ()))


def targets(found: Mapping, columns: Sequence[int]) -> np.ndarray:
    """float32 [K]: the record's first row of values, those columns of it; NaN where unknown."""
    rows = np.asarray(found.get("values", ()), np.float32)
    return rows[0][list(columns)] if len(rows) else np.full(len(columns), np.nan, np.float32)


def columns(outputs: Sequence[str], values: Sequence[str]) -> list[int]:
    """Where the emotions stand among the names of a dataset's values."""
    missing = [name for name in outputs if name not in values]
    if missing:
        raise UserError(
            f"there is no emotion {missing[0]!r} among examples.values",
            "model.outputs",
            f"examples.values names {', '.join(values) or 'none'}.",
        )
    return [values.index(name) for name in outputs]


def check(spec: Any, where: str, values: Sequence[str]) -> None:
    """The dataset is a comment corpus of these emotions."""
    if not spec.comments or tuple(spec.value_names) != tuple(values):
        raise UserError(
            f"examples.values is {', '.join(values) or 'empty'}, the dataset has "
            f"{', '.join(spec.value_names) or 'no emotions of comments'}",
            where,
            f'Say "--config.examples.values={tuple(spec.value_names)}", or make one with '
            "`python -m data_prep.build comment_corpus`.",
        )


def statistics(source, columns: Sequence[int]) -> dict[str, dict[str, np.ndarray]]:
    """{"target": mean and deviation [K]}: how common each emotion is among the known ones."""
    rows = [targets(record, columns) for _, record in sources.readable(source)]
    table = np.array(rows, np.float64).reshape(-1, len(columns))
    known = [column[~np.isnan(column)] for column in table.T]
    for place, column in enumerate(known):
        if not len(column) or column.min() == column.max():
            raise UserError(
                f"the comments to train on are all alike in emotion {place + 1} of model.outputs",
                "model.outputs",
                "It takes comments that have the emotion and comments that have not.",
            )
    return {
        "target": {
            "mean": np.array([column.mean() for column in known]),
            "deviation": np.array([column.std() for column in known]),
        }
    }
