"""The training state is a plain dict of arrays; here it is made, and turned into nested dicts.

step         int32: updates done
params       the model's parameters
model_state  the model's other variables, such as batch statistics; {} if it has none
opt          the optimiser's state
ema          moving average of the parameters; {} where none is kept
ok           bool: false once an update was refused, and it stays false
window       {name: float32 [2]}: running (sum, weight) of each loss since the last report
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from affectjax import sharding

State = dict[str, Any]


def initial(
    variables: Any,
    optimizer: optax.GradientTransformation,
    *,
    ema: bool = False,
    window: Sequence[str] = (),
) -> State:
    """The state of step 0 around a model's fresh variables ({"params": ..., others})."""
    params = variables["params"]
    return {
        "step": jnp.zeros((), jnp.int32),
        "params": params,
        "model_state": {name: tree for name, tree in variables.items() if name != "params"},
        "opt": optimizer.init(params),
        "ema": params if ema else {},
        "ok": jnp.ones((), jnp.bool_),
        "window": {name: jnp.zeros(2, jnp.float32) for name in window},
    }


def abstract(
    model_init: Callable[[jax.Array], Any],
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    *,
    ema: bool = False,
    window: Sequence[str] = (),
    rules: Sequence[tuple] = sharding.RULES,
) -> State:
    """The state's shapes, dtypes and shardings; nothing is computed."""

    def build(key: jax.Array) -> State:
        return initial(model_init(key), optimizer, ema=ema, window=window)

    return sharding.abstract(jax.eval_shape(build, jax.random.key(0)), mesh, rules)


def create(
    model_init: Callable[[jax.Array], Any],
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    mesh: Mesh,
    *,
    ema: bool = False,
    window: Sequence[str] = (),
    rules: Sequence[tuple] = sharding.RULES,
) -> State:
    """A fresh state, each array made where it will live; the same values on every mesh."""
    like = abstract(model_init, optimizer, mesh, ema=ema, window=window, rules=rules)

    def build(key: jax.Array) -> State:
        return initial(model_init(key), optimizer, ema=ema, window=window)

    return jax.jit(build, out_shardings=jax.tree.map(lambda leaf: leaf.sharding, like))(key)


def as_plain(state: Any) -> dict[str, Any]:
    """Nested dicts of arrays alone: tuples become dicts, empty nodes vanish."""
    plain: dict[str, Any] = {}
    for path, leaf in sharding.named_leaves(state).items():
        *above, last = path.split("/")
        node = plain
        for part in above:
            node = node.setdefault(part, {})
        node[last] = leaf
    return plain


def from_plain(plain: Any, like: Any) -> Any:
    """The values of `plain` (see `as_plain`) in the structure of `like`."""
    values = sharding.named_leaves(plain)
    return jax.tree_util.tree_map_with_path(lambda path, _: values[sharding.path_name(path)], like)
