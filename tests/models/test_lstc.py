"""LSTC against plain loops over clips; masks, holes, frozen parts, late averaging, both tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.data.clips import ClipExamples
from affectjax.data.films import FilmExamples
from affectjax.errors import UserError
from affectjax.layers import recurrent
from affectjax.models.lstc import LSTC

MODALITIES = {"audio": 3, "scene": 4}
SIZES = dict(hidden=3, layers=1, width=5, inter_hidden=2, inter_layers=1, segments=4)
B, N, T = 2, 3, 4


def model(**more) -> LSTC:
    given = {"modalities": MODALITIES, "outputs": ("valence",), "clips": N, **SIZES, **more}
    return LSTC(**given)


def films(clips: int = N, seed: int = 0, outputs=("valence",)) -> dict[str, np.ndarray]:
    """A batch of full runs of clips."""
    rng = np.random.default_rng(seed)
    rule = FilmExamples(MODALITIES, outputs, T, clips, values=outputs)
    batch = {k: rng.random((B, *shape)).astype(dtype) for k, (shape, dtype) in rule.spec().items()}
    batch |= {k: np.ones_like(v) for k, v in batch.items() if k.startswith(("present", "new"))}
    number = np.broadcast_to(np.arange(clips, dtype=np.int32), (B, clips))
    return batch | {"clip": number, "weight": np.ones(B, np.float32), "length": number * 0 + T}


def start(net: LSTC, batch) -> dict:
    return jax.jit(lambda b: net.init({"params": jax.random.key(0)}, b, False, method="loss"))(
        batch
    )


def forward(net: LSTC, train: bool = False):
    """(variables, batch, seed of the dropout) -> what the loss gives, compiled."""
    return jax.jit(
        lambda variables, batch, seed=1: net.apply(
            variables, batch, train, method="loss", rngs={"dropout": jax.random.key(seed)}
        )
    )


NET = model(layers=2, inter_layers=2)
VARIABLES = start(NET, films())
RUN = forward(NET)


def dense(p, x):
    return np.asarray(x) @ np.asarray(p["kernel"]) + np.asarray(p["bias"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(p, rows: np.ndarray) -> np.ndarray:
    """The states [T, H] of one layer in one direction, a row at a time."""
    kernel = np.asarray(p["recurrent"]["kernel"])
    state = cell = np.zeros(len(kernel))
    out = []
    for row in rows:
        i, f, g, o = np.split(dense(p["input"], row) + state @ kernel, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(cell)
        out.append(state)
    return np.array(out)


def both_ways(p, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs [T, 2 H] of the last of two layers, and where its directions ended [2 H]."""
    for layer in ("layer_0", "layer_1"):
        ahead = lstm(p[layer]["forward"], rows)
        back = lstm(p[layer]["backward"], rows[::-1])
        rows = np.concatenate([ahead, back[::-1]], 1)
    return rows, np.concatenate([ahead[-1], back[-1]])


def clip_vector(params, batch, b: int, n: int) -> np.ndarray:
    """The summed last states of one clip."""
    total = np.zeros(2 * SIZES["hidden"])
    for m in MODALITIES:
        rows = batch[f"features/{m}"][b, n][batch[f"present/{m}"][b, n]]
        if len(rows):
            total = total + both_ways(params["intra"][m], rows.astype(np.float64))[1]
    return total


def by_loops(params, batch) -> np.ndarray:
    """[B, N] predictions across the run."""
    out = np.zeros((B, N))
    for b in range(B):
        count = int((batch["clip"][b] >= 0).sum())
        clips = [np.maximum(dense(params["head"]["embed"], clip_vector(params, batch, b, n)), 0)
                 for n in range(count)]  # fmt: skip
        rows, _ = both_ways(params["inter"], np.array(clips))
        out[b, :count] = np.tanh(dense(params["inter_head"], rows))[:, 0]
    return out


