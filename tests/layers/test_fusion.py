"""The fusion stack against the slow loop version, in every option and both forms."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.layers.fusion import Fusion, fuse, fusion_tree
from affectjax.layers.parameters import initialise
from tests.layers import oracle

B, T, D = 5, 4, 8
PLAIN = Fusion(names=("a", "i", "m"), segments=T, width=D, layers=2, heads=1, ffn=12)
OPTIONS = {
    "plain": {},
    "heads, own sublayers": dict(heads=2, share="modality"),
    "post-norm": dict(norm="post"),
    "inner only, two heads": dict(kind="inner", heads=2),
    "cross only": dict(kind="cross"),
    "no layers": dict(layers=0),
    "one modality": dict(names=("i",)),
    "four modalities": dict(names=("a", "i", "m", "o")),
}


def make(s, seed=0):
    """Parameters away from their neutral start, features, and masks with every kind of hole."""
    rng = np.random.default_rng(seed)
    p = jax.tree.map(
        lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32),
        initialise(fusion_tree(s), jax.random.key(seed)),
    )
    features = {m: rng.normal(size=(B, T, s.width)).astype(np.float32) for m in s.names}
    present = {m: np.ones((B, T), bool) for m in s.names}
    for i, m in enumerate(s.names):
        present[m][1, T - i % T :] = False  # the modalities end at different times
    present[s.names[0]][2] = False  # one modality missing
    for m in s.names[1:]:
        present[m][3] = False  # one modality left
    for m in s.names:
        present[m][4] = False  # nothing at all
    return p, features, present


@pytest.mark.parametrize("form", ["unrolled", "scan"])
@pytest.mark.parametrize("name", OPTIONS)
def test_equals_the_loops(name, form):
    s = replace(PLAIN, form=form, **OPTIONS[name])
    p, features, present = make(s)
    f, mask = jax.jit(lambda p, x, there: fuse(p, x, there, s))(p, features, present)
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), p)
    for b in range(B):
        clip, there = ({m: x[m][b] for m in s.names} for x in (features, present))
        want, want_mask = oracle.fuse(wide, clip, there, s)
        np.testing.assert_allclose(f[b], want, atol=2e-5)
        np.testing.assert_array_equal(mask[b], want_mask)


def test_forms_and_remat_share_dropout_and_gradients():
    """Both forms draw the same dropout, so a run may move between CPU and accelerator."""
    p, features, present = make(PLAIN)
    results = []
    for form, remat in (("unrolled", "layer"), ("scan", "none")):
        s = replace(PLAIN, form=form, remat=remat, dropout=0.3)

        def loss(p, s=s):
            f, _ = fuse(p, features, present, s, jax.random.key(3))
            return jnp.square(f).sum()

        results.append(jax.jit(jax.value_and_grad(loss))(p))
    (value, gradient), (other, other_gradient) = results
    np.testing.assert_allclose(value, other, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), gradient, other_gradient)
    assert all(jnp.isfinite(x).all() for x in jax.tree.leaves(gradient))  # empty rows too
    plain = jax.jit(lambda p: fuse(p, features, present, PLAIN)[0])(p)
    assert abs(float(jnp.square(plain).sum()) - float(value)) > 0.1  # dropout did act


def test_what_is_absent_does_not_matter():
    """NaN in padding and in missing modalities changes no bit of any row."""
    p, features, present = make(PLAIN)
    run = jax.jit(lambda x: fuse(p, x, present, PLAIN)[0])
    spoilt = {m: np.where(present[m][..., None], x, np.nan) for m, x in features.items()}
    np.testing.assert_array_equal(run(features), run(spoilt))
    assert np.isfinite(run(spoilt)).all()


def test_order_of_modalities_is_only_a_name():
    p, features, present = make(PLAIN)
    turned = replace(PLAIN, names=PLAIN.names[::-1])
    here, _ = fuse(p, features, present, PLAIN)
    there, _ = fuse(p, features, present, turned)
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_bfloat16_products_stay_close():
    p, features, present = make(PLAIN)
    narrow = {m: x.astype(jnp.bfloat16) for m, x in features.items()}
    run = jax.jit(lambda x: fuse(p, x, present, PLAIN)[0])
    assert run(narrow).dtype == jnp.bfloat16
    np.testing.assert_allclose(run(narrow), run(features), atol=0.15)


def test_remat_saves_memory():
    """With `auto`, layers made again hold less than half of what layers kept do."""
    s = replace(PLAIN, layers=8)
    p, features, present = make(s)

    def held(s):
        run = jax.jit(jax.grad(lambda p: jnp.square(fuse(p, features, present, s)[0]).sum()))
        return run.lower(p).compile().memory_analysis().temp_size_in_bytes

    assert held(replace(s, remat="layer")) < 0.5 * held(s)
