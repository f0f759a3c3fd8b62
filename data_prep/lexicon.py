"""Emotional words: which emotions each speaks of, whether for good or bad, and where they stand.

`load` reads the user's file, told by its content (see `lexicon_files`), or the small lexicon of the
built-in sample. An entry may be several words long, or be cut into several by a tokeniser: it is
looked for after the cutting, as a run of consecutive words that spell it, the longest from the left
first, and every word of the run is emotional. So no tokeniser's dictionary is touched.
"""

import dataclasses
import functools
import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from affectjax.data import sample_world
from data_prep import lexicon_files
from data_prep.comments.normalise import normalise

# Of class names in use; what is not here, like surprise, is neither.
GOOD = {"joy", "like", "love", "trust", "tenderness", "happiness", "amusement", "positive"}
BAD = {"anger", "sadness", "fear", "disgust", "hate", "shame", "guilt", "negative"}
BINS = 1 << 22  # for pairs of characters; 27,000 entries fill less than one in a hundred


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Entries in their one spelling: emotions of each, polarity -1, 0 or 1 where it is known."""

    emotions: dict[str, tuple[str, ...]]
    polarities: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: Counter[str] = dataclasses.field(default_factory=Counter)
    kind: str = ""  # what its file was taken for

    def told(self) -> str:
        """Its kind and what it holds, in a few words: whether it was read as it was meant."""
        classes = f"{len(self.classes)} class" + "es" * (len(self.classes) != 1)
        return f"{self.kind or 'words'}: {len(self):,} emotional entries, {classes}"

    def __len__(self) -> int:
        return len(self.emotions)

    def polarity(self, word: str) -> int:
        """-1, 0 or 1; 0 for words that are not here."""
        return self.polarities.get(word, 0)

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of all emotions, sorted."""
        return tuple(sorted({name for names in self.emotions.values() for name in names}))

    @functools.cached_property
    def digest(self) -> str:
        """Of what is known of each word; the same for the same words from another kind of file."""
        rows = [sorted(self.emotions.items()), sorted(self.polarities.items())]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    @functools.cached_property
    def _entries(self) -> frozenset[str]:
        return frozenset(self.emotions) | frozenset(self.polarities)

    @functools.cached_property
    def _beginnings(self) -> frozenset[str]:
        """Every beginning of every entry: a run is followed only while it may become one."""
        return frozenset(e[:n] for e in self._entries for n in range(1, len(e) + 1))

    def find(self, words: Sequence[str]) -> list[tuple[int, int, str]]:
        """(first word, word after the last, entry) of every entry that the words spell."""
        beginnings, entries = self._beginnings, self._entries
        found, free = [], 0
        for start, run in enumerate(words):
            if start < free or run not in beginnings:
                continue
            longest = (run, start + 1) if run in entries else None
            for at in range(start + 1, len(words)):
                run = _joined(run, words[at])
                if run not in beginnings:
                    break
                if run in entries:
                    longest = run, at + 1
            if longest:
                entry, free = longest
                found.append((start, free, entry))
        return found

    def mark(self, words: Sequence[str]) -> list[bool]:
        """Of each word whether it is emotional, alone or as a part of an entry; [] if none is."""
        marks = [False] * len(words)
        for start, stop, entry in self.find(words):
            if entry in self.emotions:
                marks[start:stop] = [True] * (stop - start)
        return marks if True in marks else []

    @functools.cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """bool[BINS], the mixed first two letters of emotional entries; single ones, sorted."""
        squeezed = ["".join(filter(_is_letter, entry)) for entry in self.emotions]
        pairs = _points("".join(entry[:2] for entry in squeezed if len(entry) > 1))
        table = np.zeros(BINS, bool)
        table[_mixed(pairs[::2], pairs[1::2])] = True
        return table, np.unique(_points("".join(entry for entry in squeezed if len(entry) == 1)))

    def may_hold(self, texts: Sequence[str]) -> np.ndarray:
        """bool[n]: False where no way to cut a text gives an emotional word.

        The texts come without spaces and punctuation, as letters and their accents alone. Looks
        at all pairs of characters of all texts at once, which spares most of them the cutting.
        """
        out = np.zeros(len(texts), bool)
        points = _points("\n".join(texts))
        if not len(points):
            return out
        table, single = self._tables
        hits = np.zeros(len(points), bool)
        hits[:-1] = table[_mixed(points[:-1], points[1:])]
        if len(single):
            hits |= single[np.minimum(np.searchsorted(single, points), len(single) - 1)] == points
        starts = np.cumsum([0, *map(len, texts[:-1])]) + np.arange(len(texts))
        out[np.searchsorted(starts, np.flatnonzero(hits), side="right") - 1] = True
        return out

    def emotions_in(self, words: Sequence[str]) -> tuple[str, ...]:
        """The emotions that the words speak of, each once, sorted."""
        entries = (entry for _, _, entry in self.find(words))
        return tuple(sorted({name for e in entries for name in self.emotions.get(e, ())}))


def _points(text: str) -> np.ndarray:
    """uint32: the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _mixed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A bin for each pair of characters; two pairs may share one, which costs only time."""
    return (first * np.uint32(0x9E3779B1) + second) & np.uint32(BINS - 1)


def _is_letter(character: str) -> bool:
    """A letter, or an accent, which belongs to one."""
    return character.isalpha() or unicodedata.category(character)[0] == "M"


def _joined(left: str, right: str) -> str:
    """Two neighbours as an entry would spell them."""
    if right.startswith("##"):
        return left + right[2:]
    return f"{left} {right}" if _spaced(left[-1]) and _spaced(right[0]) else left + right


def _spaced(character: str) -> bool:
    """Whether the character's script puts spaces between words: Hangul and all before Chinese."""
    return character < "\u2e80" or "\uac00" <= character <= "\ud7a3"


def load(path: str | os.PathLike) -> Lexicon:
    """The lexicon of a file, or that of the sample for the name "sample"."""
    if str(path) == "sample":
        good = {e for e, p in zip(sample_world.EMOTIONS, sample_world.POLARITY) if p == 0}
        rows = [
            (word, names, 1 if names[0] in good else -1)
            for word, names in sample_world.lexicon().items()
        ]
        return build(rows, kind="the sample's lexicon")
    notes = Counter()
    kind, rows = lexicon_files.read(str(path), notes)
    return build(rows, notes, kind)


def build(
    rows: Iterable[tuple[str, Iterable[str], int | None]],
    notes: Counter[str] | None = None,
    kind: str = "",
) -> Lexicon:
    """Of (word, emotions, polarity or None) rows. Rows of one word are united.

    Polarities of one word add up, and the sign counts; where no row says one, the emotions do. A
    word without emotions but with a polarity is scored and is not emotional.
    """
    notes = Counter() if notes is None else notes
    emotions: dict[str, set[str]] = {}
    said: dict[str, int] = {}
    for raw, names, polarity in rows:
        word = normalise(raw)
        if not word:
            notes["empty words"] += 1
            continue
        notes["stripped words"] += raw != raw.strip()
        notes["repeated words"] += word in emotions
        emotions.setdefault(word, set()).update(names)
        if polarity is not None:
            said[word] = said.get(word, 0) + polarity
    polarities = {}
    for word, names in emotions.items():
        total = said.get(word, len(names & GOOD) - len(names & BAD))
        if total:
            polarities[word] = 1 if total > 0 else -1
    found = {word: tuple(sorted(names)) for word, names in emotions.items() if names}
    return Lexicon(found, polarities, +notes, kind)
