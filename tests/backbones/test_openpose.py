"""OpenPose beyond its published part: the layers added for actions, names, what comes out."""

import jax
import numpy as np
import pytest

from affectjax import convert
from affectjax.backbones import openpose, weights
from tests.backbones.networks import SMALL
from tests.backbones.parity import TOLERANCE, drawn, further, kept, load, picture, shapes_of

SIZES = dict(widths=(4, 6, 8, 10), narrow=(8, 6), stages=3, hidden=12)


def test_the_added_layers_equal_their_twin():
    torch = pytest.importorskip("torch", reason="the twin is written for torch")
    from tests.backbones.twins import Added

    s = openpose.Settings(**SIZES, added=(7, 9, 5), size=(72, 104))
    twin = Added(s.added_plan, s.narrow[-1], s.flat, 5)
    arrays = drawn(shapes_of(twin))
    x = picture(2, 9, 13, 6)
    with torch.no_grad():
        wanted = load(twin, arrays)(torch.tensor(x)).numpy()
    p = {
        f"conv{i}": {
            "kernel": arrays[f"groups.{at}.weight"].transpose(2, 3, 1, 0),
            "bias": arrays[f"groups.{at}.bias"],
        }
        for i, at in ((1, 0), (2, 3))
    }
    p["dense"] = {"kernel": arrays["dense.weight"].T, "bias": arrays["dense.bias"]}
    wanted_shapes = jax.tree.map(lambda leaf: leaf.shape, openpose.added_tree(s), is_leaf=is_leaf)
    assert jax.tree.map(np.shape, p) == wanted_shapes
    found = jax.jit(lambda p, x: openpose.added(p, x, s))(p, x)
    assert further(found, wanted) <= TOLERANCE


def run(function, found, x):
    return jax.jit(lambda v, x: function(v, x, found.settings))(found.variables, x)


def is_leaf(x):
    return hasattr(x, "init")


def test_one_vector_a_picture_with_and_without_the_added_layers():
    x = picture(2, 48, 48, 3)
    plain = weights.random("openpose", **SIZES)
    features = run(openpose.trunk, plain, x)
    assert features.shape == (2, 6, 6, 6)
    found = run(openpose.apply, plain, x)
    np.testing.assert_allclose(found, features.mean((1, 2)), rtol=1e-5, atol=1e-6)
    more = weights.random("openpose", **SIZES, added=(7, 9, 5), size=(48, 48))
    assert run(openpose.apply, more, x).shape == (2, 5)


def test_names_with_the_blocks_around_them_and_a_trunk_alone():
    shapes, _ = kept("openpose")
    arrays, case = drawn(shapes), SMALL["openpose"]
    plain = convert.from_torch("openpose", arrays, **case.arguments)
    blocks = {
        ("model1_1." if "CPM_L" in key else "model2_1." if "stage" in key else "model0.") + key: a
        for key, a in arrays.items()
    }
    assert convert.from_torch("openpose", blocks, **case.arguments).digest == plain.digest
    trunk = {k: a for k, a in arrays.items() if "stage" not in k and "CPM_L" not in k}
    sizes = {k: v for k, v in SIZES.items() if k != "stages"}
    alone = convert.from_torch("openpose", trunk, **sizes)
    assert alone.settings.stages == 0 and "stages" not in alone.variables["params"]
