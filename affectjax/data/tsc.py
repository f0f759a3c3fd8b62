"""Time-sync comments: turns a record into the fixed-shape arrays of one pre-training example.

A window of T segments is cut from the clip, every modality is aligned to it by time, comments that
appear in it are packed into N tokens, and the words to predict are masked. In training the window,
the surplus and random masks come from the generator given; in evaluation nothing is random, and
comments that do not fit one row go on in further rows of the same clip.
"""

import collections
import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from affectjax.data import alignment, packing
from affectjax.data.vocabulary import MASK, START, UNKNOWN, Vocabulary
from affectjax.errors import BadRecord, UserError

# Share of a comment's words that is masked at random; None: all its emotional words.
MASKINGS = {"emotional": None, "random10": 0.1, "random20": 0.2, "random30": 0.3}


class CommentExamples:
    """Record -> example, for pre-training on time-sync comments. Picklable, without state."""

    def __init__(
        self,
        modalities: Mapping[str, int],
        vocabulary: Vocabulary,
        segments: int = 64,
        segment_seconds: float = 16 / 30,
        tokens: int = 704,
        comments: int = 64,
        masked: int = 160,
        masking: str = "emotional",
        comment_lag: float = 0.0,
        max_words: int = 15,
        hide: Iterable[str] = (),
    ):
        if masking not in MASKINGS:
            raise UserError(
                f"masking {masking!r} is unknown", "masking", f"Choose from {', '.join(MASKINGS)}."
            )
        # Then every comment fits an empty row, so evaluation can place each of them.
        if tokens < max_words + 1 or masked < max_words or comments < 1:
            raise UserError(
                f"a comment of max_words={max_words} words does not fit a row of "
                f"tokens={tokens}, comments={comments}, masked={masked}",
                "packing",
                f"Give tokens >= {max_words + 1}, comments >= 1, masked >= {max_words}.",
            )
        alignment.check_hidden(hide, modalities)
        self.modalities = dict(modalities)
        self.vocabulary = vocabulary
        self.segments = segments
        self.segment_seconds = segment_seconds
        self.limits = (tokens, comments, masked)
        self.masking = masking
        self.comment_lag = comment_lag
        self.max_words = max_words
        self.hide = tuple(hide)

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example."""
        t, (n, c, p) = self.segments, self.limits
        shapes = alignment.feature_shapes(self.modalities, t)
        for key in ("tokens", "token_comment", "token_position"):
            shapes[key] = ((n,), np.int32)
        for key in ("masked_at", "masked_word", "masked_comment"):
            shapes[key] = ((p,), np.int32)
        for key in ("comment_at", "comment_segment"):
            shapes[key] = ((c,), np.int32)
        shapes["comment_weight"] = ((c,), np.float32)
        shapes["weight"] = ((), np.float32)
        return {key: (shape, np.dtype(dtype)) for key, (shape, dtype) in shapes.items()}

    def empty(self) -> dict[str, np.ndarray]:
        """An example that counts for nothing: padding, or the place of a bad record."""
        return {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.spec().items()}

    def full(self) -> dict[str, np.ndarray]:
        """What of a full row is not ones: comments of equal length, as long as there is room."""
        tokens, comments, _ = self.limits
        each = max(2, min(tokens // comments, self.max_words + 1))  # its mark and its words
        comment = np.arange(tokens) // each + 1
        return {"token_comment": np.where(comment <= comments, comment, 0).astype(np.int32)}

    def train(self, record: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """A random window; of its comments as many as fit one row, sampled when not all do."""
        first = alignment.window_start(self._count(record), self.segments, rng)
        flat = self._comments(record, first, rng)
        eligible = np.flatnonzero(flat["eligible"])
        chosen = eligible[packing.sample(flat["sizes"][eligible], self.limits, rng)]
        return self._example(record, first, flat, chosen)

    def parts(self, record: Mapping) -> int:
        """Rows that the clip's comments take in evaluation; at least one."""
        return len(self._spread(record)[2])

    def evaluate(self, record: Mapping, part: int) -> dict[str, np.ndarray]:
        """Row `part` of the centre window."""
        first, flat, rows = self._spread(record)
        return self._example(record, first, flat, rows[part])

    def count(self, record: Mapping) -> dict[str, int]:
        """What becomes of the comments of one record in the centre window."""
        _, flat, rows = self._spread(record)
        eligible = flat["eligible"]
        words = eligible[flat["comment"]]
        return {
            "clips": 1,
            "clips_without_comments": int(not eligible.any()),
            "rows": len(rows),
            "comments": len(eligible),
            "used": int(eligible.sum()),
            **{why: int(n.sum()) for why, n in flat["left_out"].items()},
            "surplus": int(eligible.sum()) - len(rows[0]),
            "words": int(words.sum()),
            "masked": int((words & flat["masked"]).sum()),
            "masked_unknown": int((words & flat["masked"] & ~flat["target"]).sum()),
        }

    def coverage(self, source, at_most: int | None = None) -> dict[str, int]:
        """Sums of `count` over a source, or over `at_most` evenly spaced records of it.

        comments = used + out_of_window + empty + too_long + without_emotional; surplus are those
        of the used that do not fit one row: sampled in training, in further rows in evaluation.
        """
        some = np.arange(len(source))
        if at_most is not None and at_most < len(source):
            some = np.linspace(0, len(source) - 1, at_most).astype(np.int64)
        total = collections.Counter(unreadable=0)
        for i in some.tolist():
            try:
                total.update(self.count(source[i]))
            except BadRecord:  # whether that stops the run is for the pipeline to say
                total["unreadable"] += 1
        return dict(total)

    def _count(self, record: Mapping) -> int:
        return alignment.segment_count(record["duration"], self.segment_seconds)

    def _spread(self, record: Mapping) -> tuple[int, dict, list[np.ndarray]]:
        # Random masks in evaluation belong to the clip: the same in every run, on every host.
        digest = hashlib.blake2b(record["id"].encode(), digest_size=8).digest()
        rng = np.random.default_rng(int.from_bytes(digest, "little"))
        first = alignment.window_start(self._count(record), self.segments)
        flat = self._comments(record, first, rng)
        eligible = np.flatnonzero(flat["eligible"])
        rows = packing.spread(flat["sizes"][eligible], self.limits)
        return first, flat, [eligible[row] for row in rows]

    def _comments(self, record: Mapping, first: int, rng: np.random.Generator) -> dict:
        """All comments of the record [n] and their words [w]: ids, masks, who is eligible."""
        comments = record.get("comments")
        if comments is None:
            raise UserError(
                "there are no time-sync comments to learn from",
                f"record {record['id']}",
                "Take a dataset with comments.",
            )
        length = np.asarray(comments["length"], np.int64)
        words = comments["word"]
        if len(words) != length.sum() or len(comments["emotional"]) != len(words):
            raise UserError(
                f"{len(words)} words, but lengths sum to {length.sum()} and "
                f"{len(comments['emotional'])} marks",
                f"comments of {record['id']}",
                "Build the dataset again.",
            )
        ids = self.vocabulary.encode(words)
        comment = np.repeat(np.arange(len(length)), length)
        emotional = np.asarray(comments["emotional"], bool)
        share = MASKINGS[self.masking]
        masked = emotional if share is None else _random_mask(length, comment, share, rng)
        target = masked & (ids != UNKNOWN)

        time = np.asarray(comments["time"], np.float64) - self.comment_lag
        segment = np.floor(time / self.segment_seconds) - first
        inside = (segment >= 0) & (segment < min(self._count(record) - first, self.segments))
        left_out, eligible = {"out_of_window": ~inside}, inside
        reasons = {"empty": length == 0, "too_long": length > self.max_words}
        if share is None:
            marked = np.bincount(comment[emotional], minlength=len(length))
            reasons["without_emotional"] = marked == 0
        for why, there in reasons.items():  # each comment is counted under its first reason
            left_out[why] = eligible & there
            eligible = eligible & ~there
        targets = np.bincount(comment[target], minlength=len(length))
        return {
            "ids": ids,
            "comment": comment,
            "length": length,
            "masked": masked,
            "target": target,
            "segment": np.where(inside, segment, 0).astype(np.int32),
            "eligible": eligible,
            "left_out": left_out,
            "sizes": np.stack([length + 1, np.ones_like(length), targets], axis=1),
        }

    def _example(
        self, record: Mapping, first: int, flat: dict, chosen: np.ndarray
    ) -> dict[str, np.ndarray]:
        example = self.empty()
        example["weight"][...] = 1
        count = min(self._count(record) - first, self.segments)
        alignment.fill(
            record, self.modalities, first, count, self.segment_seconds, self.hide, example
        )

        comment, position, word = packing.words_of(flat["length"], chosen)
        begins = position == 0
        word = np.where(begins, 0, word)
        if len(comment):
            tokens = np.where(flat["masked"][word], MASK, flat["ids"][word])
            tokens[begins] = START
            target = flat["target"][word] & ~begins
        else:
            tokens, target = comment, begins
        n, c, at = len(comment), len(chosen), np.flatnonzero(target)
        example["tokens"][:n] = tokens
        example["token_comment"][:n] = comment + 1
        example["token_position"][:n] = position
        example["masked_at"][: len(at)] = at
        example["masked_word"][: len(at)] = flat["ids"][word[at]]
        example["masked_comment"][: len(at)] = comment[at] + 1
        example["comment_at"][:c] = np.flatnonzero(begins)
        example["comment_segment"][:c] = flat["segment"][chosen]
        example["comment_weight"][:c] = 1
        return example


def _random_mask(
    length: np.ndarray, comment: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Marks max(1, round(share * L)) words of each comment of L words. [w]"""
    wanted = np.maximum(1, np.rint(share * length))
    first_word = np.cumsum(length) - length
    order = np.lexsort((rng.random(len(comment)), comment))
    rank = np.empty(len(comment), np.int64)
    rank[order] = np.arange(len(comment)) - first_word[comment]
    return rank < wanted[comment]


Examples = CommentExamples  # what `examples.name = "tsc"` in a config stands for
