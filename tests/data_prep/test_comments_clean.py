"""Cleaning keeps what slow plain rules keep, and counts every comment once."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.comments.clean import PUNCTUATION, STEPS, Rules, clean
from data_prep.comments.reading import Comment
from data_prep.comments.tokenise import whitespace
from data_prep.lexicon import build

ENTRIES = ["sad", "broken heart", "开心", "心花怒放", "o'clock"]
LEXICON = build([(entry, ("any",), None) for entry in ENTRIES])
PIECES = (
    "sad SAD ｓａｄ broken heart 开心 心花 怒放 the , ！ … 1 ① ♥ é _ é ` ゴ ﾞ of ( o'clock (sad)"
)
ALPHABET = st.sampled_from([*PIECES.split(), "心，花怒放", "  "])
LINES = st.lists(st.lists(ALPHABET, max_size=9).map(" ".join), max_size=12)


def slow(comments, rules, end=None):
    """The rules one after another, as the documentation tells them."""
    counts, kept, last = Counter(dict.fromkeys(STEPS, 0)), [], {}
    for time, text in comments:
        long = len(" ".join(text.split())) > rules.max_characters  # as it was typed
        text = unicodedata.normalize("NFKC", " ".join(text.split())).lower()
        if end is not None and time >= end:
            counts["beyond the end"] += 1
            continue
        if not text.strip():
            counts["empty"] += 1
            continue
        if long:
            counts["text too long"] += 1
            continue
        odd = [c for c in text if not (c.isalpha() or c == " " or unicodedata.category(c)[0] == "M"
               or c in unicodedata.normalize("NFKC", rules.punctuation))]  # fmt: skip
        if rules.special and odd:
            counts["special characters or digits"] += 1
            continue
        words = [w for w in text.split() if any(c.isalpha() for c in w)]
        flags = [False] * len(words)
        at = 0
        while at < len(words):
            for size in range(len(words) - at, 0, -1):
                run = words[at : at + size]
                spelled = {"".join(run), " ".join(run)}
                if spelled & set(LEXICON.emotions):
                    flags[at : at + size] = [True] * size
                    at += size - 1
                    break
            at += 1
        if rules.emotional and not any(flags):
            counts["no emotional word"] += 1
        elif len(words) < rules.min_words:
            counts["too few words"] += 1
        elif len(words) > rules.max_words:
            counts["too many words"] += 1
        elif (
            rules.duplicate_seconds
            and time - last.get(tuple(words), -1e9) < rules.duplicate_seconds
        ):
            counts["duplicate"] += 1
        else:
            last[tuple(words)] = time
            kept.append((time, words, flags))
    return kept, counts


@given(
    LINES,
    st.builds(Rules, min_words=st.integers(0, 3), max_words=st.integers(3, 8),
              max_characters=st.integers(15, 40), special=st.booleans(), emotional=st.booleans(),
              duplicate_seconds=st.sampled_from([0.0, 0.5, 1.0])),
    st.sampled_from([None, 1.0, 2.5]),
)  # fmt: skip
def test_it_equals_the_slow_rules(lines, rules, end):
    comments = [Comment(i * 0.25, line) for i, line in enumerate(lines)]
    cleaned = clean(comments, rules, str.split, LEXICON, end)
    kept, counts = slow(comments, rules, end)
    assert cleaned.time.tolist() == [time for time, _, _ in kept]
    assert cleaned.words == [words for _, words, _ in kept]
    assert cleaned.emotional == [flags for _, _, flags in kept]
    assert cleaned.counts == counts and list(cleaned.counts) == list(STEPS)
    assert len(kept) + sum(counts.values()) == len(comments)


@pytest.mark.parametrize(
    "text, step",
    [
        ("", "empty"),
        (" \u200b ", "empty"),
        ("sad " * 60, "text too long"),
        ("payload" * 1000, "text too long"),
        ("so sad 2333 now", "special characters or digits"),
        ("so sad ２３ now", "special characters or digits"),
        ("so sad ① now", "special characters or digits"),
        ("so sad ♥ now", "special characters or digits"),
        ("so sad 😀 now", "special characters or digits"),
        ("so sad (´ω`) now", "special characters or digits"),
        ("so sad a_b now", "special characters or digits"),
        ("what a day", "no emotional word"),
        ("so sad", "too few words"),
        ("so sad !!! ... ???", "too few words"),
        ("sad " * 16, "too many words"),
        ("so sad, today!", None),
        ("So SAD， ｔｏｄａｙ！", None),
        ("sad" + " naïve" * 14, None),
        ("so sad हिन्दी", None),
        ("so sad e\u0301te\u0301", None),
        ("my broken heart…", None),
        ("我 非常 开心", None),
    ],
)
def test_each_rule_by_its_name(text, step):
    cleaned = clean([Comment(1.0, text)], Rules(), whitespace, LEXICON)
    assert +cleaned.counts == ({step: 1} if step else {})


def test_duplicates_within_a_second_follow_what_was_kept_not_what_was_seen():
    comments = [Comment(t, "so sad now") for t in (0.0, 0.9, 1.0, 1.5, 1.99, 2.0)]
    comments += [Comment(2.1, "so sad now!"), Comment(2.2, "now so sad")]
    cleaned = clean(comments, Rules(), str.split, LEXICON)
    # "now!" is another word to str.split
    np.testing.assert_array_equal(cleaned.time, np.float32([0, 1, 2, 2.1, 2.2]))
    assert cleaned.counts["duplicate"] == 3
    one_spelling = clean([Comment(0, "so sad now"), Comment(0.5, "SO ｓａｄ now")], Rules(),
                         str.split, LEXICON)  # fmt: skip
    assert one_spelling.counts["duplicate"] == 1


def test_entries_over_several_words_mark_all_of_them():
    parted = clean([Comment(0, "my 心花 ， 怒放 !")], Rules(), str.split, LEXICON)
    assert parted.emotional == [[False, True, True]]  # punctuation is no word
    cleaned = clean([Comment(0, "my broken heart is 心花 怒放")], Rules(), str.split, LEXICON)
    assert cleaned.words == [["my", "broken", "heart", "is", "心花", "怒放"]]
    assert cleaned.emotional == [[False, True, True, False, True, True]]


def test_no_comments_and_changed_punctuation():
    assert clean([], Rules(), str.split, LEXICON).words == []
    text = [Comment(0, "so * sad now")]
    assert not clean(text, Rules(), str.split, LEXICON).words
    assert clean(text, Rules(punctuation=PUNCTUATION + "*"), str.split, LEXICON).words
    lines = [Comment(0, "so sad\nnow"), Comment(5, "a\r\nb")]
    assert clean(lines, Rules(), str.split, LEXICON).words == [["so", "sad", "now"]]
