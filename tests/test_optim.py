"""The optimiser does what its formulas say, and leaves alone what is frozen."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import optim, sharding
from affectjax.errors import UserError

SHAPES = {"body": {"kernel": (3, 2), "bias": (2,)}, "head": {"kernel": (2, 4)}}


def tree(seed: int):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda shape: jnp.asarray(rng.normal(size=shape), jnp.float32),
        SHAPES,
        is_leaf=lambda x: isinstance(x, tuple),
    )


def run(steps: int = 4, *, gradients=lambda step: tree(100 + step), **settings):
    """Parameters after some steps, and the optimiser's last state."""
    settings = {"warmup": 0, "schedule": "constant"} | settings
    params = tree(0)
    optimizer, _ = optim.build(params, 100, 10, **settings)
    opt = optimizer.init(params)
    for step in range(steps):
        updates, opt = optimizer.update(gradients(step), opt, params)
        params = jax.tree.map(jnp.add, params, updates)
    return params, opt


def adam(steps=4, *, rate=1e-3, wd=0.005, decoupled=False, b1=0.9, b2=0.999, eps=1e-8, clip=0.0,
         scale=lambda path: 1.0):  # fmt: skip
    """Adam by its formulas, value by value, in double precision."""
    flat = {k: np.asarray(v, np.float64) for k, v in sharding.named_leaves(tree(0)).items()}
    m = {k: np.zeros_like(v) for k, v in flat.items()}
    v = {k: np.zeros_like(x) for k, x in flat.items()}
    for t in range(1, steps + 1):
        g = sharding.named_leaves(tree(99 + t))
        norm = np.sqrt(sum(np.sum(np.asarray(g[k], np.float64) ** 2) for k in flat if scale(k)))
        for k in flat:
            one = np.asarray(g[k], np.float64) * (min(1.0, clip / norm) if clip else 1.0)
            one = one if decoupled else one + wd * flat[k]
            m[k] = b1 * m[k] + (1 - b1) * one
            v[k] = b2 * v[k] + (1 - b2) * one**2
            step = m[k] / (1 - b1**t) / (np.sqrt(v[k] / (1 - b2**t)) + eps)
            step = step + wd * flat[k] if decoupled else step
            flat[k] = flat[k] - rate * scale(k) * step
    return flat


@pytest.mark.parametrize("settings", [
    {},
    {"weight_decay": 0.0},
    {"weight_decay": 0.3, "decoupled": True},
    {"clip": 0.5, "b1": 0.8, "b2": 0.95, "eps": 1e-4},
    {"rules": (("head", 0.0), ("kernel", 0.1)), "clip": 0.5},
])  # fmt: skip
def test_adam_by_its_formulas(settings):
    found = sharding.named_leaves(run(**settings)[0])
    plain = dict(settings)
    plain["wd"] = plain.pop("weight_decay", 0.005)
    if plain.pop("rules", None):
        plain["scale"] = lambda p: 0.0 if "head" in p else 0.1 if "kernel" in p else 1.0
    for path, expected in adam(**plain).items():
        np.testing.assert_allclose(found[path], expected, rtol=2e-5, atol=1e-6, err_msg=path)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd"}, {"rules": (("head", 0.0),)}])
def test_what_is_not_ok_leaves_the_state_as_it_was(settings):
    optimizer, _ = optim.build(tree(0), 100, 10, **settings)
    once = jax.jit(optimizer.update)
    _, opt = once(tree(1), optimizer.init(tree(0)), tree(0), ok=True)
    broken = jax.tree.map(lambda x: x.at[0].set(jnp.nan), tree(2))
    _, same = once(broken, opt, tree(0), ok=False)
    jax.tree.map(np.testing.assert_array_equal, same, opt)
    _, other = once(tree(2), opt, tree(0), ok=True)
    assert any(np.any(a != b) for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(opt)))


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd"}, {"clip": 1.0, "decoupled": True}])
def test_a_step_copies_neither_parameters_nor_moments(settings):
    """XLA copies what one result is written over while another is still to be made from it."""
    params = {"kernel": jnp.ones((64, 96))}
    optimizer, _ = optim.build(params, 100, 10, **settings)

    def step(params, opt, gradient):
        ok = jnp.isfinite(gradient["kernel"]).all()
        updates, opt = optimizer.update(gradient, opt, params, ok=ok)
        return jax.tree.map(lambda p, u: jnp.where(ok, p + u, p), params, updates), opt

    program = jax.jit(step, donate_argnums=(0, 1)).lower(params, optimizer.init(params), params)
    assert not re.findall(r"f32\[64,96\]\S* copy\(", program.compile().as_text())


