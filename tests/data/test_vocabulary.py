"""A vocabulary maps words to ids, says what it does not know, and survives its file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data.vocabulary import MASK, PAD, SPECIALS, START, UNKNOWN, Vocabulary
from affectjax.errors import UserError

TABLE = [("joy", 9, 9), ("ah", 4, 0), ("zz", 4, 1), ("film", 4, 0), ("rare", 1, 0)]
words = st.text(min_size=1, max_size=6).filter(lambda w: w.split() == [w] and w not in SPECIALS)


def test_specials_then_words_by_frequency_then_spelling():
    assert (PAD, UNKNOWN, START, MASK) == (0, 1, 2, 3)
    vocabulary = Vocabulary.build(reversed(TABLE))
    assert vocabulary.words == ("[#PAD]", "[#U]", "[#S]", "[#M]", "joy", "ah", "film", "zz", "rare")
    assert len(vocabulary) == 9
    assert Vocabulary.build(TABLE, min_count=4).words == vocabulary.words[:8]
    assert Vocabulary.build(TABLE, cap=2).words == vocabulary.words[:6]


def test_encode_and_out_of_vocabulary():
    vocabulary = Vocabulary.build(TABLE, min_count=2)
    ids = vocabulary.encode(["film", "rare", "joy"])
    assert ids.dtype == np.int32 and ids.tolist() == [6, UNKNOWN, 4]
    assert vocabulary.encode([]).shape == (0,)
    assert vocabulary.oov_rate(TABLE) == 1 / 22
    assert vocabulary.oov_rate([]) == 0


def test_a_comment_cannot_spell_a_special():
    vocabulary = Vocabulary.build([*TABLE, *((special, 99, 0) for special in SPECIALS)])
    assert len(vocabulary) == 9
    assert vocabulary.encode(SPECIALS).tolist() == [UNKNOWN] * 4
    assert vocabulary.oov_rate([("[#M]", 3, 0), ("joy", 1, 0)]) == 0.75


@given(st.dictionaries(words, st.integers(1, 50), min_size=1))
def test_a_vocabulary_survives_its_file(tmp_path_factory, counts):
    path = tmp_path_factory.mktemp("v") / "vocabulary.txt"
    table = [(word, count, 0) for word, count in counts.items()]
    vocabulary = Vocabulary.build(table)
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    assert loaded == vocabulary and loaded.digest == vocabulary.digest
    ids = loaded.encode(list(counts))
    assert sorted(ids) == list(range(4, 4 + len(counts)))
    assert [loaded.words[i] for i in ids] == list(counts)
    assert Vocabulary((*vocabulary.words, "one more")).digest != vocabulary.digest


def test_no_words_no_vocabulary():
    with pytest.raises(UserError, match="No word stands 10 times"):
        Vocabulary.build(TABLE, min_count=10)


HEAD = "".join(special + "\n" for special in SPECIALS)


@pytest.mark.parametrize(
    "content, what",
    [
        (None, "cannot be read"),
        (b"\xff\n", "cannot be read"),
        (b"", "no vocabulary"),
        (b"joy\nfear\n", "no vocabulary"),
        ((HEAD + "joy\njoy\n").encode(), "no vocabulary"),
        ((HEAD + "joy").encode(), "no vocabulary"),
        ((HEAD + "joy\n\nfear\n").encode(), "line 6"),
        ((HEAD + "joy\r\n").encode(), "line 5"),
    ],
)
def test_files_that_are_no_vocabulary(content, what, tmp_path):
    path = tmp_path / "vocabulary.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=what) as caught:
        Vocabulary.load(path)
    assert str(path) in caught.value.where and "a word a line" in caught.value.mend
