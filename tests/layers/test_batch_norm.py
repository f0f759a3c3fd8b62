"""Batch norm: stored and live moments against plain formulas, and against torch where it is."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.layers.batch_norm import Variables, batch_norm, batch_norm_tree, statistics_tree


def drawn(width=5, shape=(3, 4, 6, 5)):
    rng = np.random.default_rng(0)
    p = {"scale": rng.normal(size=width), "bias": rng.normal(size=width)}
    stored = {"mean": rng.normal(size=width), "var": rng.uniform(0.5, 2, size=width)}
    x = 2 * rng.normal(size=shape) + 1
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (p, stored, x))


def test_stored_moments_are_used_and_kept():
    p, stored, x = drawn()
    y, kept = batch_norm(p, stored, x)
    expected = (x - stored["mean"]) / np.sqrt(stored["var"] + 1e-5) * p["scale"] + p["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    assert kept is stored


def test_live_moments_are_the_batch_s_and_enter_the_stored_ones():
    p, stored, x = drawn()
    y, new = batch_norm(p, stored, x, live=True)
    rows = np.asarray(x, np.float64).reshape(-1, 5)
    unit = (x - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)
    np.testing.assert_allclose(y, unit * p["scale"] + p["bias"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(new["mean"], 0.9 * stored["mean"] + 0.1 * rows.mean(0), rtol=1e-5)
    unbiased = rows.var(0, ddof=1)
    np.testing.assert_allclose(new["var"], 0.9 * stored["var"] + 0.1 * unbiased, rtol=1e-5)


@pytest.mark.parametrize("live", [False, True])
def test_torch_agrees_in_values_gradients_and_running_moments(live):
    torch = pytest.importorskip("torch", reason="the twin needs torch")
    p, stored, x = drawn()
    twin = torch.nn.BatchNorm2d(5).train(live)
    with torch.no_grad():
        for theirs, ours in (
            (twin.weight, p["scale"]),
            (twin.bias, p["bias"]),
            (twin.running_mean, stored["mean"]),
            (twin.running_var, stored["var"]),
        ):
            theirs.copy_(torch.tensor(np.array(ours)))
    theirs = torch.tensor(np.array(x)).permute(0, 3, 1, 2).requires_grad_()
    out = twin(theirs)
    weights = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    (out * torch.tensor(weights).permute(0, 3, 1, 2)).sum().backward()

    y, new = batch_norm(p, stored, x, live)
    dp, dx = jax.grad(lambda p, x: (batch_norm(p, stored, x, live)[0] * weights).sum(), (0, 1))(
        p, x
    )
    pairs = [
        (y, out.detach().permute(0, 2, 3, 1)),
        (dx, theirs.grad.permute(0, 2, 3, 1)),
        (dp["scale"], twin.weight.grad),
        (dp["bias"], twin.bias.grad),
        (new["mean"], twin.running_mean),
        (new["var"], twin.running_var),
    ]
    for ours, other in pairs:
        np.testing.assert_allclose(ours, other.numpy(), rtol=1e-4, atol=1e-4)


def test_a_batch_of_one_row_keeps_finite_moments():
    p, stored, _ = drawn()
    y, new = batch_norm(p, stored, jnp.ones((1, 5)), live=True)
    assert np.isfinite(y).all() and np.isfinite(new["var"]).all()


def test_half_precision_normalises_in_float32():
    p, stored, x = drawn()
    y, new = batch_norm(p, stored, x.astype(jnp.bfloat16), live=True)
    assert y.dtype == jnp.bfloat16 and new["mean"].dtype == jnp.float32


class Net(nn.Module):
    @nn.compact
    def __call__(self, x, live):
        params = {"a": {"norm": batch_norm_tree(5)}, "b": {"norm": batch_norm_tree(5)}}
        stats = {name: {"norm": statistics_tree(5)} for name in params}
        declared = Variables(params, stats, name="visual")
        v = declared()
        new = {}
        for name in params:
            parts = (v[kind][name]["norm"] for kind in ("params", "batch_stats"))
            x, moments = batch_norm(*parts, x, live)
            new[name] = {"norm": moments}
        declared(new)
        return x


def test_variables_lie_under_their_own_path_and_change_only_where_they_may():
    x = drawn()[2]
    v = Net().init(jax.random.key(0), x, False)
    assert set(v["params"]["visual"]["a"]["norm"]) == {"scale", "bias"}
    assert set(v["batch_stats"]["visual"]["a"]["norm"]) == {"mean", "var"}
    live, changed = Net().apply(v, x, True, mutable=["batch_stats"])
    before, after = (t["batch_stats"]["visual"]["a"]["norm"]["mean"] for t in (v, changed))
    np.testing.assert_allclose(after, 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    assert not np.asarray(before).any()
    np.testing.assert_array_equal(Net().apply(v, x, True), live)
    kept = Net().apply(v, x, False, mutable=["batch_stats"])[1]
    jax.tree.map(np.testing.assert_array_equal, kept["batch_stats"], v["batch_stats"])
