"""The model of distributions: its loss and windows by hand, what each option does, its config."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import assemble, export, train
from affectjax.errors import UserError
from affectjax.models.danmaku import LEAST, Danmaku, adapted, counted
from configs import danmaku
from tests.models.test_video_configs import losses_of

NAMES = ("calm", "joy", "fear")
SIZES = {"sight": 6, "sound": 4}


def model(**changes):
    given = {
        "modalities": SIZES, "outputs": NAMES, "project": {"sight": 5}, "segments": 6, "windows": 3,
        "hidden": 4, "experts": 2,
    }  # fmt: skip
    return Danmaku(**(given | changes))


def batch(rows=3):
    rng = np.random.default_rng(0)
    found = {"weight": np.ones(rows, np.float32), "window": np.tile(np.arange(3), (rows, 1))}
    for m, width in SIZES.items():
        found[f"features/{m}"] = rng.normal(size=(rows, 6, width)).astype(np.float16)
        found[f"present/{m}"] = np.ones((rows, 6), bool)
    found["distribution"] = rng.dirichlet(np.ones(3), (rows, 3)).astype(np.float32)
    found["distribution"][0, 1] = np.nan
    found["distribution"][1, 0] = [0, 1, 0]
    found["present/sight"][1, 3:] = False
    found["present/sound"][1, 5:] = False  # the last second of the second row has nothing
    return found


@pytest.fixture(scope="module")
def ran():
    m, b = model(), batch()
    variables = m.init(jax.random.key(0), b, False, method="loss")
    run = jax.jit(lambda v, b: m.apply(v, b, False, method="loss"))
    return m, variables, b, run, run(variables, b)


def test_every_second_is_compared_with_its_window_s_truth(ran):
    m, variables, b, _, (sums, found) = ran
    log, there = m.apply(variables, b, False, method="_seconds")
    log, there, total = np.asarray(log, np.float64), np.asarray(there), np.zeros(3)
    for r, t in np.ndindex(3, 6):
        truth = b["distribution"][r, t // 2].astype(np.float64)
        if there[r, t] and np.isfinite(truth).all():
            total[r] += sum(p * (np.log(p) - log[r, t, k]) for k, p in enumerate(truth) if p > 0)
    np.testing.assert_allclose(sums["divergence"][0], total, rtol=1e-5)
    np.testing.assert_array_equal(sums["divergence"][1], [4, 5, 6])
    for r, w in np.ndindex(3, 3):
        seen = [np.exp(log[r, t]) for t in (2 * w, 2 * w + 1) if there[r, t]]
        np.testing.assert_allclose(found["distribution"][r, w], np.mean(seen, 0), rtol=1e-5)
    np.testing.assert_array_equal(found["there"][1], [2, 2, 1])
    np.testing.assert_allclose(np.asarray(found["distribution"]).sum(-1), 1, rtol=1e-6)


def test_what_is_absent_or_unknown_reaches_nothing(ran):
    m, variables, b, run, (sums, _) = ran
    other = {k: np.array(v) for k, v in b.items()}
    other["features/sight"][1, 3:] = np.nan
    other["features/sound"][1, 5:] = 7

    def total(v, b):
        return m.apply(v, b, False, method="loss")[0]["divergence"][0].sum()

    before, after = (jax.jit(jax.grad(total))(variables, one) for one in (b, other))
    np.testing.assert_array_equal(run(variables, other)[0]["divergence"][0], sums["divergence"][0])
    for x, y in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(x, y)
        assert np.isfinite(x).all()


def test_a_later_second_changes_no_earlier_one_unless_both_ways(ran):
    _, variables, b, run, (_, found) = ran
    other = dict(b, **{"features/sound": b["features/sound"].copy()})
    other["features/sound"][:, 4:] += 1
    changed = np.abs(run(variables, other)[1]["distribution"] - found["distribution"]).max((0, 2))
    assert changed[:2].max() == 0 and changed[2] > 1e-5
    m = model(bidirectional=True)
    v = m.init(jax.random.key(0), b, False, method="loss")
    first, second = (m.apply(v, one, False)["distribution"][:, 0] for one in (b, other))
    assert np.abs(first - second).max() > 1e-6


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("clamp", np.exp([1, 0, 0.5]) / np.exp([1, 0, 0.5]).sum()),
        ("softmax", np.exp([3, -1, 0.5]) / np.exp([3, -1, 0.5]).sum()),
        ("renormalise", np.array([1, 0, 0.5]) / 1.5),
    ],
)
def test_from_answers_to_a_distribution(how, expected):
    found = np.exp(adapted(jnp.array([3.0, -1.0, 0.5]), how))
    np.testing.assert_allclose(found, expected, atol=2 * LEAST)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    nothing = np.exp(adapted(jnp.array([-1.0, -2.0, -3.0]), how))
    if how != "softmax":
        np.testing.assert_allclose(nothing, 1 / 3, rtol=1e-5)


def test_the_clamp_confines_six_classes():
    best = np.exp(adapted(jnp.array([9.0, -9, -9, -9, -9, -9]), "clamp"))
    least = np.exp(adapted(jnp.array([-9.0, 9, 9, 9, 9, 9]), "clamp"))
    assert best[0] == pytest.approx(0.352, abs=1e-3) and least[0] == pytest.approx(0.069, abs=1e-3)


def test_windows_become_rows_and_scores_are_of_windows_then_videos():
    window = np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]])
    truth = np.full((3, 3, 2), np.nan)
    truth[0, 0], truth[0, 1], truth[1, 0] = [1, 0], [0.5, 0.5], [0, 1]
    guess = np.full((3, 3, 2), 0.5)
    arrays = {
        "window": window, "truth": truth, "distribution": guess,
        "mean": np.tile([0.25, 0.75], (3, 3, 1)), "there": np.full((3, 3), 2),
    }  # fmt: skip
    rows, names = Danmaku.combine(arrays, ["a", "b", "c"])
    assert names == ["a", "a", "a", "b", "c"]
    np.testing.assert_array_equal(rows["window"], [0, 1, 2, 3, -1])
    np.testing.assert_array_equal(counted(rows), [True, True, False, True, False])
    found = model().metrics_of_groups(rows, names)
    assert found["chebyshev"] == pytest.approx(((0.5 + 0) / 2 + 0.5) / 2)
    assert found["mean/chebyshev"] == pytest.approx(((0.75 + 0.25) / 2 + 0.25) / 2)
    assert model().metrics(rows) == {"windows": 3.0}
    rows["there"][0] = 0  # nothing to predict it from
    assert model().metrics_of_groups(rows, names)["chebyshev"] == pytest.approx((0 + 0.5) / 2)


@pytest.mark.parametrize(
    "changes",
    [{"adapt": "sigmoid"}, {"outputs": ("joy",)}, {"modalities": {}}, {"experts": 0}],
)
def test_settings_that_cannot_be(changes):
    with pytest.raises(UserError):
        model(**changes).init(jax.random.key(0), batch(), False, method="loss")


def test_flops_follow_what_is_there(ran):
    m, _, b, _, _ = ran
    fewer = dict(b, **{"present/sound": np.zeros((3, 6), bool)})
    assert 0 < m.flops(fewer) < m.flops(b)
    assert m.flops({k: np.concatenate([v, v]) for k, v in b.items()}) == 2 * m.flops(b)


@pytest.mark.parametrize("name", ["", *danmaku.VARIANTS, "small,audio", "small,visual,softmax"])
def test_variants(name):
    assert losses_of(danmaku.get_config(name)) == ["divergence"]


def test_the_variants_of_one_modality_read_what_they_say():
    read = {name: set(danmaku.get_config(name).model.modalities) for name in
            ("audio", "visual", "small,audio", "small,visual")}  # fmt: skip
    assert read == {
        "audio": {"vggish"}, "visual": {"efficientnet"}, "small,audio": {"audio"},
        "small,visual": {"image", "motion"},
    }  # fmt: skip


@pytest.mark.slow
def test_small_trains_on_the_sample_to_below_the_mean():
    config = danmaku.get_config("small")
    config.train.steps, config.train.evaluate_every, config.train.tensorboard = 60, 30, False
    found = train.run(config, pathlib.Path("run"))["metrics"]
    assert found["kl"] < found["mean/kl"] - 0.05
    assert found["windows"] > 300
    loaded = export.load("run/export")
    record = assemble.data(loaded.config).parts["test"][0]
    share = loaded.predict(record)["distribution"]
    assert share.shape[-1] == 6
    np.testing.assert_allclose(np.asarray(share).sum(-1), 1, rtol=1e-5)
