"""OpenPose's body network: a VGG19 trunk, stages that refine maps of limbs and joints, and what a
model of actions adds after the trunk.

The trunk answers with 128 channels at an eighth of the size. The added part is two groups of
convolution and halving maximum and a dense layer; it has no published weights and is trained on
the data at hand while the trunk stays as it is.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.backbones.torch_state import State
from affectjax.backbones.vgg import (
    POOL,
    Plan,
    convolve,
    stack,
    stack_from_torch,
    stack_tree,
)
from affectjax.layers.convolution import conv2d_tree
from affectjax.layers.dense import dense, dense_tree

FIELDS, JOINTS = 38, 19  # maps of the two branches


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of the trunk and its stages; the published body network by default."""

    widths: tuple[int, ...] = (64, 128, 256, 512)  # of VGG19's first four groups
    narrow: tuple[int, int] = (256, 128)  # of the last two convolutions of the trunk
    stages: int = 6  # 0: the trunk alone
    hidden: int = 512  # of the first stage's last layer but one
    added: tuple[int, ...] = ()  # widths of the added convolutions and of the dense layer
    size: tuple[int, int] = (368, 368)  # H, W that the added dense layer is made for
    normalisation: str = "openpose"

    @property
    def plan(self) -> Plan:
        """The trunk's layers: (name, width) of convolutions, and poolings."""
        (a, b, c, d), (e, f) = self.widths, self.narrow
        return (
            *((f"conv1_{i}", a) for i in (1, 2)),
            POOL,
            *((f"conv2_{i}", b) for i in (1, 2)),
            POOL,
            *((f"conv3_{i}", c) for i in (1, 2, 3, 4)),
            POOL,
            *((f"conv4_{i}", d) for i in (1, 2)),
            ("conv4_3_CPM", e),
            ("conv4_4_CPM", f),
        )

    @property
    def added_plan(self) -> Plan:
        """The added convolutions, each with a pooling."""
        return tuple(
            step
            for i, width in enumerate(self.added[:-1], 1)
            for step in ((f"conv{i}", width), POOL)
        )

    @property
    def flat(self) -> int:
        """Values that reach the added dense layer."""
        shrink = 8 * 2 ** (len(self.added) - 1)
        return (self.size[0] // shrink) * (self.size[1] // shrink) * self.added[-2]


def stage_plan(stage: int, branch: int, s: Settings) -> list[tuple[str, int, int]]:
    """(name, kernel, width) of one branch of a stage, numbered from 1."""
    maps, end = (FIELDS, JOINTS)[branch - 1], f"L{branch}"
    width = s.narrow[-1]
    if stage == 1:
        plan = [(f"conv5_{i}_CPM_{end}", 3, width) for i in (1, 2, 3)]
        return plan + [(f"conv5_4_CPM_{end}", 1, s.hidden), (f"conv5_5_CPM_{end}", 1, maps)]
    plan = [(f"Mconv{i}_stage{stage}_{end}", 7, width) for i in range(1, 6)]
    names = (f"Mconv6_stage{stage}_{end}", f"Mconv7_stage{stage}_{end}")
    return plan + [(names[0], 1, width), (names[1], 1, maps)]


def _stage_layers(s: Settings):
    """(stage, branch, name, kernel, in, out) of every convolution of the stages."""
    for stage in range(1, s.stages + 1):
        for branch in (1, 2):
            inputs = s.narrow[-1] + (FIELDS + JOINTS if stage > 1 else 0)
            for name, kernel, width in stage_plan(stage, branch, s):
                yield stage, branch, name, kernel, inputs, width
                inputs = width


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters."""
    params: dict[str, Any] = {"trunk": stack_tree(s.plan, 3)}
    if s.stages:
        params["stages"] = {
            name: conv2d_tree(kernel, inputs, width, bias=True)
            for _, _, name, kernel, inputs, width in _stage_layers(s)
        }
    if s.added:
        params["added"] = added_tree(s)
    return {"params": params}


def added_tree(s: Settings) -> dict[str, Any]:
    """The part that a model of actions trains: its widths are `added`, the last the answer's."""
    return {
        **stack_tree(s.added_plan, s.narrow[-1]),
        "dense": dense_tree(s.flat, s.added[-1]),
    }


def trunk(variables: Mapping[str, Any], x: jax.Array, s: Settings) -> jax.Array:
    """Normalised pictures x [B, H, W, 3] -> [B, H / 8, W / 8, 128]."""
    return stack(variables["params"]["trunk"], x, s.plan)


def poses(variables: Mapping[str, Any], x: jax.Array, s: Settings) -> tuple[jax.Array, jax.Array]:
    """x as for `trunk` -> maps of limbs [B, h, w, 38] and of joints [B, h, w, 19]."""
    p = variables["params"]["stages"]
    features = trunk(variables, x, s)
    x, maps = features, []
    for stage in range(1, s.stages + 1):
        maps = []
        for branch in (1, 2):
            h = x
            *inner, last = stage_plan(stage, branch, s)
            for name, _, _ in inner:
                h = jax.nn.relu(convolve(p[name], h))
            maps.append(convolve(p[last[0]], h))
        x = jnp.concatenate([*maps, features], axis=-1)
    return maps[0], maps[1]


def added(p: Mapping[str, Any], features: jax.Array, s: Settings) -> jax.Array:
    """features [B, h, w, 128] of the trunk -> [B, last of `added`]."""
    x = stack(p, features, s.added_plan)
    return dense(p["dense"], x.reshape(x.shape[0], -1))


def apply(variables: Mapping[str, Any], x: jax.Array, s: Settings) -> jax.Array:
    """One vector a picture: the added part's if there is one, else the trunk's mean over places."""
    features = trunk(variables, x, s)
    if s.added:
        return added(variables["params"]["added"], features, s)
    return features.mean((1, 2))


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """How many stages a checkpoint holds."""
    stages = [key.split("_stage")[1][0] for key in state.arrays if "_stage" in key]
    first = any("conv5_1_CPM" in key for key in state.arrays)
    return {"stages": max([int(first), *(int(n) for n in stages if n.isdigit())])}


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """body_pose_model.pth's names, with or without those of the blocks around them."""
    block = {key.split(".", 1)[1]: key for key in state.keys(r"model\d(_\d)?\.")}

    def key(name: str) -> str:
        return block.get(f"{name}.weight", f"{name}.weight").removesuffix(".weight")

    names = [key(step[0]) for step in s.plan if step != POOL]
    params = {"trunk": stack_from_torch(state, s.plan, 3, names)}
    if s.stages:
        params["stages"] = {
            name: state.conv2d(key(name), (kernel, kernel, inputs, width), bias=True)
            for _, _, name, kernel, inputs, width in _stage_layers(s)
        }
    return {"params": params}
