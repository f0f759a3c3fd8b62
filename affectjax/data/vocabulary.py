"""A vocabulary: the words that a model knows, their ids, and a text file with a word a line."""

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from affectjax.errors import UserError

PAD, UNKNOWN, START, MASK = range(4)
SPECIALS = ("[#PAD]", "[#U]", "[#S]", "[#M]")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Specials first, then words; an entry's id is its place (its line in the file, from 0)."""

    words: tuple[str, ...]

    @classmethod
    def build(
        cls, table: Iterable[tuple[str, int, int]], min_count: int = 1, cap: int | None = None
    ) -> "Vocabulary":
        """The `cap` most frequent words that stand at least `min_count` times, ties by spelling."""
        rows = sorted(table, key=lambda row: (-row[1], row[0]))
        words = [row[0] for row in rows if row[1] >= min_count and row[0] not in SPECIALS][:cap]
        if not words:
            raise UserError(
                f"No word stands {min_count} times in the comments of the split train",
                mend="Lower the least count, or choose a dataset with more comments.",
            )
        return cls((*SPECIALS, *words))

    def __len__(self) -> int:
        return len(self.words)

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """The number of every word that is no special."""
        # A comment may hold the text of a special; it gets no special's power by that.
        return {word: i for i, word in enumerate(self.words) if i >= len(SPECIALS)}

    def encode(self, words: Sequence[str]) -> np.ndarray:
        """int32 ids, UNKNOWN for words that are not here."""
        ids = self.ids
        return np.fromiter((ids.get(word, UNKNOWN) for word in words), np.int32, len(words))

    def oov_rate(self, table: Iterable[tuple[str, int, int]]) -> float:
        """The share of a corpus's words, each as often as it stands there, that are not here."""
        total = unknown = 0
        for word, count, _ in table:
            total += count
            unknown += count * (word not in self.ids)
        return unknown / total if total else 0.0

    @property
    def text(self) -> str:
        """A word a line, as it is saved."""
        return "".join(word + "\n" for word in self.words)

    @functools.cached_property
    def digest(self) -> str:
        """A digest of all words in their order."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Write it, a word a line."""
        pathlib.Path(path).write_bytes(self.text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Vocabulary":
        """Read what `save` wrote; an error where it is something else."""
        mend = "It has a word a line after " + ", ".join(SPECIALS) + "; copy it again."
        try:
            words = tuple(pathlib.Path(path).read_bytes().decode().split("\n"))
        except (OSError, UnicodeDecodeError) as error:
            what = "The vocabulary cannot be read"
            raise UserError(f"{what}: {error}", str(path), mend) from error
        words, rest = words[:-1], words[-1]
        if rest or words[: len(SPECIALS)] != SPECIALS or len(set(words)) < len(words):
            raise UserError("This is no vocabulary", str(path), mend)
        for line, word in enumerate(words, 1):
            if word.split() != [word]:
                what = f"A word is empty or has white space in it: {word!r}"
                raise UserError(what, f"{path}, line {line}", mend)
        return cls(words)
