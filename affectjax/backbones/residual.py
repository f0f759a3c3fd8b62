"""Residual networks over pictures or snippets, with torchvision's names: one plan for both.

A network is a stem, four stages of blocks, each stage at half the size, and perhaps a classifier.
`resnet` and `resnet3d` fix the number of axes. Batch norm uses the stored statistics, or the
batch's own in `live`, which also answers with the statistics to store.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from affectjax.layers.batch_norm import batch_norm, batch_norm_tree, statistics_tree
from affectjax.layers.convolution import conv2d, conv2d_tree, conv3d, conv3d_tree
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.pooling import average, max_pool

Tree = Mapping[str, Any]

EXPANSION = {"basic": 1, "bottleneck": 4}
DEPTHS = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
}
OUTPUTS = ("map", "pooled", "classes")
# A network cut out of its class as a torch Sequential, relu and pooling in between, numbers parts.
SEQUENTIAL = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


@dataclasses.dataclass(frozen=True)
class Residual:
    """What a network is made of; the length of `stem` is the number of axes of space."""

    depth: int = 50  # names block and blocks where these are left empty
    block: str = ""  # "basic" | "bottleneck"
    blocks: tuple[int, ...] = ()  # of every stage
    width: int = 64  # of the stem and the first stage
    channels: int = 3
    stem: tuple[int, ...] = (7, 7)  # window
    stem_stride: tuple[int, ...] = (2, 2)
    shortcut: str = "B"  # where the size changes: "A" zeros for new channels, "B" a convolution
    classes: int = 0  # of the checkpoint's own classifier; 0 leaves it out
    output: str = "pooled"  # "map" | "pooled" | "classes"
    normalisation: str = "imagenet"

    def __post_init__(self):
        known = ", ".join(map(str, DEPTHS))
        if not self.blocks and self.depth not in DEPTHS:
            raise UserError(f"There is no residual network of {self.depth}", mend=f"Take {known}.")
        if self.output not in OUTPUTS:
            outputs = ", ".join(OUTPUTS)
            raise UserError(f"output = {self.output!r} is unknown", mend=f"Choose from {outputs}.")
        if self.output == "classes" and not self.classes:
            raise UserError("output = 'classes' needs a classifier", mend="Set classes.")
        if not self.blocks:
            object.__setattr__(self, "blocks", DEPTHS[self.depth][1])
        if not self.block:
            object.__setattr__(self, "block", DEPTHS[self.depth][0])

    @property
    def features(self) -> int:
        """Width of the last map."""
        return self.width * 2 ** (len(self.blocks) - 1) * EXPANSION[self.block]


def plan(s: Residual):
    """(stage, block, inputs, width, outputs, stride) of every block, in order."""
    inputs = s.width
    for stage, count in enumerate(s.blocks):
        width = s.width * 2**stage
        outputs = width * EXPANSION[s.block]
        for block in range(count):
            yield stage, block, inputs, width, outputs, 2 if stage and not block else 1
            inputs = outputs


def shapes(s: Residual, inputs: int, width: int, outputs: int, stride: int):
    """{unit: (window, inputs, outputs)} of one block."""
    axes = len(s.stem)
    one, three = (1,) * axes, (3,) * axes
    if s.block == "basic":
        units = {"unit_1": (three, inputs, width), "unit_2": (three, width, outputs)}
    else:
        units = {
            "unit_1": (one, inputs, width),
            "unit_2": (three, width, width),
            "unit_3": (one, width, outputs),
        }
    if s.shortcut == "B" and (stride != 1 or inputs != outputs):
        units["shortcut"] = (one, inputs, outputs)
    return units


def tree(s: Residual) -> dict[str, Any]:
    """Shapes and initialisers of all parameters and statistics."""
    make = conv2d_tree if len(s.stem) == 2 else conv3d_tree
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}

    def unit(window, inputs, outputs):
        learned = {"conv": make(window, inputs, outputs), "norm": batch_norm_tree(outputs)}
        return learned, {"norm": statistics_tree(outputs)}

    params["stem"], stats["stem"] = unit(s.stem, s.channels, s.width)
    for stage, block, *sizes in plan(s):
        made = {name: unit(*shape) for name, shape in shapes(s, *sizes).items()}
        for place, side in ((params, 0), (stats, 1)):
            stages = place.setdefault(f"stage_{stage + 1}", {})
            stages[f"block_{block}"] = {name: pair[side] for name, pair in made.items()}
    if s.classes:
        params["head"] = dense_tree(s.features, s.classes)
    return {"params": params, "batch_stats": stats}


def apply(variables: Tree, x: jax.Array, s: Residual) -> jax.Array:
    """Normalised x [B, *space, channels] -> map [B, *space', D], [B, D] or [B, classes]."""
    return answer(variables, run(variables, x, s, False)[0], s)


def live(variables: Tree, x: jax.Array, s: Residual) -> tuple[jax.Array, Tree]:
    """As `apply`, normalised by the batch's own moments; and the statistics to store."""
    y, new = run(variables, x, s, True)
    return answer(variables, y, s), new


def answer(variables: Tree, y: jax.Array, s: Residual) -> jax.Array:
    """Of the last map [B, ..., D]: itself, its mean [B, D], or class scores [B, K]."""
    if s.output == "map":
        return y
    y = average(y)
    return y if s.output == "pooled" else dense(variables["params"]["head"], y)


def run(variables: Tree, x: jax.Array, s: Residual, moving: bool) -> tuple[jax.Array, Tree]:
    """x [B, *space, channels] -> the last map and the statistics to store."""
    p, stored = variables["params"], variables["batch_stats"]
    new: dict[str, Any] = {}
    x, new["stem"] = unit(p["stem"], stored["stem"], x, s.stem_stride, moving)
    x = max_pool(jax.nn.relu(x), 3, 2, 1)
    for stage, block, _, _, outputs, stride in plan(s):
        place, name = f"stage_{stage + 1}", f"block_{block}"
        here = p[place][name], stored[place][name]
        x, new.setdefault(place, {})[name] = residual(*here, x, outputs, stride, moving)
    return x, new


def residual(
    p: Tree, stored: Tree, x: jax.Array, outputs: int, stride: int, moving: bool
) -> tuple[jax.Array, Tree]:
    """One block; the stride lies on its first window of three."""
    new = {}
    y = x
    units = [name for name in p if name != "shortcut"]
    strided = "unit_1" if len(units) == 2 else "unit_2"
    for name in sorted(units):
        step = stride if name == strided else 1
        y, new[name] = unit(p[name], stored[name], y, step, moving)
        y = y if name == max(units) else jax.nn.relu(y)
    if "shortcut" in p:
        here = p["shortcut"], stored["shortcut"]
        x, new["shortcut"] = unit(*here, x, stride, moving)
    elif stride != 1 or x.shape[-1] != outputs:
        x = x[(slice(None), *(slice(None, None, stride),) * (x.ndim - 2))]
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, outputs - x.shape[-1])])
    return jax.nn.relu(x + y), new


