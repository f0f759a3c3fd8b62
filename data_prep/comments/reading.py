"""What a reader gives: times and texts, sorted, with a count of everything it left out or mended.

Every format hands over two columns, raw times in seconds and raw texts, and `finish` makes the one
Reading of them. Neither holds anything about who wrote a comment.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from affectjax.errors import UserError
from data_prep.comments.encoding import strip_controls

LONGEST = 1e6  # seconds, over eleven days: what is beyond is no time in a video
MOST = 2_000_000  # comments of one file, so that no small file of tiny entries fills the memory

Columns = tuple[Sequence[float], Sequence[str]]  # raw times, NaN where unreadable, and raw texts


class Comment(NamedTuple):
    """A viewer's words at a second of the video."""

    time: float
    text: str


class Comments(Sequence[Comment]):
    """A sequence of comments, held as two columns, since files hold tens of thousands of them."""

    def __init__(self, time: np.ndarray, text: list[str]):
        self.time, self.text = time, text  # float64 [C], seconds, and C texts

    @classmethod
    def of(cls, comments: Iterable[tuple[float, str]]) -> "Comments":
        """Of any comments; white space in their texts is folded, as `finish` does it."""
        if isinstance(comments, cls):
            return comments
        times, texts = zip(*comments) if comments else ((), ())
        return cls(np.array(times, np.float64), [" ".join(text.split()) for text in texts])

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return Comments(self.time[i], self.text[i])
        return Comment(float(self.time[i]), self.text[i])

    def __iter__(self) -> Iterator[Comment]:
        return map(Comment, self.time.tolist(), self.text)

    def __repr__(self) -> str:
        return f"Comments({list(self)!r})"


@dataclasses.dataclass(frozen=True)
class Reading:
    """The comments of a file by time; equal times keep the file's order."""

    comments: Comments
    format: str
    notes: Counter[str]  # what was left out or mended -> how often


def finish(columns: Columns, format: str, notes: Counter[str]) -> Reading:
    """White space folded, characters that no text holds and times that are none dropped, sorted."""
    times, texts = columns
    check_count(len(texts))
    texts = [" ".join(text.split()) for text in texts]
    if not "".join(texts).isprintable():  # else nothing of the kind can be there
        texts = [_writable(text, notes) for text in texts]
    time = np.array(times, np.float64)
    good = (time >= 0) & (time <= LONGEST)
    order = np.argsort(time, kind="stable")
    if not good.all():
        unreadable = int(np.isnan(time).sum())
        notes["unreadable time"] += unreadable
        notes["time out of range"] += int((~good).sum()) - unreadable
        order = order[good[order]]
    found = Comments(time[order], [texts[i] for i in order.tolist()])
    return Reading(found, format, +notes)  # the plus drops what was counted 0 times


def check_count(count: int) -> None:
    """Refuses a file of more comments than any video has."""
    if count > MOST:
        mend = "No video has as many; the file is damaged or made to do harm."
        raise UserError(f"The comment file holds more than {MOST} comments", mend=mend)


def _writable(text: str, notes: Counter[str]) -> str:
    """Without control characters and halves of characters, which escapes can bring in."""
    if text.isprintable():
        return text
    text = strip_controls(text, notes)
    whole = text.encode("utf-8", "ignore").decode()
    notes["half characters"] += len(text) - len(whole)
    return whole


def number(value: object) -> float:
    """A time as a float, NaN where it is none."""
    try:
        return float(value) if isinstance(value, (int, float, str)) else float("nan")
    except (ValueError, OverflowError):
        return float("nan")
