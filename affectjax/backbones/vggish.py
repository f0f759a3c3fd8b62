"""VGGish: 0.96 s of log-mel sound to 128 numbers, and their published principal components.

Two releases of the same weights differ after the last layer: the torch one ends in a ReLU and
rounds when it quantises, the TensorFlow one has no ReLU and cuts the fraction off. Which is meant
is a setting that the layout of the checkpoint decides.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from affectjax.backbones.torch_state import State
from affectjax.backbones.vgg import POOL, Plan, stack, stack_from_torch, stack_tree, torch_indices
from affectjax.errors import UserError
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.parameters import Leaf

TF = "vggish/"
PCA = (
    ("pca_eigen_vectors", "pca_means"),
    ("pproc.pca_eigen_vectors", "pproc.pca_means"),
    ("pproc.pca_matrix", "pproc.pca_means"),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of the network; those of the published one by default."""

    frames: int = 96
    mels: int = 64
    widths: tuple[int, ...] = (64, 128, 256, 256, 512, 512)
    hidden: int = 4096
    width: int = 128
    final_relu: bool = True
    pca: bool = False  # whether the weights hold the principal components
    rounding: str = "round"  # "round" | "truncate", when quantising

    @property
    def plan(self) -> Plan:
        """All layers: (name, width) of convolutions, and poolings."""
        a, b, c, d, e, f = self.widths
        names = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2")
        one, two, *deep = zip(names, (a, b, c, d, e, f))
        return (one, POOL, two, POOL, *deep[:2], POOL, *deep[2:], POOL)

    @property
    def flat(self) -> int:
        """Width of the last map laid flat."""
        return (self.frames // 16) * (self.mels // 16) * self.widths[-1]


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters."""
    params = {
        **stack_tree(s.plan, 1),
        "dense_1": dense_tree(s.flat, s.hidden),
        "dense_2": dense_tree(s.hidden, s.hidden),
        "dense_3": dense_tree(s.hidden, s.width),
    }
    if s.pca:
        params["pca"] = {
            "components": Leaf((s.width, s.width), jax.nn.initializers.orthogonal()),
            "mean": Leaf((s.width,), jax.nn.initializers.zeros),
        }
    return {"params": params}


def apply(variables: Mapping[str, Any], x: jax.Array, s: Settings) -> jax.Array:
    """log-mel x [B, frames, mels] -> [B, width], before any principal components."""
    p = variables["params"]
    x = stack(p, x[..., None], s.plan)
    x = x.reshape(x.shape[0], -1)  # time, frequency, channel
    x = jax.nn.relu(dense(p["dense_1"], x))
    x = jax.nn.relu(dense(p["dense_2"], x))
    x = dense(p["dense_3"], x)
    return jax.nn.relu(x) if s.final_relu else x


def principal(variables: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """x [B, width] -> its principal components [B, width], as published with the weights."""
    pca = variables["params"]["pca"]
    return jnp.matmul(x.astype(jnp.float32) - pca["mean"], pca["components"].T)


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """Which of the published forms a checkpoint is."""
    tensorflow = bool(state.keys(TF))
    return {
        "final_relu": not tensorflow,
        "rounding": "truncate" if tensorflow else "round",
        "pca": any(key in state for key, _ in PCA),
    }


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """torchvggish's layout, or the arrays of the TensorFlow release by their variables' names."""
    params = _from_tensorflow(state, s) if state.keys(TF) else _from_torchvggish(state, s)
    if s.pca:
        matrix, mean = next((pair for pair in PCA if pair[0] in state), PCA[0])
        params["pca"] = {"components": state.take(matrix, (s.width, s.width))}
        means = state.take(mean)
        if means.size not in (0, s.width) or (mean in state and means.size != s.width):
            what = f"{mean} has {means.size} values for {s.width}"
            raise UserError(f"The checkpoint does not fit: {what}", state.where)
        params["pca"]["mean"] = np.resize(means, s.width)
    return {"params": params}


def _from_torchvggish(state: State, s: Settings) -> dict[str, Any]:
    keys = [f"features.{i}" for i in torch_indices(s.plan)]
    return {
        **stack_from_torch(state, s.plan, 1, keys),
        "dense_1": state.linear("embeddings.0", (s.flat, s.hidden)),
        "dense_2": state.linear("embeddings.2", (s.hidden, s.hidden)),
        "dense_3": state.linear("embeddings.4", (s.hidden, s.width)),
    }


def _from_tensorflow(state: State, s: Settings) -> dict[str, Any]:
    """TensorFlow's layouts are ours; only the names differ."""
    state.ignore(r"global_step|vggish/.*/(Adam|Adam_1)", "left by training")

    def take(name, *shape):
        return {
            "kernel": state.take(f"{TF}{name}/weights", shape),
            "bias": state.take(f"{TF}{name}/biases", shape[-1:]),
        }

    params, inputs = {}, 1
    for name, width in (step for step in s.plan if step != POOL):
        group = f"{name.split('_')[0]}/{name}" if "_" in name else name
        params[name] = take(group, 3, 3, inputs, width)
        inputs = width
    params["dense_1"] = take("fc1/fc1_1", s.flat, s.hidden)
    params["dense_2"] = take("fc1/fc1_2", s.hidden, s.hidden)
    params["dense_3"] = take("fc2", s.hidden, s.width)
    return params
