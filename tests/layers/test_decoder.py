"""Packed decoding equals the slow decoding of each comment alone."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from affectjax.layers.decoder import Decoder, decode, decoder_tree, word_logits
from affectjax.layers.parameters import initialise
from tests.layers import oracle
from tests.models.tam_batches import random_batch

T, D = 5, 8
PLAIN = Decoder(vocabulary=128, width=D, layers=3, heads=2, ffn=12, max_words=4)


def make(s):
    rng = np.random.default_rng(0)
    p = jax.tree.map(
        lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32),
        initialise(decoder_tree(s), jax.random.key(0)),
    )
    batch = random_batch(segments=T, words=40, max_words=s.max_words)
    f = rng.normal(size=(3, T + 1, D)).astype(np.float32)
    f_mask = np.ones((3, T + 1), bool)
    f_mask[1, 3:] = False
    return p, batch, f, f_mask


def run(p, b, f, f_mask, s, key=None):
    order = ("tokens", "token_comment", "token_position", "masked_at", "comment_at")
    return jax.jit(lambda p: decode(p, *(b[k] for k in order), f, f_mask, s, key))(p)


@pytest.mark.parametrize(
    "options",
    [{}, dict(form="scan", norm="post", tied=True), dict(layers=1), dict(form="scan", heads=1)],
    ids=str,
)
def test_packed_equals_each_comment_alone(options):
    s = replace(PLAIN, **options)
    p, b, f, f_mask = make(s)
    words, query, key = run(p, b, f, f_mask, s)
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), p)
    seen = 0
    for row in range(3):
        for c in np.flatnonzero(b["comment_weight"][row]):
            own = b["tokens"][row][b["token_comment"][row] == c + 1]
            out, want_query, want_key = oracle.decode(wide, own, f[row], f_mask[row], s)
            np.testing.assert_allclose(query[row, c], want_query, atol=3e-5)
            np.testing.assert_allclose(key[row], want_key, atol=3e-5)
            start = b["comment_at"][row, c]
            for slot in np.flatnonzero(b["masked_comment"][row] == c + 1):
                at = b["masked_at"][row, slot] - start
                np.testing.assert_allclose(words[row, slot], out[at], atol=3e-5)
                seen += 1
    assert seen == (b["masked_comment"] > 0).sum() > 10


def test_forms_and_remat_share_dropout():
    p, b, f, f_mask = make(PLAIN)
    results = [
        run(p, b, f, f_mask, replace(PLAIN, dropout=0.3, **o), jax.random.key(1))[0]
        for o in (dict(form="unrolled"), dict(form="scan"), dict(form="scan", remat="layer"))
    ]
    np.testing.assert_allclose(results[1], results[0], atol=1e-5)
    np.testing.assert_allclose(results[2], results[0], atol=1e-5)
    assert np.abs(results[0] - run(p, b, f, f_mask, PLAIN)[0]).max() > 0.1


@pytest.mark.parametrize("tied", [False, True])
def test_words_beyond_the_vocabulary_are_impossible(tied):
    s = replace(PLAIN, tied=tied)
    p, *_ = make(s)
    x = np.random.default_rng(1).normal(size=(1, 2, D)).astype(np.float32)
    logits = np.asarray(word_logits(p, x, 40, s))
    kernel = np.asarray(p["word"]).T if tied else np.asarray(p["head"]["kernel"])
    want = x @ kernel + np.asarray(p["head"]["bias"])
    np.testing.assert_allclose(logits[..., :40], want[..., :40], atol=1e-5)
    assert np.isneginf(logits[..., 40:]).all()
