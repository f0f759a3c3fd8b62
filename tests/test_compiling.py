"""Compiler options compile, and change nothing but the speed."""

import jax
import numpy as np

from affectjax import compiling


def test_options_are_for_wide_models_and_give_the_same_numbers():
    assert compiling.options(64) == {}
    x, w = np.random.default_rng(0).normal(size=(2, 300, 300)).astype(np.float32)
    wide = jax.jit(lambda a, b: a @ b, compiler_options=compiling.options(768))(x, w)
    np.testing.assert_allclose(wide, x @ w, atol=1e-3)


def test_an_option_that_a_release_lacks_is_left_out(monkeypatch):
    monkeypatch.setattr(compiling, "EIGEN_PRODUCTS", {"xla_cpu_no_such_option": "1"})
    compiling._known.cache_clear()
    assert compiling.options(768) == {}
    compiling._known.cache_clear()


def test_the_width_is_that_of_products_not_of_tables():
    shapes = {"word": (30_000, 8), "head": {"kernel": (8, 30_000)}, "x": {"kernel": (3, 3, 99, 8)},
              "out": {"kernel": (32, 8), "bias": (8,)}}  # fmt: skip
    params = jax.tree.map(np.zeros, shapes, is_leaf=lambda x: isinstance(x, tuple))
    assert compiling.width_of(params) == 32
    assert compiling.width_of({}) == 0