def test_the_whole_is_what_plain_loops_give():
    batch = films()
    batch["present/scene"][0, 1] = False  # a clip without one modality
    batch["features/scene"][0, 1] = np.nan
    batch["present/audio"][1, 0, 2:] = False  # a short one
    batch["clip"] = np.array([[4, 5, 6], [0, 1, -1]], np.int32)  # and a film that is over
    found = RUN(VARIABLES, batch)[1]["prediction"][..., 0]
    expected = by_loops(VARIABLES["params"], batch)
    there = batch["clip"] >= 0
    np.testing.assert_allclose(np.asarray(found)[there], expected[there], atol=2e-6)


def test_equation_3_is_the_mean_over_labelled_clips():
    batch = films()
    batch["values"][0, 2] = np.nan
    batch["weight"] = np.array([1, 0], np.float32)
    sums, found = RUN(VARIABLES, batch)
    total, weight = (np.asarray(x) for x in sums["target"])
    errors = np.square(np.asarray(found["prediction"])[0, :2, 0] - batch["values"][0, :2, 0])
    np.testing.assert_allclose(total, [errors.sum(), 0], rtol=1e-5)
    np.testing.assert_array_equal(weight, [2, 0])


def test_a_hole_in_the_labels_changes_no_gradient():
    net, batch = model(), films()
    variables = start(net, batch)

    @jax.jit
    def gradient(values):
        def loss(params):
            sums, _ = forward(net)(variables | {"params": params}, batch | {"values": values})
            return sums["target"][0].sum()

        return jax.grad(loss)(variables["params"])

    one, other = np.array(batch["values"]), np.array(batch["values"])
    one[:, 0] = np.nan
    other[:, 0] = np.asarray(forward(net)(variables, batch)[1]["prediction"])[
        :, 0
    ]  # no error there
    for a, b in zip(jax.tree.leaves(gradient(one)), jax.tree.leaves(gradient(other))):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_late_averaging_is_the_mean_of_models_trained_apart():
    late, batch = model(clips=1, fusion="late"), films(1)
    variables = start(late, batch)
    batch["present/scene"][1] = False
    sums, found = forward(late)(variables, batch)
    each, losses = {}, 0.0
    for m, width in MODALITIES.items():
        own = model(clips=1, modalities={m: width})
        params = variables["params"]
        mine = {"intra": {m: params["intra"][m]}, "head": params["head"][m]}
        statistics = {f"standardise_{m}": variables["statistics"][f"standardise_{m}"]}
        alone, told = forward(own)({"params": mine, "statistics": statistics}, batch)
        each[m], losses = np.asarray(told["prediction"]), losses + np.asarray(alone["target"][0])
    np.testing.assert_allclose(sums["target"][0], losses, rtol=1e-5)
    expected = (each["audio"] + each["scene"]) / 2
    expected[1] = each["audio"][1]
    np.testing.assert_allclose(found["prediction"], expected, atol=1e-6)


def test_what_is_frozen_gets_no_gradient_and_no_dropout():
    """That `embed` stays too is held where a whole recipe runs."""
    batch, net = films(1), model(clips=1, frozen=("audio",), dropout=0.5)
    variables = start(net, batch)

    @jax.jit
    def gradient(params, seed):
        def loss(params):
            told = variables | {"params": params}
            return forward(net, True)(told, batch, seed)[0]["target"][0].sum()

        return jax.grad(loss)(params), net.apply(
            variables, batch, jax.random.key(seed), method="vectors"
        )

    (found, one), (_, other) = (gradient(variables["params"], seed) for seed in (1, 2))
    parts = found["intra"] | {"embed": found["head"]}
    size = {
        name: max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))
        for name, tree in parts.items()
    }
    assert size["audio"] == 0 and min(size["scene"], size["embed"]) > 0
    np.testing.assert_array_equal(one["audio"], other["audio"])


