"""The sample's comments as a labelled corpus: each has the emotion that its words speak of.

They are the invented comments of `sample`, one a record; one that speaks of no emotion has none.
Off-topic comments count by their words: whoever labels a comment reads nothing else. A word of
hint may stand in any comment and emotions of one polarity share words, so no classifier is perfect.
"""

import collections
import pathlib
from collections.abc import Iterator

from affectjax.data import comment_targets, sample, sample_store, splits
from affectjax.data import records as records_lib
from affectjax.data.sample_comments import vocabulary
from affectjax.data.sample_world import EMOTIONS
from affectjax.errors import UserError

VERSION = 1
SPEC = records_lib.Spec(comments=True, value_names=EMOTIONS)
SIZES = {"quick": 1_500, "study": 20_000}  # comments at most
PARTS = ("train", "validation", "test")


def make(size: str = "quick", seed: int = 0) -> dict[str, list[dict]]:
    """{split: records}, 8 : 1 : 1; equal texts are one comment, and stand in one split."""
    if size not in SIZES:
        raise UserError(f"the sample has no size {size!r}", "size", f"Choose from {list(SIZES)}.")
    found = list(dict.fromkeys(_comments(size, seed)))[: SIZES[size]]
    by_text = collections.Counter(text for text, _ in found)
    found = [(text, emotion) for text, emotion in found if by_text[text] == 1]
    rows = [
        comment_targets.record(f"comment-{i:05d}", f"comment-{i:05d}", text, values(emotion))
        for i, (text, emotion) in enumerate(found)
    ]
    places = splits.by_group([row["id"] for row in rows], (8, 1, 1), seed)
    return {part: [rows[i] for i in place] for part, place in zip(PARTS, places)}


def values(emotion: int) -> list[float]:
    """1 for that emotion and 0 for the others; -1 is none of them."""
    return [float(i == emotion) for i in range(len(EMOTIONS))]


def _comments(size: str, seed: int) -> Iterator[tuple[str, int]]:
    names = vocabulary()
    for clips in sample.make(size, seed).splits.values():
        for clip in clips:
            for words, emotion in zip(clip.comments.words, clip.comments.expressed):
                yield " ".join(names[i] for i in words), int(emotion)


def prepare(
    folder: str | pathlib.Path, size: str = "quick", seed: int = 0, format: str = "tfrecord"
) -> pathlib.Path:
    """This corpus as a dataset under `folder`, made when no sound one is there yet."""
    chosen = {**sample.settings(size, seed), "comments": VERSION, "format": format}
    name = f"comments-{size}-{seed}"
    return sample_store.prepare(folder, name, chosen, SPEC, lambda: make(size, seed), {})
