"""BERT beyond parity: padding changes nothing, and word pieces come from a local folder."""

import jax
import numpy as np
import pytest

from affectjax.backbones import bert, weights
from affectjax.errors import UserError

SIZES = dict(vocabulary=12, width=16, layers=2, heads=2, ffn=24, positions=10)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好", "看", "哭", "laugh", "##ing", "a", "!"]


def test_padding_and_dtype():
    found = weights.random("bert", **SIZES)
    run = jax.jit(lambda v, t, m: bert.apply(v, t, found.settings, m))
    tokens = np.array([[2, 5, 6, 3, 0, 0]])
    mask = tokens > 0
    short = run(found.variables, tokens[:, :4], mask[:, :4])
    np.testing.assert_allclose(run(found.variables, tokens, mask)[:, :4], short, atol=1e-5)
    other = np.array([[2, 5, 6, 3, 7, 8]])  # whatever stands there
    np.testing.assert_allclose(run(found.variables, other, mask)[:, :4], short, atol=1e-5)
    narrow = jax.jit(lambda v: bert.apply(v, tokens, found.settings, mask, dtype="bfloat16"))
    half = narrow(found.variables)
    assert half.dtype == "bfloat16"
    assert 0 < np.abs(half.astype("float32")[:, :4] - short).max() < 0.1


def test_a_tokeniser_of_a_local_folder(tmp_path):
    pytest.importorskip("transformers", reason="it holds the tokeniser")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    found = bert.tokeniser(tmp_path)
    pieces = ["[CLS]", "好", "看", "laugh", "##ing", "!", "[SEP]"]
    assert found("好看 laughing!")["input_ids"] == [WORDS.index(piece) for piece in pieces]
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert bert.tokeniser(tmp_path)("哭")["input_ids"] == [2, 7, 3]


def test_a_folder_without_words_is_refused_and_nothing_is_fetched(tmp_path):
    with pytest.raises(UserError, match=r"no vocab\.txt"):
        bert.tokeniser(tmp_path)
    with pytest.raises(UserError, match=r"no vocab\.txt"):
        bert.tokeniser("bert-base-chinese")
