"""The localisers that `cten` is compared with: the parts of each, and that it finds an event."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from affectjax.errors import UserError
from affectjax.layers import localising
from affectjax.models.localiser import METHODS, Localiser

B, T, D = 48, 8, 6
OUTPUTS = ("a", "b", "c")


def videos(seed: int, b: int = B) -> tuple[dict, np.ndarray]:
    """An event of two or three segments shows its class among noise; and where it is [b, T]."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, b).astype(np.int32)
    x = 0.3 * rng.normal(size=(b, T, D))
    event = np.zeros((b, T), bool)
    for i, k in enumerate(label):
        start, length = rng.integers(0, T - 3), rng.integers(2, 4)
        event[i, start : start + length] = True
        x[i, start : start + length, k] += 2.0
    x[..., 3:] += ~event[..., None] * rng.normal(size=(b, 1, 3))  # a background of its own
    there = np.ones((b, T), bool)
    there[0, 0] = event[0, 0] = False
    batch = {"features/motion": x.astype(np.float16), "present/motion": there, "label": label,
             "weight": np.ones(b, np.float32)}  # fmt: skip
    return batch, event


def looks(model):
    """Jitted (variables, batch) -> (losses, predictions)."""
    return jax.jit(lambda v, b: model.apply(v, b, True, method="loss"))


def fresh(model, batch):
    return jax.jit(lambda b: model.init(jax.random.key(0), b, True, method="loss"))(batch)


