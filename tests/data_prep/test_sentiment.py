"""Clips are scored by their comments, and as many positive as negative ones are chosen."""

import math

import numpy as np
import pytest

from affectjax.errors import UserError
from data_prep.lexicon import build
from data_prep.sentiment import clip_scores, score, scorer, select

LEXICON = build([("good day", ("joy",), 1), ("good", ("joy",), 1), ("bad", ("anger",), -1)])


def always_bad(words):
    return 0.0


def silent(words):
    return math.nan


def wrong(words):
    return 2.0


def test_the_score_is_the_share_of_good_entries():
    assert score(["good", "day"], LEXICON) == 1
    assert score(["good", "bad", "bad", "the"], LEXICON) == pytest.approx(1 / 3)
    assert score(["the"], LEXICON) == score([], LEXICON) == 0.5
    assert scorer("lexicon", LEXICON)(["bad"]) == 0


def test_a_scorer_of_the_users_own_is_named_by_its_path():
    assert scorer("tests.data_prep.test_sentiment:always_bad")(["good"]) == 0
    for name in ("nothing", "no.such:thing", "math:nothing", "math:pi"):
        with pytest.raises(UserError):
            scorer(name)
    with pytest.raises(UserError):
        scorer("lexicon")


def test_a_clip_scores_the_mean_of_its_comments():
    words = [["good"], ["bad"], ["good"], ["the"], ["bad"]]
    times, clips = [0.0, 1.0, 9.99, 10.0, 35.0], [(0.0, 10.0), (10.0, 20.0), (20.0, 30.0)]
    found = clip_scores(times, words, clips, scorer("lexicon", LEXICON))
    np.testing.assert_allclose(found, [2 / 3, 0.5, np.nan])
    assert np.isnan(clip_scores(times, words, clips, silent)).all()
    with pytest.raises(UserError):
        clip_scores(times, words, clips, wrong)


def test_as_many_positive_as_negative_clips_and_none_in_both():
    scores = [0.5, np.nan, 0.9, 0.1, 0.9, 0.2, 0.5]
    positive, negative = select(scores, 2)
    assert positive.tolist() == [2, 4] and negative.tolist() == [3, 5]
    positive, negative = select(scores, 100)
    assert len(positive) == len(negative) == 3 and not set(positive) & set(negative)
    assert 1 not in {*positive, *negative}
    assert [len(x) for x in select([np.nan], 3)] == [0, 0]
