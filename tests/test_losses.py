"""Cross-entropy and its polarity-consistent form against their formulas."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectjax import losses
from affectjax.errors import UserError

VE8 = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
POSITIVE = ("anticipation", "joy", "surprise", "trust")
TABLE = losses.polarity_table(VE8, POSITIVE)


def plain(logits, label, penalty):
    """Eqs. 12 to 14, one video at a time."""
    out = []
    for row, y in zip(logits, label):
        chance = math.exp(row[y]) / sum(math.exp(v) for v in row)
        wrong = (VE8[int(np.argmax(row))] in POSITIVE) != (VE8[y] in POSITIVE)
        out.append(-(1 + penalty * wrong) * math.log(chance))
    return np.array(out)


def some(seed=0, n=64):
    rng = np.random.default_rng(seed)
    logits = (2 * rng.normal(size=(n, 8))).astype(np.float32)
    return logits, rng.integers(0, 8, n).astype(np.int32), np.ones(n, np.float32)


@pytest.mark.parametrize("penalty", [0.0, 0.5, 2.0])
def test_the_penalised_loss_is_its_formula(penalty):
    logits, label, weight = some()
    total, counted = losses.polarity_consistent(logits, label, weight, TABLE, penalty)
    np.testing.assert_allclose(total, plain(logits, label, penalty), rtol=1e-5)
    np.testing.assert_array_equal(counted, weight)


def test_it_is_cross_entropy_where_no_prediction_changes_polarity():
    logits, label, weight = some()
    positive = np.array(TABLE)
    same = positive[logits.argmax(1)] == positive[label]
    assert 0 < same.sum() < len(same)

    def gradient(loss):
        return jax.grad(lambda x: loss(x)[0].sum())(jnp.asarray(logits))

    plain_gradient = gradient(lambda x: losses.cross_entropy(x, label, weight))
    found = gradient(lambda x: losses.polarity_consistent(x, label, weight, TABLE, 0.5))
    np.testing.assert_array_equal(found[same], plain_gradient[same])
    np.testing.assert_allclose(found[~same], 1.5 * plain_gradient[~same], rtol=1e-6)
    total = losses.polarity_consistent(logits[same], label[same], weight[same], TABLE, 0.5)[0]
    np.testing.assert_array_equal(
        total, losses.cross_entropy(logits[same], label[same], weight[same])[0]
    )


def test_unknown_labels_and_empty_rows_weigh_nothing():
    logits, label, weight = some(n=4)
    label[1], weight[2] = -1, 0
    logits[2] = np.nan
    total, counted = losses.polarity_consistent(logits, label, weight, TABLE, 0.5)
    assert total[1] == counted[1] == total[2] == counted[2] == 0
    np.testing.assert_array_equal(np.asarray(counted)[[0, 3]], 1)


def test_polarity_tables():
    assert [VE8[i] for i, p in enumerate(TABLE) if p] == list(POSITIVE)
    assert losses.polarity_table(("anger", "joy"), ("joy",)) == (False, True)
    with pytest.raises(UserError, match="not among"):
        losses.polarity_table(VE8, ("happiness",))
    with pytest.raises(UserError, match="one polarity"):
        losses.polarity_table(VE8, ())


@settings(deadline=None, max_examples=40)
@given(
    logits=arrays(np.float32, (3, 5), elements=st.floats(-30, 30, width=32)),
    label=arrays(np.int32, 3, elements=st.integers(0, 4)),
    gone=st.sets(st.integers(0, 4), max_size=3),
)
def test_surprisal_and_its_gradient_are_those_of_the_log_softmax(logits, label, gone):
    """Classes of -inf, as padding is, have no probability and no gradient; the label is none."""
    padding = np.array([k in gone for k in range(5)]) & (np.arange(5) != label[:, None])
    logits = np.where(padding, -np.inf, logits)

    def plain(x):
        return -jnp.take_along_axis(jax.nn.log_softmax(x), label[:, None], 1)[:, 0]

    weight = jnp.array([0.0, 1.0, -2.0])
    for one in (losses.surprisal(logits, label), jax.jit(losses.surprisal)(logits, label)):
        np.testing.assert_allclose(one, plain(logits), rtol=1e-5, atol=1e-5)
    found = jax.grad(lambda x: (losses.surprisal(x, label) * weight).sum())(logits)
    expected = jax.nn.softmax(logits) - np.eye(5)[label]
    np.testing.assert_allclose(found, expected * weight[:, None], atol=1e-6)
    assert not found[padding].any()
