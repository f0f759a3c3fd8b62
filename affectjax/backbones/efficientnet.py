"""EfficientNet-B0: inverted bottlenecks with channel gates; torchvision's names or timm's."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from affectjax.backbones import efficientnet_names
from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from affectjax.layers.batch_norm import batch_norm, batch_norm_tree, statistics_tree
from affectjax.layers.convolution import conv2d, conv2d_tree, depthwise2d, depthwise2d_tree
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.pooling import average

Tree = Mapping[str, Any]

OUTPUTS = ("map", "pooled", "classes")
SQUEEZE = 4  # the gate's inner width is a quarter of the block's input


@dataclasses.dataclass(frozen=True)
class Settings:
    """A stage is (expansion, window, stride, outputs, blocks)."""

    stem: int = 32
    stages: tuple[tuple[int, int, int, int, int], ...] = (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    )
    features: int = 1280
    classes: int = 0  # of the checkpoint's own classifier; 0 leaves it out
    output: str = "pooled"  # "map" | "pooled" | "classes"
    normalisation: str = "imagenet"

    def __post_init__(self):
        if self.output not in OUTPUTS or (self.output == "classes" and not self.classes):
            mend = "Choose map or pooled, or classes with their number."
            raise UserError(f"efficientnet has no output {self.output!r}", mend=mend)


class Block(NamedTuple):
    """One inverted bottleneck."""

    stage: int
    index: int
    inputs: int
    inner: int
    outputs: int
    window: int
    stride: int

    @property
    def name(self) -> str:
        """What its parameters stand under."""
        return f"stage_{self.stage}_block_{self.index}"

    @property
    def units(self) -> dict[str, tuple[int, int, int]]:
        """{part: (window, inputs, outputs)}; the depthwise one has a single input a channel."""
        wide = {"expand": (1, self.inputs, self.inner)} if self.inner != self.inputs else {}
        return wide | {
            "depthwise": (self.window, 1, self.inner),
            "project": (1, self.inner, self.outputs),
        }

    @property
    def gate(self) -> dict[str, tuple[int, int]]:
        """{part: (inputs, outputs)} of the gate's two dense layers."""
        squeezed = max(1, self.inputs // SQUEEZE)
        return {"reduce": (self.inner, squeezed), "widen": (squeezed, self.inner)}


def plan(s: Settings) -> list[Block]:
    """All blocks in order, with their widths and strides."""
    blocks, inputs = [], s.stem
    for stage, (expansion, window, stride, outputs, count) in enumerate(s.stages):
        for i in range(count):
            step = 1 if i else stride
            inner = inputs * expansion
            blocks.append(Block(stage, i, inputs, inner, outputs, window, step))
            inputs = outputs
    return blocks


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters and statistics."""

    def unit(name, window, inputs, outputs):
        deep = name == "depthwise"
        conv = depthwise2d_tree(window, outputs) if deep else conv2d_tree(window, inputs, outputs)
        return {"conv": conv, "norm": batch_norm_tree(outputs)}

    params: dict[str, Any] = {"stem": unit("stem", 3, 3, s.stem)}
    stats: dict[str, Any] = {"stem": {"norm": statistics_tree(s.stem)}}
    for block in plan(s):
        params[block.name] = {name: unit(name, *shape) for name, shape in block.units.items()}
        params[block.name] |= {name: dense_tree(*sizes) for name, sizes in block.gate.items()}
        stats[block.name] = {
            name: {"norm": statistics_tree(shape[-1])} for name, shape in block.units.items()
        }
    params["last"] = unit("last", 1, s.stages[-1][3], s.features)
    stats["last"] = {"norm": statistics_tree(s.features)}
    if s.classes:
        params["head"] = dense_tree(s.features, s.classes)
    return {"params": params, "batch_stats": stats}


def apply(variables: Tree, x: jax.Array, s: Settings) -> jax.Array:
    """Normalised pictures x [B, H, W, 3] -> [B, H/32, W/32, D], [B, D] or [B, classes]."""
    return answer(variables, run(variables, x, s, False)[0], s)


def live(variables: Tree, x: jax.Array, s: Settings) -> tuple[jax.Array, Tree]:
    """As `apply`, normalised by the batch's own moments; and the statistics to store."""
    y, new = run(variables, x, s, True)
    return answer(variables, y, s), new


def answer(variables: Tree, y: jax.Array, s: Settings) -> jax.Array:
    """Of the last map [B, H, W, D]: itself, its mean [B, D], or class scores [B, K]."""
    if s.output == "map":
        return y
    y = average(y)
    return y if s.output == "pooled" else dense(variables["params"]["head"], y)


def run(variables: Tree, x: jax.Array, s: Settings, moving: bool) -> tuple[jax.Array, Tree]:
    """x [B, H, W, 3] -> the last map and the statistics to store."""
    p, stored = variables["params"], variables["batch_stats"]
    new: dict[str, Any] = {}
    x, new["stem"] = unit(p["stem"], stored["stem"], x, moving, 2)
    x = jax.nn.silu(x)
    for block in plan(s):
        x, new[block.name] = bottleneck(p[block.name], stored[block.name], x, block, moving)
    x, new["last"] = unit(p["last"], stored["last"], x, moving)
    return jax.nn.silu(x), new


def bottleneck(p: Tree, stored: Tree, x: jax.Array, block: Block, moving: bool):
    """Widen, look around in every channel, gate the channels, narrow."""
    new: dict[str, Any] = {}
    y = x
    for name in block.units:
        step = block.stride if name == "depthwise" else 1
        if name == "project":
            y = y * gate(p, y)[:, None, None]
        y, new[name] = unit(p[name], stored[name], y, moving, step)
        y = y if name == "project" else jax.nn.silu(y)
    same = block.stride == 1 and block.inputs == block.outputs
    return x + y if same else y, new


def gate(p: Tree, x: jax.Array) -> jax.Array:
    """x [B, H, W, D] -> [B, D] within 0..1."""
    return jax.nn.sigmoid(dense(p["widen"], jax.nn.silu(dense(p["reduce"], average(x)))))


def unit(p: Tree, stored: Tree, x: jax.Array, moving: bool, stride: int = 1):
    """A convolution, padded by half its window, or a depthwise one; then batch norm."""
    window, _, inputs, _ = p["conv"]["kernel"].shape
    conv = conv2d if inputs == x.shape[-1] else depthwise2d
    x = conv(p["conv"], x, stride, window // 2)
    x, norm = batch_norm(p["norm"], stored["norm"], x, moving)
    return x, {"norm": norm}


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """How many classes the checkpoint's own classifier knows; the sizes are B0's."""
    name = "classifier" if is_timm(state) else "classifier.1"
    if not state.keys(r"classifier\."):
        return {}
    return {"classes": state.shape(f"{name}.weight", 2)[0]}


def is_timm(state: State) -> bool:
    """Whether a checkpoint has timm's names."""
    return bool(state.keys(r"(conv_stem|blocks|conv_head)\."))


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """torchvision's names or timm's; the gates, 1 x 1 convolutions there, are dense layers here."""
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}
    ends, inside = efficientnet_names.of(is_timm(state))

    def unit(names, window, inputs, outputs):
        conv, norm = names
        learned, stored = state.batch_norm(norm, outputs)
        kernel = state.conv2d(conv, (window, window, inputs, outputs))
        return {"conv": kernel, "norm": learned}, {"norm": stored}

    def gate(name, inputs, outputs):
        p = state.conv2d(name, (1, 1, inputs, outputs), bias=True)
        return p | {"kernel": p["kernel"].reshape(inputs, outputs)}

    theirs = ends(len(s.stages))
    params["stem"], stats["stem"] = unit(theirs["stem"], 3, 3, s.stem)
    params["last"], stats["last"] = unit(theirs["last"], 1, s.stages[-1][3], s.features)
    if s.classes:
        params["head"] = state.linear(theirs["head"], (s.features, s.classes))
    else:
        state.ignore(r"classifier\..*", "the classifier")
    for block in plan(s):
        theirs = inside(block.stage, block.index, block.units)
        made = {name: unit(theirs[name], *shape) for name, shape in block.units.items()}
        gates = {name: gate(theirs[name], *sizes) for name, sizes in block.gate.items()}
        params[block.name] = {name: pair[0] for name, pair in made.items()} | gates
        stats[block.name] = {name: pair[1] for name, pair in made.items()}
    return {"params": params, "batch_stats": stats}