def unit(p: Tree, stored: Tree, x: jax.Array, stride: Any, moving: bool) -> tuple[jax.Array, Tree]:
    """A convolution, padded by half its window, and its batch norm."""
    conv = conv2d if x.ndim == 4 else conv3d
    padding = [size // 2 for size in p["conv"]["kernel"].shape[:-2]]
    x, norm = batch_norm(p["norm"], stored["norm"], conv(p["conv"], x, stride, padding), moving)
    return x, {"norm": norm}


def read_settings(state: State, axes: int) -> dict[str, Any]:
    """The sizes that the arrays show."""
    width, channels, *stem = state.shape("conv1.weight", axes + 2)
    found = {
        "block": "bottleneck" if state.keys(r"layer\d\.0\.(conv|bn)3\.") else "basic",
        "blocks": tuple(count for count in (_blocks(state, i) for i in range(1, 5)) if count),
        "width": width,
        "channels": channels,
        "stem": tuple(stem),
        "shortcut": "B" if state.keys(r"layer\d\.0\.downsample") else "A",
    }
    if state.keys(r"fc\."):
        found["classes"] = state.shape("fc.weight", 2)[0]
    return found


def _blocks(state: State, stage: int) -> int:
    numbers = (re.match(rf"layer{stage}\.(\d+)\.", key) for key in state.keys())
    return max((int(found[1]) + 1 for found in numbers if found), default=0)


def from_torch(
    state: State, s: Residual, prefix: str = "", sequential: bool = False
) -> dict[str, Any]:
    """torchvision's names after `prefix`; a classifier that is not wanted is left aside."""

    def key(name):
        part, dot, rest = name.partition(".")
        return prefix + (SEQUENTIAL[part] if sequential else part) + dot + rest

    axes = len(s.stem)
    kernel = state.conv2d if axes == 2 else state.conv3d
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}

    def unit(conv, norm, window, inputs, outputs):
        learned, stored = state.batch_norm(key(norm), outputs)
        kernels = kernel(key(conv), (*window, inputs, outputs))
        return {"conv": kernels, "norm": learned}, {"norm": stored}

    params["stem"], stats["stem"] = unit("conv1", "bn1", s.stem, s.channels, s.width)
    for stage, block, *sizes in plan(s):
        at = f"layer{stage + 1}.{block}"
        for name, shape in shapes(s, *sizes).items():
            number = name.removeprefix("unit_")
            theirs = (f"{at}.conv{number}", f"{at}.bn{number}")
            if name == "shortcut":
                theirs = (f"{at}.downsample.0", f"{at}.downsample.1")
            place = f"stage_{stage + 1}", f"block_{block}"
            made = unit(*theirs, *shape)
            for side, arrays in zip((params, stats), made):
                side.setdefault(place[0], {}).setdefault(place[1], {})[name] = arrays
    if s.classes:
        params["head"] = state.linear(f"{prefix}fc", (s.features, s.classes))
    else:
        state.ignore(re.escape(prefix) + r"fc\..*", "the checkpoint's own classifier")
    return {"params": params, "batch_stats": stats}