def test_classes_of_single_clips():
    net = model(task="classes", outputs=("calm", "neutral", "active"), clips=1)
    rule = ClipExamples(MODALITIES, net.outputs, "classes", T, 1.0)
    batch = {k: np.ones((3, *shape), dtype) for k, (shape, dtype) in rule.spec().items()}
    batch["label"] = np.array([2, -1, 0], np.int32)
    variables = start(net, batch)
    sums, found = forward(net)(variables, batch)
    assert found["probability"].shape == (3, 3)
    np.testing.assert_allclose(found["probability"].sum(1), 1, rtol=1e-6)
    expected = -np.log(np.asarray(found["probability"])[[0, 2], [2, 0]])
    np.testing.assert_allclose(np.asarray(sums["target"][0])[[0, 2]], expected, rtol=1e-5)
    np.testing.assert_array_equal(sums["target"][1], [1, 0, 1])
    arrays = {k: np.asarray(v) for k, v in found.items()}
    assert net.combine(arrays, ["a", "b", "c"]) == (arrays, ["a", "b", "c"])
    assert net.metrics(arrays)["count"] == 2 and net.metrics_of_groups(arrays, "abc") == {}


def test_tuned_layers_stand_before_the_lstms_and_mean_of_their_rows_can_stand_for_them():
    own, batch = dict(clips=1, modalities={"scene": 4}, tuned={"scene": 6}), films(1)
    batch["present/scene"][0, 0, 2:] = False
    net, alone = model(**own), model(**own, within="mean")
    variables = start(alone, batch)
    layers = variables["params"]["tune"]["scene"]
    assert set(variables["params"]) == {"tune", "head"}
    made = batch["features/scene"]
    for name in ("first", "second"):
        made = np.maximum(dense(layers[name], made), 0)
    made = dense(layers["last"], made)
    found = alone.apply(variables, batch, method="vectors")["scene"]
    np.testing.assert_allclose(found[0, 0], made[0, 0, :2].mean(0), atol=1e-6)
    np.testing.assert_allclose(found[1, 0], made[1, 0].mean(0), atol=1e-6)
    products = B * T - 2, 2 * (4 * 6 + 6 * 6 + 6 * 6)
    assert alone.flops(batch) == np.prod(products) + 2 * B * (6 * 5 + 5)

    whole = start(net, batch)["params"] | {"tune": {"scene": layers}}
    rows = batch | {"features/scene": made}
    plain = model(clips=1, modalities={"scene": 6}, standardise=False)
    expected = forward(plain)({"params": {k: whole[k] for k in ("intra", "head")}}, rows)[1]
    told = forward(net)(variables | {"params": whole}, batch)[1]
    np.testing.assert_allclose(told["prediction"], expected["prediction"], atol=1e-6)
    off = model(**(own | {"tuned": {"scene": 0}}))
    assert set(start(off, batch)["params"]) == {"intra", "head"}


def test_flops_count_the_rows_that_are_there():
    batch = films()
    full = NET.flops(batch)
    s, clips = NET._intra(), B * N
    intra = sum(recurrent.flops(s[m], clips * T) for m in MODALITIES)
    inter = recurrent.flops(NET._inter(), clips)
    assert full == intra + inter + 2 * clips * (2 * 3 * 5 + 2 * 2 * 1)
    batch["present/scene"][:] = False
    assert NET.flops(batch) == full - recurrent.flops(s["scene"], B * N * T)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fusion": "mean"}, "fusion"),
        ({"fusion": "late"}, "model.fusion"),
        ({"clips": 0}, "model.clips"),
        ({"beta": 1.0}, "model.beta"),
        ({"task": "classes", "outputs": ("a", "b")}, "single clips"),
        ({"outputs": ()}, "model.outputs"),
        ({"frozen": ("face",)}, "cannot freeze face"),
        ({"modalities": {}}, "modality"),
        ({"within": "mean"}, "model.within"),
        ({"tuned": {"face": 4}}, "cannot tune face"),
    ],
)
def test_settings_that_contradict_each_other_are_told(settings, said):
    net = model(**settings)
    with pytest.raises(UserError, match=said):
        jax.eval_shape(lambda: start(net, films()))
