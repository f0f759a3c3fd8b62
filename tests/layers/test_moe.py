"""The mixture of experts: a plain loop's numbers, and experts that live each on its own device."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import sharding
from affectjax.layers.moe import Mixture, context_gating, gating_tree, moe, moe_flops, moe_tree
from affectjax.layers.parameters import initialise

SETTINGS = Mixture(inputs=12, outputs=3, experts=8, bias=0.5)


def drawn(s, rows=6):
    rng = np.random.default_rng(0)
    p = initialise(moe_tree(s), jax.random.key(0))
    p = jax.tree.map(lambda a: a + 0.3 * rng.normal(size=a.shape).astype(np.float32), p)
    return p, rng.normal(size=(2, rows // 2, s.inputs)).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


@pytest.mark.parametrize("gates", ["row", "output"])
@pytest.mark.parametrize("expert", ["linear", "sigmoid"])
def test_it_equals_a_loop_over_rows_outputs_and_experts(gates, expert):
    s = Mixture(inputs=5, outputs=3, experts=4, expert=expert, gates=gates)
    p, x = drawn(s)
    y = moe(p, x, s)
    p = jax.tree.map(np.asarray, p)
    for place in np.ndindex(x.shape[:2]):
        scores = x[place] @ p["gate"]["kernel"] + p["gate"]["bias"]
        for k in range(s.outputs):
            weights = softmax(scores if gates == "row" else scores.reshape(s.experts, -1)[:, k])
            total = 0.0
            for e in range(s.experts):
                answer = x[place] @ p["experts"]["kernel"][e, :, k] + p["experts"]["bias"][e, k]
                total += weights[e] * (1 / (1 + np.exp(-answer)) if expert == "sigmoid" else answer)
            assert y[*place, k] == pytest.approx(total, abs=1e-5)


def test_experts_start_at_their_bias_and_apart():
    p = initialise(moe_tree(SETTINGS), jax.random.key(0))
    assert (p["experts"]["bias"] == 0.5).all()
    kernel = np.asarray(p["experts"]["kernel"])
    assert kernel.std() == pytest.approx(SETTINGS.inputs**-0.5, rel=0.15)  # of each, not of all
    assert np.abs(kernel[0] - kernel[1]).max() > 0.1


def test_experts_over_four_devices_equal_one_and_no_device_holds_them_all():
    p, x = drawn(SETTINGS)

    def value(p, x):
        y = moe(p, x, SETTINGS)
        return jnp.square(y).sum(), y

    run = jax.value_and_grad(value, argnums=(0, 1), has_aux=True)
    one = jax.jit(run)(p, x)
    mesh = sharding.mesh_of(jax.devices()[:4], data=1, tensor=4)
    places = sharding.shardings({"mixture": p}, mesh)["mixture"]
    held = jax.device_put(p, places)
    program = jax.jit(run, in_shardings=(places, None)).lower(held, x).compile()
    four = program(held, jax.device_put(x, sharding.replicated(mesh)))
    for a, b in zip(jax.tree.leaves(four), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert {s.data.shape for s in held["experts"]["kernel"].addressable_shards} == {(2, 12, 3)}
    text = program.as_text()
    entry = text[text.index("ENTRY") :]
    assert "f32[2,12,3]" in entry
    assert "f32[8,12,3]" not in text and "f32[12,8,3]" not in text and "f32[12,24]" not in text
    gathered = re.findall(r"= (f32\[[\d,]*\])[^=]* all-gather", text)
    whole = SETTINGS.experts * SETTINGS.inputs * SETTINGS.outputs
    assert all(np.prod([int(n) for n in re.findall(r"\d+", g)[1:]]) < whole for g in gathered)
    # the gradients stay where the experts are
    assert four[1][0]["experts"]["kernel"].sharding.shard_shape((8, 12, 3)) == (2, 12, 3)


def test_context_gating_weighs_each_feature():
    p = initialise(gating_tree(4), jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    gate = 1 / (1 + np.exp(-(x @ np.asarray(p["kernel"]))))
    np.testing.assert_allclose(context_gating(p, x), x * gate, rtol=1e-5, atol=1e-6)


def test_flops_are_those_of_the_products():
    s = Mixture(inputs=256, outputs=6, experts=8, gates="output")
    p, _ = drawn(s)
    x = jnp.ones((64, 256))
    counted = jax.jit(lambda p, x: moe(p, x, s)).lower(p, x).compile().cost_analysis()["flops"]
    assert moe_flops(s, 64) == pytest.approx(counted, rel=0.05)
