"""Cleaning of time-sync comments for pre-training (TAM): named rules, each with its count.

A comment that is removed is counted under the first rule that removes it, in the order of `STEPS`.
The paper names the lexicon first; here the cheap rules come before the words are cut, which keeps
the same comments, and texts that hold no entry however they are cut are not cut at all. Texts are
compared and cut in their one spelling (see `normalise`).

Words are the tokens that hold a letter; punctuation is none. Special characters are all but
letters with their accents, spaces and the punctuation that `Rules` lists: emoticons, emoji,
mathematical and other symbols. A duplicate has the words of a comment that was kept less than a
second before it.
"""

import dataclasses
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from data_prep.comments.normalise import nfkc, prepare, without
from data_prep.comments.reading import Comment, Comments
from data_prep.lexicon import Lexicon

END, EMPTY, LONG = "beyond the end", "empty", "text too long"
SPECIAL, FEW, MANY = "special characters or digits", "too few words", "too many words"
PLAIN, DUPLICATE = "no emotional word", "duplicate"
STEPS = (END, EMPTY, LONG, SPECIAL, PLAIN, FEW, MANY, DUPLICATE)
_UNUSUAL = re.compile(r"[\W\d_]")  # all but letters, and numerals that are not written in digits
PUNCTUATION = "，。！？、；：…·—～「」『』《》“”‘’（）" + ",.!?;:~'\"()-"


Verdict = tuple[tuple[str, ...], list[bool]]  # the words of a comment, which are emotional


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is removed; the defaults are the paper's, with the numbers that it leaves out."""

    min_words: int = 3
    max_words: int = 15
    max_characters: int = 200  # as typed; unstated; longer texts are payloads, and not tokenised
    special: bool = True  # remove comments with special characters or digits
    punctuation: str = PUNCTUATION  # that is not special
    emotional: bool = True  # remove comments without an emotional word
    duplicate_seconds: float = 1.0  # 0 keeps duplicates


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """C comments by time, and how many each step removed (every step stands there, also with 0)."""

    time: np.ndarray  # float32 [C]
    words: list[list[str]]
    emotional: list[list[bool]]  # which words stand in the lexicon, alone or as part of an entry
    counts: Counter[str]


def clean(
    comments: Sequence[Comment],
    rules: Rules,
    tokenise: Callable[[str], list[str]],
    lexicon: Lexicon,
    end: float | None = None,
) -> Cleaned:
    """The comments, sorted by time, that pass every rule; `end` is the video's, in seconds."""
    columns = Comments.of(comments)
    times, texts = columns.time.tolist(), columns.text
    counts = Counter(dict.fromkeys(STEPS, 0))
    if end is not None:
        inside = int(np.searchsorted(columns.time, end))
        counts[END] = len(times) - inside
        times, texts = times[:inside], texts[:inside]
    # A third of the texts of an ordinary file are repeated: each is judged once.
    removed, passed = judge(list(dict.fromkeys(texts)), rules, tokenise, lexicon)
    counts.update(filter(None, map(removed.get, texts)))
    kept = [(time, v) for time, v in zip(times, map(passed.get, texts)) if v is not None]
    if rules.duplicate_seconds > 0:
        before = len(kept)
        kept = _without_duplicates(kept, rules.duplicate_seconds)
        counts[DUPLICATE] = before - len(kept)
    return Cleaned(
        np.array([time for time, _ in kept], np.float32),
        [list(words) for _, (words, _) in kept],
        [list(emotional) for _, (_, emotional) in kept],
        counts,
    )


def _without_duplicates(
    kept: Iterable[tuple[float, Verdict]], seconds: float
) -> list[tuple[float, Verdict]]:
    out, last = [], {}
    for time, verdict in kept:
        words = verdict[0]
        if words not in last or time - last[words] >= seconds:
            last[words] = time
            out.append((time, verdict))
    return out


def judge(
    texts: Sequence[str], rules: Rules, tokenise: Callable[[str], list[str]], lexicon: Lexicon
) -> tuple[dict[str, str], dict[str, Verdict]]:
    """Which step removes each text; of the others their words and which are emotional."""
    ordinary = "".join({" ", *rules.punctuation, *"".join(nfkc(rules.punctuation))})
    prepared = prepare(texts)
    ones = nfkc(prepared)
    rests = without(ones, ordinary)
    # Symbols may be dropped from words by a tokeniser, and what they parted would then join.
    sure = rules.emotional and rules.special
    hopeful = lexicon.may_hold(rests).tolist() if sure else itertools.repeat(True)
    removed, passed = {}, {}
    # This loop runs for every text: what most of them need stands here, the rest apart.
    for text, given, one, rest, hope in zip(texts, prepared, ones, rests, hopeful):
        if not rest.isalpha() or len(given) > rules.max_characters:
            if step := _fault(given, rest, rules):
                removed[text] = step
                continue
        verdict = _cut(one, rules, tokenise, lexicon) if hope else PLAIN
        (removed if verdict.__class__ is str else passed)[text] = verdict
    return removed, passed


def _cut(
    text: str, rules: Rules, tokenise: Callable[[str], list[str]], lexicon: Lexicon
) -> str | Verdict:
    """What the words of a text come to."""
    words = tuple([w for w in tokenise(text) if w.isalpha() or any(map(str.isalpha, w))])
    emotional = lexicon.mark(words)
    if rules.emotional and not emotional:
        return PLAIN
    if len(words) < rules.min_words:
        return FEW
    if len(words) > rules.max_words:
        return MANY
    return words, emotional or [False] * len(words)


def _fault(given: str, rest: str, rules: Rules) -> str:
    """The step that removes a text before its words are cut, "" for none.

    `given` is the prepared text, `rest` its one spelling without spaces and ordinary punctuation.
    """
    if not given or given.isspace():
        return EMPTY
    if len(given) > rules.max_characters:
        return LONG
    return SPECIAL if rules.special and is_special(rest) else ""


def is_special(rest: str) -> bool:
    """Whether more than letters and their accents is left of a text."""
    return any(unicodedata.category(found)[0] != "M" for found in _UNUSUAL.findall(rest))
