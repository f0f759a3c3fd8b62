"""What localisers ask of class scores, against loops over one video and one segment at a time."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.layers import localising

B, T, C, K = 6, 7, 5, 3


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    there = rng.random((B, T)) < 0.7
    there[:, 2] = True
    there[5] = False  # a video of which nothing is there
    return {
        "features": rng.normal(size=(B, T, C)).astype(np.float32),
        "scores": rng.normal(size=(B, T, K)).astype(np.float32),
        "there": there,
        "label": np.array([0, 1, 0, -1, 0, 1], np.int32),
        "weight": np.array([1, 1, 1, 1, 1, 1], np.float32),
    }


@pytest.mark.parametrize("part", [2, 3, 8])
def test_the_largest_scores_of_each_class(case, part):
    found = jax.jit(localising.top_mean, static_argnums=2)(case["scores"], case["there"], part)
    for b in range(B):
        seen = [t for t in range(T) if case["there"][b, t]]
        count = math.ceil(len(seen) / part)
        for k in range(K):
            best = sorted((float(case["scores"][b, t, k]) for t in seen), reverse=True)[:count]
            want = sum(best) / count if count else 0.0
            assert float(found[b, k]) == pytest.approx(want, abs=1e-6)


def activity_loop(case, i):
    """(active, rest) features of a video, of its own class."""
    seen = [t for t in range(T) if case["there"][i, t]]
    own = [float(case["scores"][i, t, case["label"][i]]) for t in seen]
    e = [math.exp(x - max(own)) for x in own]
    active = [x / sum(e) for x in e]
    rows = case["features"][i][seen].astype(float)
    high = sum(w * row for w, row in zip(active, rows))
    low = sum((1 - w) * row for w, row in zip(active, rows)) / max(len(seen) - 1, 1)
    return high, low


def distance(a, b):
    return 1 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def test_co_activity_is_the_mean_over_the_pairs_of_a_class(case):
    arguments = [case[k] for k in ("features", "scores", "there", "label", "weight")]
    total, weight = jax.device_get(jax.jit(localising.co_activity)(*arguments))
    for i in range(B):
        alike = (case["label"] == case["label"][i]) & case["there"].any(1)
        others = [j for j in np.flatnonzero(alike) if j != i and alike[i] and case["label"][i] >= 0]
        assert float(weight[i]) == bool(others)
        each = []
        for j in others:
            (high, low), (theirs, rest) = activity_loop(case, i), activity_loop(case, j)
            near = distance(high, theirs)
            each.append(
                0.5 * max(0.0, near - distance(high, rest) + 0.5)
                + 0.5 * max(0.0, near - distance(low, theirs) + 0.5)
            )
        assert float(total[i]) == pytest.approx(sum(each) / len(each) if each else 0.0, abs=1e-5)
    assert [float(w) for w in weight] == [1, 0, 1, 0, 1, 0]  # 5 is of class 1 and shows nothing


def test_padding_is_nobody_s_partner_and_gradients_stay_finite(case):
    padded = case | {"weight": np.array([1, 1, 0, 1, 0, 1], np.float32)}

    def total(features):
        arguments = [padded[k] for k in ("scores", "there", "label", "weight")]
        return sum(x.sum() for x in localising.co_activity(features, *arguments))

    value, gradient = jax.jit(jax.value_and_grad(total))(jnp.zeros((B, T, C)))
    assert value == 0 and np.isfinite(gradient).all()


def contrast_loop(activity, there, a, b):
    """Mean inside less mean of a ring of a quarter of the length, one segment at least."""
    wide = max(1, round(0.25 * (b - a)))
    inside = [activity[t] for t in range(a, b) if there[t]]
    ring = [t for t in [*range(a - wide, a), *range(b, b + wide)] if 0 <= t < T and there[t]]
    around = [activity[t] for t in ring]
    if not inside:
        return -math.inf
    return sum(inside) / len(inside) - (sum(around) / len(around) if around else 0.0)


def test_the_best_interval_and_what_it_covers(case):
    activity = np.asarray(jax.nn.softmax(case["scores"]))[..., 0].astype(np.float64)
    total, weight = jax.jit(localising.outer_inner)(
        activity.astype(np.float32), case["there"], case["label"], case["weight"]
    )
    covering = jax.jit(localising.covering)(activity.astype(np.float32), case["there"])
    for i in range(B):
        every = {
            (a, b): contrast_loop(activity[i], case["there"][i], a, b)
            for a in range(T)
            for b in range(a + 1, T + 1)
        }
        counts = case["label"][i] >= 0 and case["there"][i].any()
        assert float(weight[i]) == counts
        assert float(total[i]) == pytest.approx(-max(every.values()) if counts else 0, abs=1e-6)
        for t in range(T):
            best = max(value for (a, b), value in every.items() if a <= t < b)
            want = best if case["there"][i, t] else 0.0
            assert float(covering[i, t]) == pytest.approx(want, abs=1e-6)


def test_a_plateau_is_the_interval_that_stands_out():
    activity = jnp.array([[0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1]])
    inner, _ = localising.every_interval(7)
    found = inner[int(jax.jit(localising.contrasts)(activity, jnp.ones((1, 7), bool)).argmax())]
    assert found.tolist() == [False, False, True, True, True, False, False]