def test_momentum_by_its_formulas():
    found = sharding.named_leaves(run(optimizer="sgd", momentum=0.8, weight_decay=0.1)[0])
    for path, start in sharding.named_leaves(tree(0)).items():
        x, speed = np.asarray(start, np.float64), 0.0
        for step in range(4):
            g = np.asarray(sharding.named_leaves(tree(100 + step))[path], np.float64) + 0.1 * x
            speed = 0.8 * speed + g
            x = x - 1e-3 * speed
        np.testing.assert_allclose(found[path], x, rtol=1e-5, err_msg=path)


def test_what_is_frozen_stays_bit_for_bit_and_has_no_moments():
    broken = lambda step: jax.tree.map(lambda x: x * jnp.nan, tree(1))  # noqa: E731
    params, opt = run(rules=(("^head/", 0.0),), weight_decay=0.5, gradients=broken)
    np.testing.assert_array_equal(params["head"]["kernel"], tree(0)["head"]["kernel"])
    assert np.isnan(params["body"]["bias"]).all()
    moments = sharding.named_leaves(opt)
    assert any("mu/body/kernel" in path for path in moments)
    assert not any("head" in path for path in moments)


def test_first_match_wins():
    params = tree(0)
    scales = optim.multipliers(params, (("bias", 0.5), ("^body", 2.0)))
    assert scales == {"body": {"kernel": 2.0, "bias": 0.5}, "head": {"kernel": 1.0}}


@pytest.mark.parametrize("rules", [
    (("hed", 0.0),),
    (("body", 1.0), ("body/bias", 0.0)),  # never reached
    (("(", 1.0),),
    (("head", -1.0),),
])  # fmt: skip
def test_a_rule_without_effect_is_the_users_error(rules):
    with pytest.raises(UserError, match="optim.rules"):
        optim.build(tree(0), 100, 10, rules=rules)


@pytest.mark.parametrize(
    "settings", [{"schedule": "linear"}, {"optimizer": "lion"}, {"decay_every": 0}]
)
def test_unknown_choices_are_the_users_error(settings):
    with pytest.raises(UserError):
        optim.build(tree(0), 100, 10, **settings)


def test_the_papers_schedule():
    _, rate = optim.build(tree(0), 2000, 10, warmup=4)
    assert [float(rate(s)) for s in range(5)] == pytest.approx(
        [2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3], rel=1e-6
    )
    for epoch, expected in [(49, 1e-3), (50, 1e-4), (99, 1e-4), (100, 1e-5), (150, 1e-6)]:
        assert float(rate(epoch * 10)) == pytest.approx(expected, rel=1e-5)
        assert float(rate(epoch * 10 + 9)) == pytest.approx(expected, rel=1e-5)


def test_cosine_and_constant():
    _, rate = optim.build(tree(0), 110, 10, schedule="cosine", warmup=10)
    assert float(rate(9)) == pytest.approx(1e-3)
    assert float(rate(60)) == pytest.approx(5e-4)
    assert float(rate(110)) == pytest.approx(0, abs=1e-9)
    _, rate = optim.build(tree(0), 110, 10, schedule="constant", warmup=0)
    assert {float(rate(s)) for s in (0, 50, 10**6)} == {float(np.float32(1e-3))}


def test_the_updates_follow_the_schedule():
    """The optimiser's own count and the schedule that the log prints are one."""
    params = tree(0)
    optimizer, rate = optim.build(params, 40, 2, decay_every=1, warmup=2, weight_decay=0.0,
                                  optimizer="sgd", momentum=0.0)  # fmt: skip
    opt = optimizer.init(params)
    ones = jax.tree.map(jnp.ones_like, params)
    for step in range(6):
        updates, opt = optimizer.update(ones, opt, params)
        np.testing.assert_allclose(updates["body"]["bias"], -rate(step), rtol=1e-6)