@pytest.fixture(scope="module")
def trained():
    """{method: (losses and predictions of a batch, parameters of the net, losses on the way)}."""
    batch, _ = videos(0)

    def train(method):
        model = Localiser({"motion": D}, OUTPUTS, method, T, standardise=False)
        look, optimizer = looks(model), optax.adam(0.02)

        def total(v):
            sums, _ = model.apply(v, batch, True, method="loss")
            return sum(s.sum() / jnp.maximum(w.sum(), 1) for s, w in sums.values())

        def step(carry, _):
            v, moments = carry
            value, gradient = jax.value_and_grad(total)(v)
            update, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(v, update), moments), value

        steps = jax.jit(lambda v: jax.lax.scan(step, (v, optimizer.init(v)), None, 120))
        (variables, _), values = steps(fresh(model, batch))
        p = jax.tree.map(np.asarray, variables["params"]["net"])
        return lambda b: look(variables, b), p, np.asarray(values)

    return {method: train(method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_the_class_and_where_it_shows(trained, method):
    look, _, values = trained[method]
    assert np.isfinite(values).all() and values[-1] < values[0] - 0.3
    batch, event = videos(1)
    _, found = look(batch)
    accuracy = float(np.mean(np.argmax(found["probability"], 1) == batch["label"]))
    assert accuracy > 0.9
    curve = np.asarray(found["curve"])
    assert (curve >= 0).all() and (curve <= 1).all() and curve[0, 0] == 0
    inside, outside = curve[event].mean(), curve[~event].mean()
    assert inside > outside + 0.2


def test_each_classifier_learns_from_what_those_before_left(trained):
    """Loss by loss, with the segments of the label's class above the threshold taken away."""
    look, p, _ = trained["erasing"]
    batch, _ = videos(2)
    sums, found = jax.device_get(look(batch))
    assert sorted(sums) == ["left_1", "left_2", "whole"]
    for i in range(5):
        x = np.maximum(
            batch["features/motion"][i].astype(float) @ p["hidden"]["kernel"] + p["hidden"]["bias"],
            0,
        )
        left = list(np.flatnonzero(batch["present/motion"][i]))
        for step, name in enumerate(("whole", "left_1", "left_2")):
            head = p[f"head_{step}"]
            scores = {t: x[t] @ head["kernel"] + head["bias"] for t in left}
            if not left:
                assert sums[name][1][i] == 0
                continue
            logits = np.mean(list(scores.values()), 0)
            want = np.log(np.exp(logits).sum()) - logits[batch["label"][i]]
            assert float(sums[name][0][i]) == pytest.approx(want, abs=2e-4)
            own = {t: scores[t][batch["label"][i]] for t in left}
            low, high = min(own.values()), max(own.values())
            left = [t for t in left if high == low or (own[t] - low) / (high - low) < 0.7]
    assert (np.asarray(found["curve"]).max(1) > 0.99).all()  # what the first one picks, at least


def test_attention_is_a_softmax_over_segments(trained):
    look, p, _ = trained["attention"]
    batch, _ = videos(3)
    _, found = jax.device_get(look(batch))
    for i in range(4):
        seen = batch["present/motion"][i]
        x = batch["features/motion"][i][seen].astype(float)
        x = np.maximum(x @ p["hidden"]["kernel"] + p["hidden"]["bias"], 0)
        level = (x @ p["attention"]["kernel"] + p["attention"]["bias"])[:, 0]
        weights = np.exp(level - level.max()) / np.exp(level - level.max()).sum()
        logits = weights @ (x @ p["head_0"]["kernel"] + p["head_0"]["bias"])
        want = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        np.testing.assert_allclose(found["probability"][i], want, atol=2e-4)
        curve = (level - level.min()) / (level.max() - level.min())
        np.testing.assert_allclose(np.asarray(found["curve"][i])[seen], curve, atol=2e-4)


def test_the_two_losses_are_those_of_their_own_tests(trained):
    batch, _ = videos(4)
    for method, name in (("coactivity", "co_activity"), ("contrast", "contrast")):
        look, p, _ = trained[method]
        sums, _ = look(batch)
        x = np.where(batch["present/motion"][..., None], batch["features/motion"], 0)
        x = np.maximum(x.astype(np.float32) @ p["hidden"]["kernel"] + p["hidden"]["bias"], 0)
        scores = x @ p["head_0"]["kernel"] + p["head_0"]["bias"]
        there, rest = batch["present/motion"], (batch["label"], batch["weight"])
        if method == "coactivity":
            want = jax.jit(localising.co_activity)(x, scores, there, *rest)
        else:
            chances = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
            own = chances[np.arange(B), :, batch["label"]]
            want = jax.jit(localising.outer_inner)(own, there, *rest)
        np.testing.assert_allclose(sums[name], want, atol=1e-5)
        assert np.asarray(want[1]).sum() > 1


def test_an_absent_modality_and_an_empty_row(trained):
    """Sound that is missing is zero whatever stands there; padding weighs nothing."""
    both = {"audio": 4, "motion": D}
    batch, _ = videos(5, 6)
    there = np.ones((6, T), bool)
    there[[1, 2]] = False
    batch |= {"features/audio": np.ones((6, T, 4), np.float16), "present/audio": there}
    batch["weight"][3], batch["label"][3], batch["present/motion"][3] = 0, -1, False
    batch["present/audio"][3] = False
    broken = {k: v.copy() for k, v in batch.items()}
    broken["features/audio"][[1, 2]] = np.nan
    for method in METHODS:
        model = Localiser(both, OUTPUTS, method, T)
        look, variables = looks(model), fresh(model, batch)
        sums, found = look(variables, batch)
        again = look(variables, broken)
        jax.tree.map(np.testing.assert_array_equal, (sums, found), again)
        assert all(total[3] == weight[3] == 0 for total, weight in sums.values())


def test_flops_are_those_of_the_segments_that_are_there():
    model = Localiser({"motion": 3, "audio": 2}, OUTPUTS, method="erasing", iterations=2)
    there = np.array([[1, 1, 0], [1, 0, 0]], bool)
    batch = {"present/motion": there, "present/audio": np.zeros_like(there)}
    assert model.flops(batch) == 2 * 3 * 5 * (5 + 2 * len(OUTPUTS))


@pytest.mark.parametrize(
    "wrong", [{"method": "x"}, {"iterations": 0}, {"threshold": 2.0}, {"dtype": "int8"}]
)
def test_settings_out_of_range_are_refused(wrong):
    batch, _ = videos(0, 2)
    with pytest.raises(UserError, match=next(iter(wrong))):
        Localiser({"motion": D}, OUTPUTS, segments=T, **wrong).init(jax.random.key(0), batch)
