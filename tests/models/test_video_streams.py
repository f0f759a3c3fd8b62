"""Both models from frames and MFCC in a small form: what trains, what moves, what is missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import clock
from affectjax.errors import UserError
from affectjax.models.cten import CTEN
from affectjax.models.vaanet import VAANet

B, T, F, SIZE = 2, 2, 2, 16
OUTPUTS = ("anger", "joy", "fear")
NET = {"block": "basic", "blocks": (1,), "width": 4}
SIGHT = NET | {"stem": (3, 5, 5), "shortcut": "A", "normalisation": "kinetics-0-1"}
SOUND = NET | {"channels": 1, "stem": (7, 1), "stem_stride": (2, 1), "normalisation": "none"}
SHARED = {"modalities": {}, "outputs": OUTPUTS, "segments": T, "sight": SIGHT, "sound": SOUND}
MODELS = {
    "vaanet": lambda **s: VAANet(**SHARED | {"positive": ("joy",)} | s),
    "cten": lambda **s: CTEN(**SHARED | {"sound_size": 16} | s),
}


def batch_of(seed=0):
    """The second video has no sound, and no frames in its last segment."""
    rng = np.random.default_rng(seed)
    there = np.ones((B, T), bool)
    there[1, -1] = False
    return {
        "weight": np.ones(B, np.float32),
        "label": np.array([0, 1], np.int32),
        "frames": rng.integers(0, 256, (B, T, F, SIZE, SIZE, 3)).astype(np.uint8),
        "present/frames": there,
        "mfcc": rng.normal(size=(B, T, 8, 8)).astype(np.float32),
        "present/mfcc": np.array([[True] * T, [False] * T]),
    }


def drawn(model, batch, seed=1):
    """Variables from NumPy: compiling every initialiser takes longer than the test."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(
        lambda b: model.init(jax.random.key(0), b, train=True, method="loss"), batch
    )

    def draw(path, leaf):
        last, scale = str(path[-1]), 0.5 * np.prod(leaf.shape[:-1]) ** -0.5
        start = 1.0 if any(k in last for k in ("var", "scale", "bias")) else 0.0
        return jnp.asarray(start + scale * rng.normal(size=leaf.shape) * ("var" not in last),
                           jnp.float32)  # fmt: skip

    return jax.tree_util.tree_map_with_path(draw, shapes)


def step(model, variables, batch):
    """(loss, gradient, statistics after the step)."""

    def total(params):
        (sums, _), changed = model.apply(
            variables | {"params": params}, batch, True, method="loss", mutable=["batch_stats"]
        )
        return sum(s.sum() for s, _ in sums.values()), changed["batch_stats"]

    (loss, stats), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(variables["params"])
    return loss, gradient, stats


def moved(before, after):
    return {
        part: any(
            not np.array_equal(a, b)
            for a, b in zip(jax.tree.leaves(before[part]), jax.tree.leaves(after[part]))
        )
        for part in before
    }


def size(tree):
    return sum(float(jnp.abs(x).sum()) for x in jax.tree.leaves(tree))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_what_is_frozen_gets_no_gradient_and_live_norms_move(name):
    batch = batch_of()
    for norms, frozen in (("stored", ()), ("live", ("sight",))):
        model = MODELS[name](norms=norms, frozen=frozen)
        variables = drawn(model, batch)
        loss, gradient, stats = step(model, variables, batch)
        assert np.isfinite(loss) and size(gradient["sound"]) > 0
        assert (size(gradient["sight"]) > 0) == (not frozen)
        changed = moved(variables["batch_stats"], stats)
        sound_is_live = name == "vaanet" or norms == "live"
        assert changed == {"sight": norms == "live", "sound": sound_is_live}


@pytest.mark.parametrize("name", MODELS)
def test_missing_sound_and_frames_reach_nothing_with_stored_norms(name):
    model = MODELS[name]()
    batch = batch_of()
    variables = jax.jit(lambda b: model.init(jax.random.key(0), b, train=True, method="loss"))(
        batch
    )
    read = jax.jit(lambda v, b: model.apply(v, b, False, method="loss"))
    found = read(variables, batch)
    broken = {k: v.copy() for k, v in batch.items()}
    broken["mfcc"][1], broken["frames"][1, -1] = 7.0, 255
    jax.tree.map(np.testing.assert_array_equal, found, read(variables, broken))
    np.testing.assert_allclose(found[1]["probability"].sum(1), 1, rtol=1e-5)


def test_settings_that_cannot_be():
    batch = batch_of()
    for change, words in (
        ({"cells": 9}, "16 cells, not 9"),
        ({"norms": "mine"}, "unknown"),
        ({"frozen": ("smell",)}, "no network"),
    ):
        with pytest.raises(UserError, match=words):
            jax.eval_shape(
                lambda b, c=change: MODELS["vaanet"](**c).init(
                    jax.random.key(0), b, train=True, method="loss"
                ),
                batch,
            )


@pytest.mark.parametrize("name", MODELS)
def test_flops_count_the_networks_and_a_frozen_one_has_no_backward_pass(name):
    batch = batch_of()
    whole = batch | {key: np.ones((B, T), bool) for key in batch if key.startswith("present/")}
    model = MODELS[name](frozen=("sound",))
    variables = jax.eval_shape(lambda b: model.init(jax.random.key(0), b, False), whole)
    lowered = jax.jit(lambda v, b: model.apply(v, b, False)).lower(variables, whole)
    assert model.flops(whole) == pytest.approx(lowered.cost_analysis()["flops"], rel=0.1)
    assert model.flops(batch) < 0.8 * model.flops(whole)
    frozen = model.network_flops(whole)["sound"]
    assert 0 < frozen < 0.5 * model.flops(whole)
    assert clock.work(model, whole) == 3 * model.flops(whole) - 2 * frozen
