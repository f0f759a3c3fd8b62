"""One step: global division, accumulation, any mesh, the guard, the window, averages."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from affectjax import directions, sharding, state, update
from affectjax.models.tam import TAM
from tests.models.tam_batches import MODALITIES, random_batch

WIDTH, ROWS = 5, 16


class Toy(nn.Module):
    """Two tasks whose weights differ from row to row, as comments do."""

    rate: float = 0.0

    @nn.compact
    def __call__(self, batch, train):
        return self.loss(batch, train)[1]

    @nn.compact
    def loss(self, batch, train):
        hidden = nn.Dense(8, name="in")(batch["x"])
        hidden = nn.Dropout(self.rate, deterministic=not train)(jnp.tanh(hidden))
        out = nn.Dense(1, name="out")(hidden)[:, 0]
        error = (out - batch["y"]) ** 2
        count = batch["count"]
        return {"many": (error * count, count), "each": (jnp.abs(out), jnp.ones_like(out))}, {
            "out": out
        }


def batch_of(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=(ROWS, WIDTH)).astype(np.float32),
        "y": rng.normal(size=ROWS).astype(np.float32),
        "count": rng.integers(0, 9, ROWS).astype(np.float32),
        "weight": np.ones(ROWS, np.float32),
    }


def setting(mesh, *, micro=1, rate=0.0, ema=0.0, loss=None, log_every=3):
    model = Toy(rate)
    optimizer = optax.chain(directions.adam(0.9, 0.999, 1e-8), optax.scale(-0.05))
    batch = batch_of()

    def fresh(key):
        return model.init({"params": key, "dropout": key}, batch, train=True, method="loss")

    window = update.window(["many", "each"])
    args = dict(ema=bool(ema), window=window)
    like = state.abstract(fresh, optimizer, mesh, **args)
    step = update.make(
        model, optimizer, lambda step: 0.05, mesh, jax.tree.map(lambda a: a.sharding, like),
        loss=loss or {}, seed=0, micro_batches=micro, ema=ema, log_every=log_every,
    )  # fmt: skip
    return step, state.create(fresh, optimizer, jax.random.key(0), mesh, **args)


def place(batch, mesh):
    return sharding.to_global(batch, sharding.batch_sharding(mesh))


def one_device():
    return sharding.mesh_of(jax.devices()[:1])


def walk(mesh, steps=3, **kw):
    step, now = setting(mesh, **kw)
    reports = []
    for i in range(steps):
        now, report = step(now, place(batch_of(i), mesh))
        reports.append(jax.device_get(report))
    return jax.device_get(now), reports


def slow_loss(params, batch, weights) -> float:
    """The step's loss by a plain loop over rows, divided once."""
    sums = {"many": 0.0, "each": 0.0}
    counts = {"many": 0.0, "each": 0.0}
    for x, y, count in zip(batch["x"], batch["y"], batch["count"]):
        hidden = np.tanh(x @ params["in"]["kernel"] + params["in"]["bias"])
        out = (hidden @ params["out"]["kernel"] + params["out"]["bias"])[0]
        sums["many"] += (out - y) ** 2 * count
        counts["many"] += count
        sums["each"] += abs(out)
        counts["each"] += 1
    return sum(weights.get(k, 1.0) * sums[k] / counts[k] for k in sums)


def test_the_logged_loss_is_the_global_quotient():
    mesh = one_device()
    _, now = setting(mesh)
    params = jax.device_get(now["params"])
    _, (report, *_) = walk(mesh, 1)
    window = report["window"]
    loss = sum(window[k][0] / window[k][1] for k in ("many", "each"))
    assert loss == pytest.approx(slow_loss(params, batch_of(0), {}), rel=1e-5)


@pytest.mark.parametrize("micro", [2, 4])
def test_micro_batches_with_uneven_weights_equal_the_whole_batch(micro):
    whole, _ = walk(one_device())
    parts, _ = walk(one_device(), micro=micro)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), whole, parts)


@pytest.mark.parametrize("axes", [(8, 1, 1), (2, 2, 2), (1, 4, 2)])
def test_any_mesh_gives_the_same_numbers_with_dropout_on(axes):
    one, _ = walk(one_device(), rate=0.3)
    many, _ = walk(sharding.make_mesh(*axes), rate=0.3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), one, many)


