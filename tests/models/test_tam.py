"""TAM as a whole: golden values, what must not matter, what each option does, losses by hand."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.models.tam import TAM, padded, time_task, word_task
from tests.models.tam_batches import MODALITIES, random_batch

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "tam_pretrain.json"
WORDS = 40
SMALL = dict(
    modalities=MODALITIES,
    vocabulary=WORDS,
    segments=5,
    width=16,
    layers=2,
    ffn=24,
    decoder_layers=2,
    decoder_heads=2,
    max_words=4,
    dropout=0.0,
)
MODEL = TAM(**SMALL)


def shapes(model, batch):
    key = jax.random.key(0)
    return jax.eval_shape(
        lambda b: model.init({"params": key, "dropout": key}, b, train=True, method="loss"), batch
    )


def numpy_parameters(model, batch, seed=0):
    """Parameters from NumPy, which no release of the random bits or initialisers can change."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[0].key == "statistics":  # neutral: the features are drawn with deviation 1
            return jnp.full(leaf.shape, float("deviation" in str(path[-1])))
        scale = leaf.shape[0] ** -0.5 if len(leaf.shape) == 2 else 0.1
        one = float("norm" in jax.tree_util.keystr(path) and "scale" in str(path[-1]))
        return jnp.asarray(one + scale * rng.normal(size=leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes(model, batch))


BATCH = random_batch()
PARAMETERS = numpy_parameters(MODEL, BATCH)


def total(losses):
    return sum(s.sum() / w.sum() for s, w in losses.values())


@jax.jit
def step(p, batch):
    def loss(p):
        losses, predictions = MODEL.apply(p, batch, True, method="loss")
        return total(losses), (losses, predictions)

    return jax.value_and_grad(loss, has_aux=True)(p)


@jax.jit
def forward(p, batch):
    return MODEL.apply(p, batch, False, method="loss")


def apart(a, b) -> float:
    """The largest difference between two trees, less a hundred-thousandth of the value."""
    found = jax.tree.map(
        lambda x, y: np.max(np.abs(np.subtract(x, y, dtype=np.float64)) - 1e-5 * np.abs(y)), a, b
    )
    return max(jax.tree.leaves(found))


def test_golden_step():
    """Loss, gradient norms and the loss after one plain step, as first committed."""
    (loss, (losses, _)), gradient = step(PARAMETERS, BATCH)
    moved = jax.tree.map(lambda p, g: p - 0.1 * g, PARAMETERS["params"], gradient["params"])
    after = PARAMETERS | {"params": moved}
    found = {
        "loss": float(loss),
        "word": float(losses["word"][0].sum()),
        "time": float(losses["time"][0].sum()),
        "gradient": {
            part: float(jnp.sqrt(sum(jnp.square(x).sum() for x in jax.tree.leaves(g))))
            for part, g in gradient["params"].items()
        },
        "after": float(step(after, BATCH)[0][0]),
    }
    want = json.loads(GOLDEN.read_text())
    assert apart(found, want) <= 1e-4
    assert found["after"] < found["loss"]


def test_gradient_is_finite_with_empty_rows():
    """A row of weight 0, without features or comments, neither counts nor spoils the gradient."""
    batch = {k: v.copy() for k, v in BATCH.items()}
    for key in batch:
        batch[key][1] = 0
    (_, (losses, predictions)), gradient = step(PARAMETERS, batch)
    assert all(jnp.isfinite(x).all() for x in jax.tree.leaves(gradient))
    for value, weight in losses.values():
        assert value[1] == weight[1] == 0
    assert all(x[1] == 0 for x in predictions.values())


def permuted(batch, seed):
    """The same comments of every clip in another order, packed anew."""
    rng = np.random.default_rng(seed)
    out = {k: v.copy() for k, v in batch.items()}
    for b in range(len(batch["weight"])):
        there = np.flatnonzero(batch["comment_weight"][b])
        order, at, slot = rng.permutation(there), 0, 0
        for name in ("tokens", "token_comment", "token_position"):
            out[name][b] = 0
        for name in ("masked_at", "masked_word", "masked_comment"):
            out[name][b] = 0
        for new, c in enumerate(order):
            where = np.flatnonzero(batch["token_comment"][b] == c + 1)
            span = slice(at, at + len(where))
            for name in ("tokens", "token_position"):
                out[name][b, span] = batch[name][b, where]
            out["token_comment"][b, span] = new + 1
            for old in np.flatnonzero(batch["masked_comment"][b] == c + 1):
                out["masked_at"][b, slot] = batch["masked_at"][b, old] - where[0] + at
                out["masked_word"][b, slot] = batch["masked_word"][b, old]
                out["masked_comment"][b, slot] = new + 1
                slot += 1
            out["comment_at"][b, new] = at
            out["comment_segment"][b, new] = batch["comment_segment"][b, c]
            at += len(where)
    return out


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_comments_changes_nothing(seed):
    other = permuted(BATCH, seed)
    assert (other["tokens"] != BATCH["tokens"]).any()
    assert apart(forward(PARAMETERS, other), forward(PARAMETERS, BATCH)) <= 1e-5


def test_padding_and_missing_content_changes_nothing():
    """What stands in absent segments, padding tokens, empty slots and empty comments is unread."""
    batch = {k: v.copy() for k, v in BATCH.items()}
    batch["present/audio"][0] = False  # a whole modality missing
    spoilt = {k: v.copy() for k, v in batch.items()}
    for m in MODALITIES:
        spoilt[f"features/{m}"][~batch[f"present/{m}"]] = np.nan
    rest = batch["token_comment"] == 0
    spoilt["tokens"][rest], spoilt["token_position"][rest] = 7, 2
    rest = batch["masked_comment"] == 0
    spoilt["masked_at"][rest], spoilt["masked_word"][rest] = 5, 9
    rest = batch["comment_weight"] == 0
    spoilt["comment_at"][rest], spoilt["comment_segment"][rest] = 3, 1
    assert apart(forward(PARAMETERS, spoilt), forward(PARAMETERS, batch)) <= 0
    (_, _), gradient = step(PARAMETERS, spoilt)
    assert all(jnp.isfinite(x).all() for x in jax.tree.leaves(gradient))


def test_rows_do_not_see_each_other():
    """Turning the batch around turns the results around."""
    turned = {k: v[::-1] for k, v in BATCH.items()}
    here = forward(PARAMETERS, BATCH)
    assert apart(jax.tree.map(lambda x: x[::-1], forward(PARAMETERS, turned)), here) <= 1e-5


OPTIONS = {
    "heads": 2,
    "ffn": 32,
    "decoder_heads": 1,
    "decoder_layers": 3,
    "layers": 1,
    "dropout": 0.5,
    "fusion": "inner",
    "norm": "post",
    "share": "modality",
    "tied": True,
    "time_scaled": False,
    "segments": 7,
    "max_words": 6,
    "vocabulary": 200,
    "dtype": "bfloat16",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_read(name):
    """Each option changes the parameters or, with equal parameters, the numbers."""
    model = TAM(**(SMALL | {name: OPTIONS[name]}))
    if shapes(model, BATCH) != shapes(MODEL, BATCH):
        return

    rngs = {"dropout": jax.random.key(0)}
    here = jax.jit(lambda p: model.apply(p, BATCH, True, rngs=rngs, method="loss")[0])(PARAMETERS)
    there = forward(PARAMETERS, BATCH)[0]
    assert any(
        np.abs(a - b).max() > 1e-4 for a, b in zip(jax.tree.leaves(here), jax.tree.leaves(there))
    )


def test_dropout_rests_outside_training():
    model = TAM(**(SMALL | {"dropout": 0.5}))
    run = jax.jit(lambda b: model.apply(PARAMETERS, b, False, method="loss"))
    assert apart(run(BATCH), forward(PARAMETERS, BATCH)) <= 1e-5


def test_call_predicts_and_represent_gives_f():
    got = jax.jit(lambda b: MODEL.apply(PARAMETERS, b))(BATCH)
    assert apart(got, forward(PARAMETERS, BATCH)[1]) <= 1e-5
    f, mask = jax.jit(lambda b: MODEL.apply(PARAMETERS, b, method="represent"))(BATCH)
    assert f.shape == (3, 6, 16) and mask.shape == (3, 6)
    seen = np.any([BATCH[f"present/{m}"] for m in MODALITIES], axis=0)
    np.testing.assert_array_equal(mask[:, 1:], seen)
    assert not np.asarray(f)[~np.asarray(mask)].any()


@pytest.mark.parametrize(
    "change, says",
    [
        (dict(norm="between"), "pre, post"),
        (dict(heads=3), "divisor"),
        (dict(segments=4), "segments"),
    ],
)
def test_errors_say_what_to_do(change, says):
    with pytest.raises(UserError, match=says):
        shapes(TAM(**(SMALL | change)), BATCH)


def test_path_names_and_padding_of_the_vocabulary():
    tree = shapes(MODEL, BATCH)["params"]
    assert tree["fusion"]["layer_00"]["query"]["image"]["kernel"].shape == (16, 16)
    assert tree["decoder"]["word"].shape == (128, 16)
    assert [padded(n) for n in (1, 128, 129)] == [128, 128, 256]


def test_word_loss_by_hand():
    """Mean within a comment, then over comments; ranks as argmax breaks ties."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 9)).astype(np.float32)
    logits[0, 3] = 0.0  # a flat distribution: word 8 ranks last, not first
    batch = {
        "masked_comment": np.array([[1, 1, 2, 3], [2, 0, 0, 0]]),
        "masked_word": np.array([[4, 5, 6, 8], [7, 1, 1, 1]]),
        "comment_at": np.zeros((2, 3), int),
        "weight": np.array([1.0, 0.5], np.float32),
    }
    (value, weight), hits = word_task(jnp.asarray(logits), batch)
    surprise = -np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    s = [[surprise[b, i, batch["masked_word"][b, i]] for i in range(4)] for b in range(2)]
    want = [(s[0][0] + s[0][1]) / 2 + s[0][2] + s[0][3], 0.5 * s[1][0]]
    np.testing.assert_allclose(value, want, rtol=1e-5)
    np.testing.assert_allclose(weight, [3, 0.5])
    for k in (1, 5):
        best = np.argsort(-logits, axis=-1, kind="stable")[..., :k]
        found = (best == batch["masked_word"][..., None]).any(-1) & (batch["masked_comment"] > 0)
        np.testing.assert_array_equal(hits[f"word_top{k}"], found.sum(1))
    np.testing.assert_array_equal(hits["word_count"], [4, 1])


def test_time_loss_by_hand():
    """Softmax over the seen segments; a comment where nothing was seen leaves the task."""
    scores = np.array([[[1.0, 2.0, 9.0], [0.5, 0.0, 9.0], [3.0, 1.0, 9.0]]], np.float32)
    seen = np.array([[True, True, False]])
    batch = {
        "comment_segment": np.array([[0, 0, 2]]),
        "comment_weight": np.ones((1, 3), np.float32),
        "weight": np.ones(1, np.float32),
    }
    (value, weight), hits = time_task(jnp.asarray(scores), seen, batch)
    np.testing.assert_allclose(value, [np.log1p(np.e) + np.log1p(np.exp(-0.5))], rtol=1e-5)
    assert weight == 2 and hits["time_count"] == 2
    assert hits["time_top1"] == 1 and hits["time_distance"] == 1


def test_metrics_are_ratios_of_sums():
    arrays = {
        "word_top1": np.array([1.0, 0.0]),
        "word_top5": np.array([2.0, 1.0]),
        "word_count": np.array([3.0, 1.0]),
        "time_top1": np.array([0.0, 0.0]),
        "time_distance": np.array([0.0, 0.0]),
        "time_count": np.array([0.0, 0.0]),
    }
    got = TAM.metrics(arrays)
    assert (got["word_top1"], got["word_top5"]) == (0.25, 0.75)
    assert (got["words"], got["comments"]) == (4, 0) and np.isnan(got["time_top1"])


def test_flops_formula_against_the_compiler():
    """On a wholly real batch the formula stays within 4 % of what XLA counts.

    XLA also counts norms, GELU and softmax, the padded vocabulary and the two neighbour blocks
    that comment attention looks at in vain; all are small beside the products at this width.
    """
    sizes = dict(width=512, ffn=2048, vocabulary=1024, max_words=7, form="unrolled")
    model = TAM(**(SMALL | sizes))
    batch = random_batch(
        batch=4, tokens=48, comments=6, masked=18, words=1024, max_words=7, real=True
    )
    assert (batch["token_comment"] > 0).all() and (batch["masked_comment"] > 0).all()
    run = jax.jit(lambda p, b: model.apply(p, b, False, method="loss")[0])
    counted = run.lower(shapes(model, batch), batch).compile().cost_analysis()["flops"]
    assert model.flops(batch) == pytest.approx(counted, rel=0.04)
    # padding is free: half of the batch emptied halves the work
    for key in batch:
        batch[key][2:] = 0
    assert model.flops(batch) == pytest.approx(counted / 2, rel=0.04)


def test_features_are_standardised_by_the_statistics():
    """Features in other units, with statistics in the same units, give the same predictions."""
    plain = forward(PARAMETERS, BATCH)[0]
    batch, p = dict(BATCH), {**PARAMETERS, "statistics": dict(PARAMETERS["statistics"])}
    for m, width in MODALITIES.items():
        mean, deviation = jnp.arange(width) - 1.0, 2.0 ** jnp.arange(width)
        batch[f"features/{m}"] = BATCH[f"features/{m}"] * deviation + mean
        p["statistics"][f"standardise_{m}"] = {"mean": mean, "deviation": deviation}
    assert apart(forward(p, batch)[0], plain) <= 1e-3


def test_a_feature_that_never_varies_is_left_out():
    p = {**PARAMETERS, "statistics": jax.tree.map(jnp.zeros_like, PARAMETERS["statistics"])}
    other = {k: v + 9 if k.startswith("features") else v for k, v in BATCH.items()}
    assert apart(forward(p, BATCH)[0], forward(p, other)[0]) <= 1e-5
