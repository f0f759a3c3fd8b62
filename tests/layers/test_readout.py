"""The other fusions against slow loops, in both forms; what is absent; what they cost."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.layers.fusion import Fusion
from affectjax.layers.fusion_flops import fusion_flops
from affectjax.layers.parameters import initialise
from affectjax.layers.readout import KINDS, readout, readout_tree, readout_width
from tests.layers import oracle_stacks
from tests.layers.test_fusion import B

PLAIN = Fusion(names=("a", "i", "m"), segments=4, width=16, layers=2, heads=2, ffn=12)
CASES = [
    ("simple", "unrolled", "pre"), ("divide", "unrolled", "pre"), ("divide", "scan", "post"),
    ("joint", "unrolled", "post"), ("joint", "scan", "pre"), ("mult", "unrolled", "post"),
    ("mult", "scan", "pre"), ("gmu", "scan", "pre"), ("tensor", "unrolled", "pre"),
]  # fmt: skip


def make(s, seed=0):
    """Parameters away from their neutral start, and clips with every kind of hole."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: initialise(readout_tree(s), jax.random.key(0)))

    def draw(path, leaf):
        one = float("norm" in jax.tree_util.keystr(path) and "scale" in str(path[-1]))
        scale = leaf.shape[0] ** -0.5 if len(leaf.shape) == 2 else 0.2
        return np.float32(one + scale * rng.normal(size=leaf.shape))

    p = jax.tree_util.tree_map_with_path(draw, shapes)
    t = s.segments
    features = {m: rng.normal(size=(B, t, s.width)).astype(np.float32) for m in s.names}
    present = {m: np.ones((B, t), bool) for m in s.names}
    for i, m in enumerate(s.names):
        present[m][1, t - i % t :] = False  # the modalities end at different times
        present[m][4] = False  # nothing at all
    present[s.names[0]][2] = False  # one modality missing
    for m in s.names[1:]:
        present[m][3] = False  # one modality left
    return p, features, present


@pytest.mark.parametrize("kind, form, norm", CASES)
def test_equals_the_loops(kind, form, norm):
    layers = 1 if (kind, form) == ("mult", "unrolled") else 2  # 18 stacks take long to compile
    s = replace(PLAIN, kind=kind, form=form, norm=norm, layers=layers)
    p, features, present = make(s)
    got = jax.jit(lambda p, x, there: readout(p, x, there, s))(p, features, present)
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), p)
    assert got.shape == (B, readout_width(s))
    for b in range(B):
        clip, there = ({m: x[m][b] for m in s.names} for x in (features, present))
        np.testing.assert_allclose(
            got[b], oracle_stacks.readout(wide, clip, there, s), atol=3e-5, err_msg=f"clip {b}"
        )
    assert not np.asarray(got[4]).any()  # nothing to see, nothing said


@pytest.mark.parametrize("kind", ["divide", pytest.param("mult", marks=pytest.mark.slow)])
def test_forms_share_dropout_and_gradients(kind):
    """Both forms draw the same dropout, and empty clips spoil no gradient."""
    base = replace(PLAIN, kind=kind, dropout=0.3)
    p, features, present = make(base)
    results = []
    for form, remat in (("unrolled", "none"), ("scan", "layer")):
        s = replace(base, form=form, remat=remat)

        def loss(p, s=s):
            return jnp.square(readout(p, features, present, s, jax.random.key(3))).sum()

        results.append(jax.jit(jax.value_and_grad(loss))(p))
    (value, gradient), (other, other_gradient) = results
    np.testing.assert_allclose(value, other, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-3), gradient, other_gradient)
    assert all(jnp.isfinite(x).all() for x in jax.tree.leaves(gradient))


@pytest.mark.parametrize("names", [("a",), ("a", "i")])
@pytest.mark.parametrize("kind", KINDS)
def test_any_subset_of_modalities_has_a_readout(kind, names):
    s = replace(PLAIN, kind=kind, names=names)
    p = jax.eval_shape(lambda: initialise(readout_tree(s), jax.random.key(0)))
    x = {m: np.ones((B, s.segments, s.width), np.float32) for m in names}
    present = {m: np.ones((B, s.segments), bool) for m in names}
    found = jax.eval_shape(lambda p: readout(p, x, present, s), p)
    assert found.shape == (B, readout_width(s))


def test_mult_says_which_heads_fit():
    with pytest.raises(UserError, match="quarter"):
        readout_tree(replace(PLAIN, kind="mult", heads=8))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_flops_formula_against_the_compiler(kind):
    """XLA also counts norms and softmax, which are small beside the products at this width."""
    s = replace(PLAIN, kind=kind, width=256, ffn=1024, form="unrolled", segments=16)
    p = jax.eval_shape(lambda: initialise(readout_tree(s), jax.random.key(0)))
    x = {m: jax.ShapeDtypeStruct((2, 16, 256), jnp.float32) for m in s.names}
    full = {m: np.ones((2, 16), bool) for m in s.names}
    run = jax.jit(lambda p, x: readout(p, x, full, s))
    counted = run.lower(p, x).compile().cost_analysis()["flops"]
    there = np.ones((2, 3, 16), bool)
    assert fusion_flops(s, there) == pytest.approx(counted, rel=0.03)
    there[1] = False
    assert fusion_flops(s, there) == pytest.approx(counted / 2, rel=0.04)
