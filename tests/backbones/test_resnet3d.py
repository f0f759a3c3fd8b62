"""3-D residual networks: equal to torch, in values, in live statistics and in gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import convert
from affectjax.backbones import resnet3d
from affectjax.backbones.torch_state import State
from affectjax.backbones.weights import flat as weights_by_path
from affectjax.errors import UserError
from affectjax.layers.batch_norm import Variables
from affectjax.layers.parameters import Leaf
from tests.backbones.parity import TOLERANCE, drawn, further, keep, kept, load, picture, shapes_of
from tests.backbones.residual_cases import FULL_3D, SMALL_3D, case_3d
from tests.backbones.test_parity import ours, theirs, unlike


@pytest.mark.parametrize("name", SMALL_3D)
def test_small_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(SMALL_3D[name])
    assert unlike(ours(SMALL_3D[name], arrays), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_3D)
def test_full_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(FULL_3D[name])
    assert unlike(ours(FULL_3D[name], arrays), wanted) == []


@pytest.mark.parametrize("name", SMALL_3D)
def test_small_networks_answer_as_their_twins_once_did(name):
    shapes, wanted = kept(name)
    assert unlike(ours(SMALL_3D[name], drawn(shapes)), wanted) == []


def test_live_statistics_and_gradients_equal_torch():
    torch = pytest.importorskip("torch", reason="the twin is written for torch")
    # maps stay large: the moments of a handful of values would magnify every rounding
    case = case_3d((2, 6, 16, 16, 3), block="bottleneck", blocks=(2, 1), width=4)
    twin = case.twin()
    arrays = drawn(shapes_of(twin))
    load(twin, arrays).train()
    (x,) = case.feed()
    answer = twin(torch.tensor(x))["map"]
    weights = np.random.default_rng(2).normal(size=answer.shape).astype(np.float32)
    (answer * torch.tensor(weights)).sum().backward()

    found = convert.from_torch("resnet3d", arrays, output="map")
    p, stored = found.variables["params"], found.variables["batch_stats"]

    @jax.jit
    def run(p):
        y, new = resnet3d.live({"params": p, "batch_stats": stored}, x, found.settings)
        return (y * weights).sum(), (y, new)

    (_, (y, new)), gradient = jax.value_and_grad(run, has_aux=True)(p)
    assert further(y, answer.detach()) <= TOLERANCE
    trained = {key: np.asarray(value) for key, value in twin.state_dict().items()}
    after = convert.from_torch("resnet3d", trained, output="map").variables["batch_stats"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), new, after)

    slopes = {key: value.grad.numpy() for key, value in twin.named_parameters()}
    slopes |= {key: value for key, value in trained.items() if key not in slopes}
    wanted = convert.from_torch("resnet3d", slopes, output="map").variables["params"]
    wanted, gradient = weights_by_path(wanted), weights_by_path(gradient)
    assert set(wanted) == set(gradient)
    largest = max(np.abs(slope).max() for slope in wanted.values())
    for path, slope in wanted.items():
        # what the next norm takes out again has a slope of rounding alone
        bound = 1e-3 * max(np.abs(slope).max(), 1e-3 * largest)
        assert np.abs(gradient[path] - slope).max() <= bound, path


@pytest.mark.parametrize(
    "depth, features, millions",
    [(18, 512, 33.2), (34, 512, 63.5), (50, 2048, 46.2), (101, 2048, 85.2)],
)
def test_published_sizes(depth, features, millions):
    """The numbers of parameters are those of the published networks without a classifier."""
    s = resnet3d.Settings(depth=depth)
    leaves = jax.tree.leaves(
        resnet3d.tree(s)["params"], is_leaf=lambda leaf: isinstance(leaf, Leaf)
    )
    count = sum(np.prod(leaf.shape) for leaf in leaves)
    assert s.features == features and round(count / 1e6, 1) == millions


def test_the_map_of_sixteen_frames():
    s = resnet3d.Settings(output="map")
    abstract = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.float32),
        resnet3d.tree(s),
        is_leaf=lambda leaf: isinstance(leaf, Leaf),
    )
    x = jax.ShapeDtypeStruct((2, 16, 112, 112, 3), jnp.float32)
    y = jax.eval_shape(lambda v, x: resnet3d.apply(v, x, s), abstract, x)
    assert y.shape == (2, 1, 4, 4, 2048)


@pytest.mark.parametrize("classes, expected", [(400, "0-255"), (700, "0-1"), (1039, "0-1")])
def test_the_checkpoint_s_classes_tell_its_normalisation(classes, expected):
    shapes, _ = kept("resnet3d")
    shapes["fc.weight"], shapes["fc.bias"] = (classes, shapes["fc.weight"][1]), (classes,)
    found = resnet3d.read_settings(State(drawn(shapes)), {})
    assert found["normalisation"] == f"kinetics-{expected}" and found["classes"] == classes


def test_a_network_cut_into_a_sequence_is_read_too():
    shapes, _ = kept("resnet3d")
    arrays = {k: v for k, v in drawn(shapes).items() if not k.startswith("fc.")}
    plain = convert.from_torch("resnet3d", arrays)
    parts = {"conv1": "0", "bn1": "1", **{f"layer{i}": str(i + 3) for i in range(1, 5)}}
    cut = {}
    for key, array in arrays.items():
        part, rest = key.split(".", 1)
        cut[f"resnet.{parts[part]}.{rest}"] = array
    state = State(cut)
    found = resnet3d.from_torch(state, plain.settings, "resnet.", sequential=True)
    state.finish()
    jax.tree.map(np.testing.assert_array_equal, found, plain.variables)


class Video(nn.Module):
    """A model with a backbone inside."""

    @nn.compact
    def __call__(self, x, live):
        s = resnet3d.Settings(block="basic", blocks=(1, 1), width=4)
        backbone = Variables(**resnet3d.tree(s), name="visual")
        if not live:
            return resnet3d.apply(backbone(), x, s)
        y, new = resnet3d.live(backbone(), x, s)
        backbone(new)
        return y


def test_inside_a_model_it_keeps_its_names_and_its_statistics():
    x = picture(1, 4, 16, 16, 3)
    v = jax.jit(Video().init, static_argnums=2)(jax.random.key(0), x, False)
    wanted = resnet3d.tree(resnet3d.Settings(block="basic", blocks=(1, 1), width=4))
    shapes = {path: leaf.shape for path, leaf in weights_by_path(wanted).items()}
    inside = {"params": v["params"]["visual"], "batch_stats": v["batch_stats"]["visual"]}
    assert {path: leaf.shape for path, leaf in weights_by_path(inside).items()} == shapes
    run = jax.jit(
        lambda v, live: Video().apply(v, x, live, mutable=["batch_stats"]), static_argnums=1
    )
    y, changed = run(v, True)
    assert y.shape == (1, 8)
    before, after = (weights_by_path(t["batch_stats"]) for t in (v, changed))
    assert all((before[path] != after[path]).any() for path in before)
    kept = weights_by_path(run(v, False)[1]["batch_stats"])
    assert all((before[path] == kept[path]).all() for path in before)


def test_half_precision_stays_near():
    case = SMALL_3D["resnet3d_basic"]
    found = convert.from_torch("resnet3d", drawn(kept("resnet3d_basic")[0]))
    (x,) = case.feed()
    run = jax.jit(lambda x: resnet3d.apply(found.variables, x, found.settings))
    half = run(x.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16 and further(half, run(x)) < 0.05


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"depth": 19}, "no residual network of 19"),
        ({"output": "mop"}, "'mop' is unknown"),
        ({"output": "classes"}, "needs a classifier"),
    ],
)
def test_settings_that_make_no_network(arguments, says):
    with pytest.raises(UserError, match=says):
        resnet3d.Settings(**arguments)


if __name__ == "__main__":
    for name, case in SMALL_3D.items():
        shapes, _, outputs = theirs(case)
        keep(name, shapes, outputs)
