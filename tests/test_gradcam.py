"""Grad-CAM against its formula with a gradient by differences, and against a known culprit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import gradcam
from affectjax.errors import UserError
from affectjax.models.cten import CTEN
from affectjax.models.vaanet import VAANet

B, T, M, N = 2, 3, 4, 5
OUTPUTS = ("a", "b", "c")


def test_heat_is_the_printed_sum():
    rng = np.random.default_rng(0)
    maps, gradient = rng.normal(size=(2, B, T, M, N))
    found = np.asarray(gradcam.heat(maps, gradient))
    for b in range(B):
        for t in range(T):
            for cell in range(M):
                total = 0.0
                for c in range(N):
                    weight = sum(gradient[b, t, k, c] for k in range(M)) / M
                    total += weight * maps[b, t, cell, c]
                assert found[b, t, cell] == pytest.approx(max(total, 0.0), abs=1e-5)


def reader(**settings):
    """A model that reads maps as features, with random parameters."""
    model = VAANet(
        {"motion": M * N}, OUTPUTS, segments=T, cells=M, penalty=0.0, standardise=False, **settings
    )
    rng = np.random.default_rng(1)
    batch = {
        "features/motion": rng.normal(size=(B, T, M * N)).astype(np.float32),
        "present/motion": np.array([[1, 1, 1], [1, 0, 1]], bool),
        "label": np.zeros(B, np.int32),
        "weight": np.ones(B, np.float32),
    }
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), batch, True, method="loss"))
    draw = lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32)  # noqa: E731
    return model, jax.tree.map(draw, shapes), batch


def test_maps_as_features_by_differences():
    model, variables, batch = reader()
    label = jnp.array([1, 2])
    found = np.asarray(jax.jit(lambda b: gradcam.grad_cam(model, variables, b, label))(batch))
    look = jax.jit(
        lambda x: jnp.log(model.apply(variables, batch | {"features/motion": x})["probability"])
    )
    x, step = batch["features/motion"], 1e-2
    gradient = np.zeros_like(x)
    for b in range(B):
        for t in range(T):
            for i in range(M * N):
                more, less = x.copy(), x.copy()
                more[b, t, i] += step
                less[b, t, i] -= step
                rise = (look(more) - look(less))[b, label[b]]
                gradient[b, t, i] = rise / (2 * step)
    shape = (B, T, M, N)
    want = np.asarray(gradcam.heat(x.reshape(shape), gradient.reshape(shape)))
    np.testing.assert_allclose(found, want, atol=2e-3)
    assert found.max() > 0.01 and (found[1, 1] == 0).all()  # a segment that is not there


@pytest.mark.slow
def test_the_network_of_sight_shows_where_the_culprit_is():
    """The maps of the network itself, differentiated by hand through the rest of the model."""
    sight = {"width": 4, "blocks": (1, 1), "block": "basic", "normalisation": "kinetics-0-1"}
    model = VAANet({}, OUTPUTS, segments=2, cells=4, penalty=0.0, sight=sight, temporal=False)
    rng = np.random.default_rng(2)
    batch = {
        "frames": rng.integers(0, 255, (1, 2, 2, 16, 16, 3)).astype(np.uint8),
        "present/frames": np.ones((1, 2), bool),
        "label": np.zeros(1, np.int32), "weight": np.ones(1, np.float32),
    }  # fmt: skip
    init = jax.jit(lambda b: model.init(jax.random.key(0), b, False, method="loss"))
    variables = init(batch)
    look = jax.jit(lambda label: gradcam.grad_cam(model, variables, batch, label))
    found = [look(jnp.array([k])) for k in range(3)]
    bound = model.bind(variables)
    maps, _ = bound.sight_network(batch, False)
    as_features = VAANet(
        {"motion": maps.shape[2] * maps.shape[3]}, OUTPUTS, segments=2, cells=4, penalty=0.0,
        standardise=False, temporal=False,
    )  # fmt: skip
    params = {k: v for k, v in variables["params"].items() if k != "sight"}
    given = {
        "features/motion": np.asarray(maps).reshape(1, 2, -1),
        "present/motion": batch["present/frames"],
        "label": batch["label"], "weight": batch["weight"],
    }  # fmt: skip
    look = jax.jit(lambda label: gradcam.grad_cam(as_features, {"params": params}, given, label))
    for k in range(3):
        assert found[k].shape == (1, 2, 4)
        np.testing.assert_allclose(found[k], look(jnp.array([k])), rtol=1e-3, atol=1e-6)
    assert max(map(np.max, found)) > 0


@pytest.mark.slow
def test_looks_at_what_erasing_left_say_nothing_of_the_whole():
    """With re-sampling the network sees a video three times; the map is that of the first."""
    sight = {"width": 4, "blocks": (1,), "block": "basic", "normalisation": "kinetics-0-1"}
    settings = {"segments": 2, "sight": sight, "inter": False, "erase": "joint"}
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 255, (3, 1, 2, 2, 16, 16, 3)).astype(np.uint8)
    batch = {
        "frames": frames[0], "frames/key": frames[1], "frames/left": frames[2],
        "frames_start": np.full((1, 3, 2), 0.5, np.float32),
        "present/frames": np.ones((1, 2), bool),
        "label": np.zeros(1, np.int32), "weight": np.ones(1, np.float32),
    }  # fmt: skip
    once, thrice = CTEN({}, OUTPUTS, **settings), CTEN({}, OUTPUTS, resample=2, **settings)
    variables = jax.jit(lambda b: once.init(jax.random.key(0), b, False, method="loss"))(batch)
    label = jnp.array([1])
    wanted, found = (
        np.asarray(jax.jit(lambda b, m=m: gradcam.grad_cam(m, variables, b, label))(batch))
        for m in (once, thrice)
    )
    assert wanted.max() > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-7)


def test_a_model_without_maps_is_told_so():
    model, variables, batch = reader()
    flat = VAANet({"motion": M * N}, OUTPUTS, segments=T, cells=1, penalty=0.0)
    with pytest.raises(UserError, match="no map"):
        gradcam.grad_cam(flat, variables, batch, jnp.zeros(B, int))
