"""CTEN against its equations, and what erasing promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.models.cten import CTEN
from tests.models import cten_oracle as oracle

B, T, C = 6, 5, 8
OUTPUTS = ("a", "b", "c")
BOTH = {"audio": C, "image": C}


def batch_of(seed=0, modalities=BOTH, silent=(1,), short=True, b=B, t=T):
    """Random videos; those in `silent` have no sound, and some segments lack a modality."""
    rng = np.random.default_rng(seed)
    out = {"weight": np.ones(b, np.float32), "label": rng.integers(0, 3, b).astype(np.int32)}
    for m, width in modalities.items():
        out[f"features/{m}"] = rng.normal(size=(b, t, width)).astype(np.float16)
        there = rng.random((b, t)) < (0.8 if short else 1.0)
        there[:, 0] = True
        if m == "audio":
            there[list(silent)] = False
        out[f"present/{m}"] = there
    return out


def parameters(model, batch, seed=0):
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(
        lambda b: model.init(jax.random.key(0), b, train=True, method="loss"), batch
    )
    draw = lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32)  # noqa: E731
    neutral = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.full(leaf.shape, float("deviation" in str(path[-1]))),
        shapes.get("statistics", {}),
    )
    params = jax.tree.map(draw, shapes["params"])
    for p in params["attention"].values():  # most scores above zero, where the ReLU lets them pass
        p["mix"]["bias"] = p["mix"]["bias"] + 2.0
    return {"params": params} | ({"statistics": neutral} if neutral else {})


def run(model, variables, batch):
    return jax.jit(lambda v, b: model.apply(v, b, True, method="loss"))(variables, batch)


def streams(batch, row, modalities=BOTH):
    features = {
        m: np.where(batch[f"present/{m}"][row][:, None], batch[f"features/{m}"][row], 0).astype(
            float
        )
        for m in modalities
    }
    return features, {m: batch[f"present/{m}"][row] for m in modalities}


@pytest.mark.parametrize(
    "intra, inter, theta, pooling",
    [(1, 1, 0.7, "mean"), (1, 0, 0.3, "sum"), (0, 1, 0.5, "mean"), (0, 0, 0.7, "sum")],
)
def test_the_three_losses_are_the_printed_equations(intra, inter, theta, pooling):
    settings = {"intra": bool(intra), "inter": bool(inter), "threshold": theta}
    model = CTEN(BOTH, OUTPUTS, T, pooling=pooling, **settings)
    batch = batch_of()
    variables = parameters(model, batch)
    losses, predictions = run(model, variables, batch)
    p = jax.tree.map(np.asarray, variables["params"])
    for row in range(B):
        features, there = streams(batch, row)
        want, no_key, no_left = oracle.loss(
            p, features, there, batch["label"][row], theta, intra, inter, pooling
        )
        for name, value in want.items():
            np.testing.assert_allclose(losses[name][0][row], value, rtol=2e-4, atol=2e-4)
        assert bool(predictions["empty_key"][row]) == no_key
        assert bool(predictions["empty_left"][row]) == no_left
        found, _ = oracle.read(p, features, there, intra, inter)
        star = [oracle.normalised(found[m], there[m]) for m in found if there[m].any()]
        np.testing.assert_allclose(predictions["curve"][row], np.mean(star, 0), atol=1e-4)


@pytest.mark.parametrize("name", ["audio", "image"])
def test_one_modality_alone_is_the_same_equations(name):
    only = {name: C}
    model = CTEN(only, OUTPUTS, T, inter=False)
    batch = batch_of(modalities=only, silent=())
    variables = parameters(model, batch)
    losses, _ = run(model, variables, batch)
    p = jax.tree.map(np.asarray, variables["params"])
    for row in range(B):
        features, there = streams(batch, row, only)
        want, *_ = oracle.loss(p, features, there, batch["label"][row], 0.7, True, False)
        for look, value in want.items():
            np.testing.assert_allclose(losses[look][0][row], value, rtol=2e-4, atol=2e-4)


def test_erased_segments_receive_no_gradient_in_the_erased_looks():
    model = CTEN(BOTH, OUTPUTS, T, threshold=0.5, standardise=False)
    batch = batch_of(seed=3, short=False, silent=())
    batch = batch | {f"features/{m}": batch[f"features/{m}"].astype(np.float32) for m in BOTH}
    variables = parameters(model, batch)
    p = jax.tree.map(np.asarray, variables["params"])

    @jax.jit
    def gradient(features, look):
        def total(features):
            sums, predictions = model.apply(variables, batch | features, True, method="loss")
            return jnp.stack([sums["key"][0].sum(), sums["left"][0].sum()])[look], predictions

        return jax.grad(total, has_aux=True)(features)

    features = {f"features/{m}": jnp.asarray(batch[f"features/{m}"]) for m in BOTH}
    seen = 0
    for look in (0, 1):
        found, predictions = gradient(features, look)
        for row in range(B):
            own, there = streams(batch, row)
            key = np.array(oracle.erased(oracle.read(p, own, there)[0], there, 0.5)["image"])
            chosen = key if look == 0 else ~key
            if not chosen.any():
                assert predictions[("empty_key", "empty_left")[look]][row] == 1
                chosen[:] = True
            for m in BOTH:
                size = np.abs(found[f"features/{m}"][row]).max(-1)
                assert (size[~chosen] == 0).all()
                assert (size[chosen] > 0).any()
            seen += int((~chosen).sum())
    assert seen > B  # there was something to leave out


def test_at_threshold_0_every_segment_is_key_and_nothing_is_left():
    model = CTEN(BOTH, OUTPUTS, T, threshold=0.0)
    batch = batch_of()
    losses, predictions = run(model, parameters(model, batch), batch)
    assert (predictions["erased"] == 1).all()
    assert (predictions["empty_left"] == 1).all() and (predictions["empty_key"] == 0).all()
    for look in ("key", "left"):  # the left set fell back to the whole video
        np.testing.assert_allclose(losses[look][0], losses["whole"][0], rtol=1e-6)


@pytest.mark.parametrize("modalities", [BOTH, {"image": C}])
def test_at_threshold_1_only_a_shared_maximum_is_key(modalities):
    model = CTEN(modalities, OUTPUTS, T, inter=len(modalities) > 1, threshold=1.0)
    batch = batch_of(modalities=modalities, short=False, silent=(), b=24)
    variables = parameters(model, batch)
    _, predictions = run(model, variables, batch)
    p = jax.tree.map(np.asarray, variables["params"])
    shared = []
    for row in range(24):
        features, there = streams(batch, row, modalities)
        found, _ = oracle.read(p, features, there, True, len(modalities) > 1)
        tops = {int(np.argmax(a)) for a in found.values()}
        shared.append(len(tops) == 1 and all(np.ptp(a) > 0 for a in found.values()))
    np.testing.assert_allclose(predictions["erased"], np.where(shared, 1 / T, 0.0), atol=1e-6)
    np.testing.assert_array_equal(predictions["empty_key"], ~np.array(shared))
    assert any(shared) and (all(shared) or len(modalities) == 2)


def test_a_batch_mixes_videos_with_and_without_sound():
    """Silence changes nothing for the others, and what stands in its place reaches nothing."""
    model = CTEN(BOTH, OUTPUTS, T)
    batch = batch_of(silent=(1, 4))
    variables = parameters(model, batch)

    @jax.jit
    def step(batch):
        def total(v):
            sums, predictions = model.apply(v, batch, True, method="loss")
            return sum(s.sum() / w.sum() for s, w in sums.values()), (sums, predictions)

        return jax.value_and_grad(total, has_aux=True)(variables)

    (_, (losses, predictions)), gradient = step(batch)
    broken = {k: v.copy() for k, v in batch.items()}
    broken["features/audio"][[1, 4]] = np.nan
    (_, (again, _)), gradient_again = step(broken)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((losses, predictions, gradient_again)))
    jax.tree.map(np.testing.assert_array_equal, (losses, gradient), (again, gradient_again))
    full = batch | {"present/audio": np.ones_like(batch["present/audio"])}
    (_, (other, _)), _ = step(full)
    assert not np.allclose(*(np.asarray(x["whole"][0])[[1, 4]] for x in (other, losses)))


def test_a_row_without_anything_counts_for_nothing():
    model = CTEN(BOTH, OUTPUTS, T)
    batch = batch_of()
    for value in batch.values():
        value[2] = 0
    batch["label"][3] = -1
    losses, predictions = run(model, parameters(model, batch), batch)
    for total, weight in losses.values():
        assert total[2] == weight[2] == total[3] == weight[3] == 0
    assert predictions["empty_key"][2] == predictions["empty_left"][2] == 0


def erased_by(batch, **settings):
    model = CTEN(BOTH, OUTPUTS, T, intra=False, inter=False, **settings)
    variables = parameters(model, batch)
    share = jax.jit(lambda v, b: model.apply(v, b, True, method="loss")[1]["erased"])
    return np.asarray(share(variables, batch))


def test_more_erasings_only_add_segments():
    batch = batch_of(short=False, silent=(), b=16)
    once, twice, thrice = (
        erased_by(batch, erase="stream", threshold=0.6, iterations=n) for n in (1, 2, 3)
    )
    assert (twice >= once).all() and (thrice >= twice).all()
    assert twice.sum() > once.sum()


def test_modes_of_erasing_are_ordered():
    """What both streams call key, their mean does, and each of them does."""
    batch = batch_of(short=False, silent=(), b=16)
    joint, mean, stream = (
        erased_by(batch, erase=mode, threshold=0.5) for mode in ("joint", "mean", "stream")
    )
    assert (mean >= joint).all() and (stream >= joint).all() and stream.sum() > joint.sum()


def test_without_erasing_there_is_one_look():
    batch = batch_of()
    model = CTEN(BOTH, OUTPUTS, T, erase="none")
    losses, predictions = run(model, parameters(model, batch), batch)
    assert list(losses) == ["whole"] and "erased" not in predictions


def test_bfloat16_stays_near():
    batch = batch_of()
    found = []
    for dtype in ("float32", "bfloat16"):
        model = CTEN(BOTH, OUTPUTS, T, erase="none", dtype=dtype)
        found.append(run(model, parameters(model, batch), batch)[1]["probability"])
    np.testing.assert_allclose(*found, atol=0.1)


def test_flops_agree_with_the_compiler():
    wide = {"audio": 64, "image": 64}
    model = CTEN(wide, OUTPUTS, 10, standardise=False)
    batch = batch_of(modalities=wide, silent=(), short=False, t=10)
    variables = parameters(model, batch)
    lowered = jax.jit(lambda v, b: model.apply(v, b, False, method="loss")[0]).lower(
        variables, batch
    )
    counted = lowered.compile().cost_analysis()["flops"]
    assert 0.85 < model.flops(batch) / counted < 1.0  # the rest is sums and exponentials


@pytest.mark.parametrize(
    "change, words",
    [
        ({"modalities": {"image": 4}}, "no other"),
        ({"modalities": {"image": 4, "audio": 8}}, "wide"),
        ({"erase": "everything"}, "unknown"),
        ({"threshold": 1.2}, "outside"),
        ({"outputs": ("a",)}, "two"),
    ],
)
def test_settings_that_cannot_be(change, words):
    with pytest.raises(UserError, match=words):
        model = CTEN(**{"modalities": BOTH, "outputs": OUTPUTS, "segments": T} | change)
        model.init(jax.random.key(0), batch_of(), train=True, method="loss")
