"""Compiler options that measured better than XLA's own choice, for the backend at hand."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

# On CPUs XLA hands products to YNNPACK, which at a width of 768 ran at 180 GFLOP/s a core where
# its older Eigen kernels ran at 230; below this width YNNPACK is the quicker one.
WIDE = 256
EIGEN_PRODUCTS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}


def width_of(params: Any) -> int:
    """The most inputs that one plain product of a model sums over."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    kernels = [x.shape for path, x in leaves if "kernel" in jax.tree_util.keystr(path[-1:])]
    return max((shape[0] for shape in kernels if len(shape) == 2), default=0)


def options(width: int) -> dict[str, str]:
    """`compiler_options` for `jax.jit` of a model whose products are about `width` wide."""
    if jax.default_backend() != "cpu" or width < WIDE:
        return {}
    return dict(EIGEN_PRODUCTS) if _known() else {}


@functools.cache
def _known() -> bool:
    """Whether this release has the option: it is marked as experimental."""
    try:
        jax.jit(jnp.negative, compiler_options=EIGEN_PRODUCTS).lower(1.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
