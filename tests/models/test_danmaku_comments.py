"""Comment classifiers: scores by a slow loop, losses by hand, 1 : 1 in three ways, BERT, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.backbones import bert
from affectjax.errors import UserError
from affectjax.models.danmaku_comments import RAREST, CommentClassifiers

NAMES = ("joy", "fear")
SMALL = dict(outputs=NAMES, vocabulary=0, buckets=20, width=4, hidden=3)
TINY = {"width": 8, "layers": 1, "heads": 2, "ffn": 8, "positions": 6}
SHARE = np.array([0.25, 0.5])


def make_batch(rng):
    tokens = rng.integers(1, 20, (3, 5)).astype(np.int32)
    tokens[0, 3:] = 0
    counts = np.where(tokens > 0, rng.integers(1, 4, (3, 5)), 0).astype(np.float32)
    target = np.array([[1, 0], [0, np.nan], [0, 1]], np.float32)
    return {"tokens": tokens, "counts": counts, "target": target, "weight": np.ones(3, np.float32)}


@pytest.fixture(scope="module")
def made():
    """A batch, parameters drawn at random and the statistics of a corpus."""
    rng = np.random.default_rng(0)
    batch = make_batch(rng)
    key = jax.random.key(0)
    model = CommentClassifiers(**SMALL)
    found = jax.eval_shape(
        lambda b: model.init({"params": key, "dropout": key}, b, train=True, method="loss"), batch
    )
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), found["params"])
    rare = jnp.asarray(rng.random(20) * (np.arange(20) > 2), jnp.float32)
    statistics = {
        "standardise_target": {"mean": jnp.asarray(SHARE, jnp.float32), "deviation": jnp.ones(2)},
        "standardise_ngrams": {"mean": rare, "deviation": jnp.ones(20)},
    }
    return batch, {"params": params, "statistics": statistics}


def apply(made, train=False, **changes):
    batch, variables = made
    model = CommentClassifiers(**{**SMALL, **changes})
    keys = {"dropout": jax.random.key(1)} if train else {}
    run = jax.jit(lambda v, b: model.apply(v, b, train=train, method="loss", rngs=keys))
    return run(variables, batch)


def slow_logits(batch, variables):
    p = jax.tree.map(np.asarray, variables["params"])
    share = np.asarray(variables["statistics"]["standardise_ngrams"]["mean"], np.float64)
    rows = []
    for tokens, counts in zip(batch["tokens"], batch["counts"]):
        total, vector = 0.0, np.zeros(4)
        for token, count in zip(tokens, counts):
            if token:
                weight = (1 + np.log(count)) * (1 - np.log(max(share[token], RAREST)))
                total += weight**2
                vector += weight * p["encoder"]["ngram"][token]
        x = vector / np.sqrt(total)
        head = p["head"]
        h = np.tanh(x @ head["in"]["kernel"] + head["in"]["bias"])
        rows.append(x @ head["wide"]["kernel"] + head["wide"]["bias"] + h @ head["out"]["kernel"])
    return np.array(rows)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_scores_and_losses_equal_a_slow_loop(made):
    batch, variables = made
    odds = np.log(SHARE / (1 - SHARE))
    bare = slow_logits(batch, variables)
    yes, known = np.nan_to_num(batch["target"]), np.isfinite(batch["target"])
    for balance, scored, learnt, weight in [
        ("scores", bare, bare + odds, 1.0),
        ("none", bare + odds, bare + odds, 1.0),
        ("loss", bare, bare, 0.5 / np.where(yes > 0, SHARE, 1 - SHARE)),
    ]:
        sums, found = apply(made, balance=balance)
        np.testing.assert_allclose(
            found["probability"], sigmoid(scored), rtol=2e-4, err_msg=balance
        )
        p = sigmoid(learnt)
        error = -(yes * np.log(p) + (1 - yes) * np.log(1 - p)) * weight * known
        np.testing.assert_allclose(sums["target"][0], error.sum(1), rtol=2e-4, err_msg=balance)
        assert sums["target"][1].tolist() == [2, 1, 2]
        np.testing.assert_array_equal(found["truth"], batch["target"])


def test_what_is_unknown_teaches_nothing(made):
    batch, variables = made
    model = CommentClassifiers(**SMALL)

    def total(target):
        sums, _ = model.apply(variables, batch | {"target": target}, train=False, method="loss")
        return sums["target"][0].sum()

    slope = jax.jit(jax.grad(total))(jnp.nan_to_num(batch["target"]))
    assert np.isfinite(slope).all()
    nothing = batch | {"target": jnp.full((3, 2), jnp.nan)}

    def loss(p):
        found = model.apply({**variables, "params": p}, nothing, train=False, method="loss")
        return found[0]["target"][0].sum()

    grads = jax.jit(jax.grad(loss))(variables["params"])
    assert max(float(abs(leaf).max()) for leaf in jax.tree.leaves(grads)) == 0


def test_dropout_belongs_to_training(made):
    plain, again = apply(made)[1]["probability"], apply(made)[1]["probability"]
    np.testing.assert_array_equal(plain, again)
    assert (apply(made, train=True)[1]["probability"] != plain).any()
    still = apply(made, train=True, dropout=0.0, word_dropout=0.0)[1]["probability"]
    np.testing.assert_allclose(still, plain, rtol=1e-6)


def test_bert_reads_the_pieces_that_are_there():
    model = CommentClassifiers(outputs=NAMES, vocabulary=9, encoder="bert", network=TINY)
    batch = make_batch(np.random.default_rng(1))
    batch["tokens"] = batch["tokens"] % 9
    key = jax.random.key(0)
    keys = {"params": key, "dropout": key}
    variables = jax.jit(lambda b: model.init(keys, b, train=True, method="loss"))(batch)
    run = jax.jit(lambda v, b: model.apply(v, b, train=False)["probability"])
    found = run(variables, batch)
    s = bert.Settings(**TINY, vocabulary=9, head=False)
    encoder = {"params": variables["params"]["encoder"]}
    head = variables["params"]["head"]

    @jax.jit
    def scores(tokens):
        hidden = bert.apply(encoder, tokens, s, tokens > 0)
        return bert.pool(encoder, hidden) @ head["kernel"] + head["bias"]

    logits = scores(batch["tokens"])
    np.testing.assert_allclose(found, jax.nn.sigmoid(logits), rtol=1e-5)
    longer = {**batch, "tokens": np.pad(batch["tokens"], ((0, 0), (0, 1)))}
    np.testing.assert_allclose(run(variables, longer), found, rtol=1e-5)
    assert model.flops(batch) > CommentClassifiers(**SMALL).flops(batch) > 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encoder": "words"}, "encoder = 'words' is unknown"),
        ({"balance": "half"}, "balance = 'half' is unknown"),
        ({"outputs": ()}, "names no emotion"),
        ({"modalities": {"audio": 3}}, "read no modality"),
        ({"encoder": "bert"}, "no vocabulary"),
    ],
)
def test_settings_that_mean_nothing_are_named(made, changes, says):
    with pytest.raises(UserError, match=says):
        apply(made, **changes)


def test_metrics_and_columns_go_by_name():
    model = CommentClassifiers(**SMALL)
    p = np.array([[0.9, 0.2], [0.1, 0.7]], np.float32)
    found = model.metrics({"probability": p, "truth": np.array([[1, 0], [0, 0]], np.float32)})
    assert found["accuracy/joy"] == 1 and found["accuracy/fear"] == 0.5
    assert model.columns()["probability"] == NAMES
