"""Labelled comments as examples: text, targets, statistics, both ways of reading, and misfits."""

import numpy as np
import pytest

from affectjax.data import comment_targets, load, sample_corpus
from affectjax.data.comment_ngrams import NgramExamples
from affectjax.data.comment_pieces import PieceExamples
from affectjax.data.ngrams import ngrams
from affectjax.data.records import Spec
from affectjax.data.schema import decode, encode
from affectjax.data.vocabulary import SPECIALS, START, UNKNOWN, Vocabulary
from affectjax.errors import UserError

VALUES = ("joy", "fear", "disgust")
SPEC = Spec(comments=True, value_names=VALUES)
WORDS = Vocabulary((*SPECIALS, "[SEP]", "so", "good", "##ness", "好"))
RNG = np.random.default_rng(0)


def record(text, *values, name="a"):
    made = comment_targets.record(name, name, text, values)
    return decode(SPEC, encode(SPEC, made))  # as a dataset gives it


def test_text_and_targets_survive_the_record():
    found = record("太  好看 了!", 1, np.nan, 0)
    assert comment_targets.text(found) == "太 好看 了!"
    np.testing.assert_array_equal(comment_targets.targets(found, [2, 0, 1]), [0, 1, np.nan])
    bare = {"id": "full", "features": {}}  # no comment, no label
    assert comment_targets.text(bare) == "" and np.isnan(comment_targets.targets(bare, [0])).all()
    assert comment_targets.text(record("", 0, 0, 0)) == ""


def test_ngram_examples():
    rule = NgramExamples(("fear", "joy"), buckets=500, values=VALUES, longest=2, slots=4)
    found = record("好好好 x", 1, 0, 0)
    example = rule.train(found, RNG)
    numbers, counts = ngrams("好好好 x", 2, 500)
    np.testing.assert_array_equal(example["tokens"], numbers[:4])  # the last ones have no room
    np.testing.assert_array_equal(example["counts"], counts[:4])
    assert example["target"].tolist() == [0, 1] and example["weight"] == 1
    assert rule.parts(found) == 1
    short = rule.evaluate(record("x", 0, 0, 0), 0)
    assert (short["tokens"] > 0).sum() == (short["counts"] > 0).sum() == 3
    empty = rule.empty()
    assert empty["weight"] == 0 and np.isnan(empty["target"]).all()
    for made in (example, short, empty):
        for key, (shape, dtype) in rule.spec().items():
            assert made[key].shape == shape and made[key].dtype == dtype


def test_statistics_of_a_source():
    source = [record("a", 1, 0, np.nan), record("a b", 0, 0, 1), record("b", 1, 1, 0)]
    rule = NgramExamples(VALUES, buckets=1 << 20, values=VALUES, longest=1)
    found = rule.statistics(source)
    np.testing.assert_allclose(found["target"]["mean"], [2 / 3, 1 / 3, 1 / 2])
    share = found["ngrams"]["mean"]
    assert sorted(share[share > 0]) == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert share[ngrams("a", 1, 1 << 20)[0][0]] == pytest.approx(2 / 3)
    with pytest.raises(UserError, match="emotion 2 of model.outputs"):
        NgramExamples(VALUES, 99, VALUES).statistics(source[:2])


def test_piece_examples():
    rule = PieceExamples(("joy",), WORDS, VALUES, slots=5)
    example = rule.evaluate(record("so goodness 好", 1, 0, 0), 0)
    word = WORDS.ids
    assert example["tokens"].tolist() == [START, word["so"], word["good"], word["##ness"],
                                          word["[SEP]"]]  # fmt: skip
    assert rule.train(record("zzz", 0, 0, 0), RNG)["tokens"].tolist() == [
        START, UNKNOWN, word["[SEP]"], 0, 0,
    ]  # fmt: skip
    assert rule.statistics([record("a", 1, 0, 0), record("a", 0, 0, 0)])["target"]["mean"] == [0.5]


def test_misfits_are_named():
    other = Vocabulary((*SPECIALS, "so"))  # the corpus's own words, where nothing was started from
    with pytest.raises(UserError, match="affectjax.start_bert"):
        PieceExamples(("joy",), other, VALUES).statistics([record("so", 1, 0, 0)])
    with pytest.raises(UserError, match="no emotion 'envy'"):
        NgramExamples(("envy",), 99, VALUES)
    with pytest.raises(UserError, match="slots=2"):
        PieceExamples(("joy",), WORDS, VALUES, slots=2)
    with pytest.raises(UserError, match="hold no n-gram"):
        NgramExamples(("joy",), 99, VALUES, longest=0)
    rule = NgramExamples(("joy",), 99, VALUES)
    rule.check(SPEC, "here")
    for spec in (Spec(value_names=VALUES), Spec(comments=True, value_names=("joy",))):
        with pytest.raises(UserError, match="data_prep.build comment_corpus"):
            rule.check(spec, "here")


def test_the_sample_is_a_corpus_that_words_tell(tmp_path):
    made = sample_corpus.make()
    assert {name: len(each) for name, each in made.items()} == {
        "train": 1200, "validation": 150, "test": 150,
    }  # fmt: skip
    texts = [comment_targets.text(r) for each in made.values() for r in each]
    assert len(set(texts)) == len(texts)
    yes = np.array([r["values"][0] for r in made["train"]])
    assert set(yes.sum(1)) == {0, 1} and (yes.mean(0) > 0.05).all()
    happy = [r["values"][0][0] for r in made["train"] if "happy" in comment_targets.text(r)]
    assert len(happy) > 20 and np.mean(happy) > 0.9
    folder = sample_corpus.prepare(tmp_path)
    assert sample_corpus.prepare(tmp_path) == folder
    with pytest.raises(UserError, match="no size"):
        sample_corpus.make("huge")
    found = load.load(str(folder), validation_split="validation").parts
    assert {name: len(part) for name, part in found.items()} == {
        "train": 1200, "validation": 150, "test": 150,
    }  # fmt: skip
    with pytest.raises(UserError, match="both set"):
        load.load(str(folder), validation=0.1, validation_split="validation")
