"""Tokenisers by name, and what they need."""

import json

import pytest

from affectjax.errors import UserError
from data_prep.comments.clean import Rules, clean
from data_prep.comments.reading import Comment
from data_prep.comments.tokenise import settings, tokeniser
from data_prep.lexicon import build


def test_whitespace_keeps_words_whole_and_drops_punctuation_at_their_ends():
    cut = tokeniser("whitespace")
    assert cut("“Don't  go,” said हिन्दी... (co-op) -- ok!") == [
        "Don't", "go", "said", "हिन्दी", "co-op", "ok"]  # fmt: skip
    assert cut("") == []


def test_jieba_cuts_chinese_and_all_of_a_text():
    pytest.importorskip("jieba")
    cut = tokeniser("jieba")
    words = cut("今天的结局真的很感动！")
    assert "".join(words) == "今天的结局真的很感动！"
    assert {"今天", "结局", "感动"} <= set(words)
    assert settings("jieba")["version"]
    lexicon = build([("感动", ("like",), 1)])
    cleaned = clean([Comment(1, "今天的结局真的很感动！")], Rules(), cut, lexicon)
    assert cleaned.words == [words[:-1]] and sum(cleaned.emotional[0]) == 1


def test_jieba_is_not_moved_by_words_that_others_add():
    jieba = pytest.importorskip("jieba")
    before = tokeniser("jieba")("天花板很高")
    jieba.add_word("天花板很高", freq=10**9)
    assert tokeniser("jieba")("天花板很高") == before
    assert jieba.lcut("天花板很高") == ["天花板很高"]  # the word was added where others look


def test_word_pieces_of_a_checkpoint(tmp_path):
    pytest.importorskip("tokenizers")
    pieces = "[PAD] [UNK] [CLS] [SEP] [MASK] so wonder ##ful day 开 心".split()
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    name = f"wordpiece:{tmp_path}"
    assert tokeniser(name)("So wonderful 开心 zzz") == [
        "so", "wonder", "##ful", "开", "心", "[UNK]"]  # fmt: skip
    lexicon = build([("wonderful", ("joy",), 1), ("开心", ("joy",), 1)])
    cleaned = clean([Comment(0, "so wonderful day 开心")], Rules(), tokeniser(name), lexicon)
    assert cleaned.emotional == [[False, True, True, False, True, True]]
    first = settings(name)
    (tmp_path / "vocab.txt").write_text("\n".join([*pieces, "more"]), encoding="utf-8")
    assert settings(name) != first


def test_unknown_names_and_missing_files_are_named(tmp_path):
    for name in ("jiebba", "wordpiece", "wordpiece:", f"wordpiece:{tmp_path}"):
        with pytest.raises(UserError):
            tokeniser(name)
