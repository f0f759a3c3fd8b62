"""VAANet against its equations, its attentions one by one, and what must not matter."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.models.vaanet import VAANet
from tests.models.cten_oracle import affine, attention, dot, normalised, softmax

B, T, CELLS, N, SOUND = 5, 4, 3, 6, 5
BOTH = {"audio": SOUND, "motion": CELLS * N}
OUTPUTS = ("anger", "joy", "fear")
BASE = {"modalities": BOTH, "outputs": OUTPUTS, "positive": ("joy",), "segments": T, "cells": CELLS}


def batch_of(seed=0, silent=(1,)):
    rng = np.random.default_rng(seed)
    out = {"weight": np.ones(B, np.float32), "label": rng.integers(0, 3, B).astype(np.int32)}
    for m, width in BOTH.items():
        out[f"features/{m}"] = rng.normal(size=(B, T, width)).astype(np.float16)
        there = rng.random((B, T)) < 0.8
        there[:, 0] = True
        out[f"present/{m}"] = there
    out["present/audio"][list(silent)] = False
    return out


def parameters(model, batch, seed=0):
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(
        lambda b: model.init(jax.random.key(0), b, train=True, method="loss"), batch
    )
    draw = lambda leaf: jnp.asarray(0.7 * rng.normal(size=leaf.shape), jnp.float32)  # noqa: E731
    params = jax.tree.map(draw, shapes["params"])
    for p in params.get("attention", {}).values():
        p["mix"]["bias"] = p["mix"]["bias"] + 1.0
    neutral = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.full(leaf.shape, float("deviation" in str(path[-1]))),
        shapes.get("statistics", {}),
    )
    return {"params": params} | ({"statistics": neutral} if neutral else {})


def run(model, variables, batch):
    return jax.jit(lambda v, b: model.apply(v, b, True, method="loss"))(variables, batch)


def mixed(kernel, score):
    return [sum(score[i] * kernel[i][j] for i in range(len(score))) for j in range(len(score))]


def plain_map(p, x, scale):
    """Eqs. 2 to 7 for one super-frame x [m][n]; `scale` is what the softmax is multiplied by."""
    cells, channels = x.shape
    if "spatial" in p:  # Eq. 2
        score = [dot(p["spatial"]["score"]["kernel"][:, 0], x[j]) for j in range(cells)]
        weights = softmax(mixed(p["spatial"]["mix"]["kernel"], score))
        x = np.array([[w * scale(cells) * v for v in row] for w, row in zip(weights, x)])  # Eq. 3
    if "channel" in p:  # Eqs. 4 and 5
        turned = [[x[j][c] for j in range(cells)] for c in range(channels)]
        score = [dot(p["channel"]["score"]["kernel"][:, 0], row) for row in turned]
        weights = softmax(mixed(p["channel"]["mix"]["kernel"], score))
        x = np.array(
            [[w * scale(channels) * v for w, v in zip(weights, row)] for row in x]
        )  # Eq. 6
    return [sum(x[j][c] for j in range(cells)) / cells for c in range(channels)]  # Eq. 7


def plain_video(p, batch, row, model):
    """Eqs. 1 to 12 for one video -> (logits, normalised attention of each stream)."""
    scale = (lambda n: 1.0) if model.attention == "printed" else float
    parts, stars = [], []
    for m in sorted(model.modalities):
        there = batch[f"present/{m}"][row]
        x = np.where(there[:, None], batch[f"features/{m}"][row].astype(float), 0.0)
        if m == "motion":
            x = np.array([plain_map(p.get("map", {}), f.reshape(CELLS, N), scale) for f in x])
        on = model.temporal if m == "motion" else model.audio_temporal
        a = attention(p["attention"][m], x, there) if on else [float(t) for t in there]
        parts += [sum(a[t] * x[t][c] for t in range(T)) for c in range(x.shape[1])]
        if there.any():
            stars.append(normalised(a, there))
    return affine(p["head"], parts), np.mean(stars, 0)


VARIANTS = {
    "all": {},
    "printed": {"attention": "printed"},
    "spatial": {"channel": False, "temporal": False, "audio_temporal": False},
    "channel": {"spatial": False, "temporal": False},
    "temporal": {"spatial": False, "channel": False},
    "sound": {"modalities": {"audio": SOUND}},
    "sight": {"modalities": {"motion": CELLS * N}},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_loss_is_the_printed_equations(name):
    model = VAANet(**BASE | VARIANTS[name])
    batch = batch_of()
    variables = parameters(model, batch)
    losses, predictions = run(model, variables, batch)
    p = jax.tree.map(np.asarray, variables["params"])
    for row in range(B):
        if name == "sound" and not batch["present/audio"][row].any():
            continue
        logits, star = plain_video(p, batch, row, model)
        y = batch["label"][row]
        wrong = (OUTPUTS[int(np.argmax(logits))] == "joy") != (OUTPUTS[y] == "joy")
        want = -(1 + 0.5 * wrong) * math.log(softmax(list(logits))[y])
        np.testing.assert_allclose(losses["label"][0][row], want, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(predictions["curve"][row], star, atol=1e-4)


def test_mean_one_attention_keeps_the_stream_and_the_printed_one_shrinks_it():
    """At equal scores the mean-one weights change nothing; printed ones divide by m n."""
    batch = batch_of(silent=())
    size = {}
    for name in ("mean_one", "printed"):
        model = VAANet(**BASE | {"attention": name, "penalty": 0.0})
        variables = jax.tree.map(jnp.asarray, parameters(model, batch))
        for part in variables["params"]["map"].values():
            part["mix"]["kernel"] = jnp.zeros_like(part["mix"]["kernel"])
        variables["params"]["head"]["bias"] = jnp.zeros(3)
        variables["params"]["attention"] = jax.tree.map(
            jnp.zeros_like, variables["params"]["attention"]
        )
        for stream in variables["params"]["attention"].values():  # every segment weighs 1
            stream["mix"]["bias"] = jnp.ones(T)
        variables["params"]["head"]["kernel"] = jnp.zeros((SOUND + N, 3)).at[SOUND:, 0].set(1.0)
        logits = jnp.log(run(model, variables, batch)[1]["probability"])
        size[name] = np.asarray(logits[:, 0] - logits[:, 1])
    x = np.where(batch["present/motion"][..., None], batch["features/motion"], 0).astype(float)
    plain = x.reshape(B, T, CELLS, N).mean(2).sum((1, 2))
    np.testing.assert_allclose(size["mean_one"], plain, atol=1e-4)
    np.testing.assert_allclose(size["printed"], plain / (CELLS * N), atol=1e-4)


def test_a_batch_mixes_videos_with_and_without_sound():
    model = VAANet(**BASE)
    batch = batch_of(silent=(1, 3))
    variables = parameters(model, batch)
    step = jax.jit(
        jax.value_and_grad(lambda v, b: model.apply(v, b, True, method="loss")[0]["label"][0].sum())
    )
    found = step(variables, batch)
    broken = {k: v.copy() for k, v in batch.items()}
    broken["features/audio"][[1, 3]] = np.nan
    again = step(variables, broken)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(again))
    jax.tree.map(np.testing.assert_array_equal, found, again)
    _, predictions = run(model, variables, batch)
    assert np.isfinite(predictions["probability"]).all()


def test_bfloat16_stays_near():
    batch = batch_of()
    found = []
    for dtype in ("float32", "bfloat16"):
        model = VAANet(**BASE | {"dtype": dtype, "penalty": 0.0})
        variables = jax.tree.map(lambda x: 0.3 * x, parameters(model, batch))
        found.append(run(model, variables, batch)[1]["probability"])
    np.testing.assert_allclose(*found, atol=0.05)


def test_flops_agree_with_the_compiler():
    wide = {"audio": 64, "motion": 16 * 128}
    model = VAANet(wide, OUTPUTS, ("joy",), segments=10, cells=16, standardise=False)
    batch = {"weight": np.ones(2, np.float32), "label": np.zeros(2, np.int32)}
    for m, width in wide.items():
        batch[f"features/{m}"] = np.ones((2, 10, width), np.float32)
        batch[f"present/{m}"] = np.ones((2, 10), bool)
    variables = parameters(model, batch)
    lowered = jax.jit(lambda v, b: model.apply(v, b, False, method="loss")[0]).lower(
        variables, batch
    )
    counted = lowered.compile().cost_analysis()["flops"]
    assert 0.8 < model.flops(batch) / counted < 1.05


def test_metrics_count_polarity():
    model = VAANet(**BASE)
    arrays = {
        "probability": np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.9, 0.0, 0.1]]),
        "label": np.array([2, 2, -1]),
        "curve": np.zeros((3, T)),
    }
    found = model.metrics(arrays)
    assert found["accuracy"] == 0.0 and found["polarity"] == 0.5


@pytest.mark.parametrize(
    "change, words",
    [
        ({"modalities": {"a": 3, "b": 4}}, "one modality of sound"),
        ({"cells": 5}, "equal cells"),
        ({"positive": ("joyful",)}, "not among"),
        ({"attention": "none"}, "unknown"),
    ],
)
def test_settings_that_cannot_be(change, words):
    with pytest.raises(UserError, match=words):
        VAANet(**BASE | change).init(jax.random.key(0), batch_of(), train=True, method="loss")
