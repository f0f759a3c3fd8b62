"""Word pieces as the published tokeniser cuts them, from a vocabulary alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data import wordpieces

WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "##a", "a", "我", "很",
    "高", "##高", "兴", "!", "，", "cafe", "##s", "b", "##b", "~", "か", "##わ", "##い",
]  # fmt: skip


def test_by_hand():
    ids = set(WORDS)
    assert wordpieces.cut("Unaffable，我很高兴!", ids) == [
        "un", "##aff", "##able", "，", "我", "很", "高", "兴", "!",
    ]  # fmt: skip
    assert wordpieces.cut("Cafés xyz\u200b b", ids) == ["cafe", "##s", wordpieces.UNKNOWN, "b"]
    assert wordpieces.cut("a" * 101, ids) == [wordpieces.UNKNOWN]
    assert wordpieces.cut("A", ids, lowercase=False) == [wordpieces.UNKNOWN]


@given(st.text("aAbé我高か\u3099わい~!， \t\u200b\x00x", max_size=15))
def test_it_equals_the_published_tokeniser(text):
    tokenizers = pytest.importorskip("tokenizers", reason="transformers brings it")
    theirs = tokenizers.BertWordPieceTokenizer({w: i for i, w in enumerate(WORDS)}, lowercase=True)
    wanted = theirs.encode(text, add_special_tokens=False).tokens
    found = wordpieces.cut(text, set(WORDS))
    assert [wordpieces.UNKNOWN if w == "[UNK]" else w for w in wanted] == found
