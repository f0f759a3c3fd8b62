"""TAM for recognition: losses by hand, units of values, names shared with pre-training, windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.layers.readout import KINDS
from affectjax.models.tam import TAM
from affectjax.models.tam_emotion import TAMEmotion, label_task
from affectjax.sharding import named_leaves
from tests.models.tam_batches import random_batch

MODALITIES = {"audio": 3, "image": 5, "motion": 4}
SMALL = dict(
    modalities=MODALITIES, outputs=("calm", "loud"), segments=4, width=16, layers=1, ffn=16,
    dropout=0.0,
)  # fmt: skip
CLASSES = TAMEmotion(**SMALL)
VALUES = TAMEmotion(**(SMALL | dict(task="values", outputs=("valence", "arousal"))))


def make_batch(size=3, values=False, seed=0):
    rng = np.random.default_rng(seed)
    out = {"weight": np.ones(size, np.float32)}
    for m, width in MODALITIES.items():
        out[f"features/{m}"] = rng.normal(size=(size, 4, width)).astype(np.float16)
        out[f"present/{m}"] = np.ones((size, 4), bool)
    out["present/audio"][1] = False
    if values:
        return out | {"values": rng.normal(3, 2, size=(size, 2)).astype(np.float32)}
    return out | {"label": np.arange(size, dtype=np.int32) % 2}


def shapes(model, batch):
    key = jax.random.key(0)
    return jax.eval_shape(
        lambda b: model.init({"params": key, "dropout": key}, b, train=True, method="loss"), batch
    )


def parameters(model, batch, seed=0):
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[0].key == "statistics":
            return jnp.full(leaf.shape, float("deviation" in str(path[-1])))
        one = float("norm" in jax.tree_util.keystr(path) and "scale" in str(path[-1]))
        scale = leaf.shape[0] ** -0.5 if len(leaf.shape) == 2 else 0.1
        return jnp.asarray(one + scale * rng.normal(size=leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes(model, batch))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_loss_by_hand(smoothing):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3)).astype(np.float32)
    label = np.array([2, 0, -1, 1], np.int32)
    weight = np.array([1, 1, 1, 0], np.float32)
    sums, found = label_task(jnp.asarray(logits), label, weight, smoothing)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    spread = np.full((4, 3), smoothing / 3)
    spread[np.arange(4), label] += 1 - smoothing
    want = -(spread * np.log(p)).sum(1) * [1, 1, 0, 0]
    np.testing.assert_allclose(sums["target"][0], want, rtol=1e-5)
    np.testing.assert_allclose(sums["target"][1], [1, 1, 0, 0])
    np.testing.assert_allclose(found["probability"], p, rtol=1e-5)


def test_values_are_learned_in_units_of_training_and_told_in_their_own():
    batch = make_batch(values=True)
    batch["values"][0, 1] = np.nan
    p = parameters(VALUES, batch)
    mean, deviation = np.array([3.0, -1.0]), np.array([2.0, 0.5])
    target = {"mean": jnp.asarray(mean), "deviation": jnp.asarray(deviation)}
    p["statistics"]["standardise_target"] = target

    @jax.jit
    def run(p, batch):
        f = VALUES.apply(p, batch, method="represent")
        return f, VALUES.apply(p, batch, False, method="loss")

    f, (sums, found) = run(p, batch)
    head = p["params"]["head"]
    unit = np.asarray(f) @ np.asarray(head["kernel"]) + np.asarray(head["bias"])
    np.testing.assert_allclose(found["prediction"], unit * deviation + mean, atol=1e-4)
    error = np.square(unit - (batch["values"] - mean) / deviation)
    np.testing.assert_allclose(sums["target"][0], np.nansum(error, axis=1), rtol=1e-4)
    np.testing.assert_allclose(sums["target"][1], [1, 2, 2])
    np.testing.assert_array_equal(found["truth"], batch["values"])


def test_a_step_stays_finite_whatever_is_missing():
    """NaN in absent rows, an unknown label and an empty clip spoil neither loss nor gradient."""
    batch = make_batch()
    p = parameters(CLASSES, batch)

    @jax.jit
    def step(params, batch):
        def loss(params):
            sums, found = CLASSES.apply(p | {"params": params}, batch, False, method="loss")
            return sums["target"][0].sum(), found["probability"]

        return jax.value_and_grad(loss, has_aux=True)(params)

    (loss, before), _ = step(p["params"], batch)
    spoilt = {k: v.copy() for k, v in batch.items()}
    spoilt["features/audio"][1] = np.nan
    (same, after), gradient = step(p["params"], spoilt)
    assert loss == same and (before == after).all()
    for m in MODALITIES:
        spoilt[f"present/{m}"][2] = False
    spoilt["label"][0] = -1
    (_, _), gradient = step(p["params"], spoilt)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_parameters_are_named_as_in_pre_training():
    """Without its decoder, pre-training holds all that recognition needs but the head."""
    before = TAM(**{k: v for k, v in SMALL.items() if k != "outputs"}, vocabulary=9,
                 decoder_layers=1, decoder_heads=1)  # fmt: skip
    theirs = named_leaves(shapes(before, random_batch(segments=4, modalities=MODALITIES, words=9)))
    ours = named_leaves(shapes(CLASSES, make_batch()))
    fusion = {k: v.shape for k, v in theirs.items() if "/decoder/" not in k}
    assert fusion == {k: v.shape for k, v in ours.items() if "/head/" not in k}


def test_windows_of_a_clip_become_their_mean():
    arrays = {
        "probability": np.array([[1, 0], [0.5, 0.5], [0, 1]], np.float32),
        "label": np.array([1, 1, 0], np.int32),
    }
    got, ids = CLASSES.combine(arrays, ["b", "b", "a"])
    assert ids == ["b", "a"] and got["label"].tolist() == [1, 0]
    np.testing.assert_array_equal(got["probability"], [[0.75, 0.25], [0, 1]])
    assert got["label"].dtype == np.int32


def test_metrics_and_columns_go_by_name():
    found = CLASSES.metrics({"probability": np.eye(2), "label": np.array([0, 0])})
    assert found["accuracy"] == 0.5 and found["accuracy/calm"] == 0.5
    truth = np.array([[1.0, 2.0], [2.0, 1.0], [np.nan, 0.0]])
    found = VALUES.metrics({"prediction": np.array([[1.0, 0], [3, 1], [9, 2]]), "truth": truth})
    assert found["mse/valence"] == 0.5 and found["pcc/arousal"] == pytest.approx(-1)
    assert CLASSES.columns() == {"probability": ("calm", "loud")}
    assert VALUES.columns()["truth"] == ("valence", "arousal")


@pytest.mark.parametrize("fusion", KINDS)
def test_flops_count_what_is_there(fusion):
    """Half of the clips emptied halve the work; `test_readout` holds the formulas to XLA's."""
    model = TAMEmotion(**(SMALL | dict(fusion=fusion, outputs=tuple("abcdef"))))
    batch = make_batch(4)
    for m in MODALITIES:
        batch[f"present/{m}"][:] = True
    whole = model.flops(batch)
    for m in MODALITIES:
        batch[f"present/{m}"][2:] = False
    assert whole / 2 <= model.flops(batch) < whole


@pytest.mark.parametrize(
    "change, says",
    [
        (dict(fusion="sum"), "mult"),
        (dict(task="ranks"), "classes, values"),
        (dict(heads=3), "divisor"),
        (dict(outputs=("one",)), "model.outputs"),
        (dict(segments=3), "segments"),
    ],
)
def test_errors_say_what_to_do(change, says):
    with pytest.raises(UserError, match=says):
        shapes(TAMEmotion(**(SMALL | change)), make_batch())