def test_task_weights_scale_their_task_alone():
    first, _ = walk(one_device(), 1, loss={"many": 0.0})
    step, now = setting(one_device(), loss={"many": 0.0})
    batch = batch_of(0)
    batch["y"] = batch["y"] + 100  # what the muted task would notice
    after, _ = step(now, place(batch, one_device()))
    jax.tree.map(np.testing.assert_array_equal, first["params"], jax.device_get(after["params"]))


def test_a_row_of_weight_zero_changes_nothing():
    mesh = one_device()
    step, now = setting(mesh)
    batch = batch_of(0)
    batch["weight"][3] = 0
    changed = {k: v.copy() for k, v in batch.items()}
    changed["x"][3], changed["y"][3], changed["count"][3] = 7, -7, 5
    a, report = step(now, place(batch, mesh))
    _, now = setting(mesh)
    b, _ = step(now, place(changed, mesh))
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(a), jax.device_get(b))
    assert report["empty"] == 1


@pytest.mark.parametrize("micro", [1, 4])
def test_a_step_that_is_not_finite_changes_nothing_and_nor_does_any_after_it(micro):
    mesh = one_device()
    step, now = setting(mesh, micro=micro)
    now, _ = step(now, place(batch_of(0), mesh))
    good = jax.device_get(now)
    bad = batch_of(1)
    bad["y"][5] = np.inf
    now, report = step(now, place(bad, mesh))
    assert not report["ok"]
    np.testing.assert_array_equal(np.flatnonzero(report["broken"]), [5])
    now, report = step(now, place(batch_of(2), mesh))
    assert not report["ok"]
    after = jax.device_get(now)
    jax.tree.map(np.testing.assert_array_equal, {**good, "ok": False}, {**after, "ok": False})
    assert not after["ok"] and after["step"] == 1


def test_the_window_holds_the_steps_since_the_last_line():
    _, reports = walk(one_device(), 5, log_every=3)
    weights = [r["window"]["each"][1] for r in reports]
    np.testing.assert_array_equal(weights, [ROWS, 2 * ROWS, 3 * ROWS, ROWS, 2 * ROWS])


def test_the_moving_average_follows_its_formula():
    mesh = one_device()
    step, now = setting(mesh, ema=0.9)
    average = jax.device_get(now["params"])
    for i in range(3):
        now, _ = step(now, place(batch_of(i), mesh))
        params = jax.device_get(now["params"])
        average = jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, average, params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        average,
        jax.device_get(now["ema"]),
    )


def test_the_weights_of_a_micro_batched_step_cost_no_second_forward_pass():
    mesh = one_device()
    sizes = {}
    for micro in (1, 2):
        step, now = setting(mesh, micro=micro)
        text = step.lower(now, place(batch_of(), mesh)).compile().as_text()
        sizes[micro] = text.count(" tanh(")
    assert sizes[2] <= sizes[1]


def test_micro_batches_of_tam_with_uneven_comments_equal_the_whole_batch():
    batch = random_batch(batch=8, seed=3)
    kept = np.arange(8)[:, None] % 6 + 1  # comments left in each row
    for key in ("token_comment", "masked_comment"):
        batch[key] = np.where(batch[key] <= kept, batch[key], 0)
    batch["comment_weight"] = (np.arange(6) < kept).astype(np.float32)
    assert len(set(batch["comment_weight"].sum(1))) > 2  # the rows weigh differently
    model = TAM(
        modalities=MODALITIES, vocabulary=40, segments=5, width=16, layers=1, ffn=16,
        decoder_layers=1, decoder_heads=2, max_words=4, dropout=0.0,
    )  # fmt: skip
    optimizer, mesh = optax.sgd(0.1), one_device()  # the update is the gradient itself

    def fresh(key):
        return model.init({"params": key, "dropout": key}, batch, train=True, method="loss")

    names = update.window(["word", "time"])
    like = state.abstract(fresh, optimizer, mesh, window=names)
    found = []
    for micro in (1, 4):
        step = update.make(
            model, optimizer, lambda step: 0.1, mesh, jax.tree.map(lambda a: a.sharding, like),
            loss={}, seed=0, micro_batches=micro,
        )  # fmt: skip
        now, _ = step(
            state.create(fresh, optimizer, jax.random.key(0), mesh, window=names),
            place(batch, mesh),
        )
        found.append(jax.device_get(now))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *found)
