"""Xception: separable convolutions; with the wide layer that describes the expression of a face.

Names are those of the public ImageNet weights. There are none of the network trained on faces: it
is trained by its user, and its two last layers are `fc.0` (to 3072) and `fc.2` (to the classes),
with a ReLU in between, of which the first is the description.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from affectjax.layers.batch_norm import batch_norm, batch_norm_tree, statistics_tree
from affectjax.layers.convolution import conv2d, conv2d_tree, depthwise2d, depthwise2d_tree
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.pooling import average, max_pool

Tree = Mapping[str, Any]

OUTPUTS = ("map", "pooled", "face", "classes")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of the network; Chollet's, with the added layer for faces, by default."""

    stem: tuple[int, int] = (32, 64)
    entry: tuple[int, ...] = (128, 256, 728)  # blocks that halve the picture
    middle: int = 8  # blocks that keep it
    leave: tuple[int, int, int] = (1024, 1536, 2048)  # a block that halves, two convolutions
    face: int = 3072  # width of the added layer; 0 leaves it out
    classes: int = 0  # of the checkpoint's own classifier; 0 leaves it out
    output: str = "face"  # "map" | "pooled" | "face" | "classes"
    normalisation: str = "symmetric"

    def __post_init__(self):
        needed = {"face": self.face, "classes": self.classes}
        if self.output not in OUTPUTS or not needed.get(self.output, 1):
            mend = "Choose map or pooled, or state how wide that layer is."
            raise UserError(f"xception has no output {self.output!r}", mend=mend)

    @property
    def features(self) -> int:
        """Width of what describes a picture."""
        return self.face if self.output == "face" else self.leave[-1]


class Block(NamedTuple):
    """Separable convolutions beside a shortcut."""

    name: str
    widths: tuple[tuple[int, int], ...]  # (inputs, outputs) of each convolution
    stride: int
    relu_first: bool

    @property
    def inputs(self) -> int:
        """Channels that come in."""
        return self.widths[0][0]

    @property
    def outputs(self) -> int:
        """Channels that go out."""
        return self.widths[-1][1]


def plan(s: Settings) -> list[Block]:
    """All blocks in order, with their widths and strides."""
    blocks, inputs = [], s.stem[1]
    for width in s.entry:
        blocks.append(Block(f"block{len(blocks) + 1}", ((inputs, width), (width, width)), 2,
                            bool(blocks)))  # fmt: skip
        inputs = width
    for _ in range(s.middle):
        blocks.append(Block(f"block{len(blocks) + 1}", ((inputs, inputs),) * 3, 1, True))
    last = ((inputs, inputs), (inputs, s.leave[0]))
    return [*blocks, Block(f"block{len(blocks) + 1}", last, 2, True)]


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters and statistics."""
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}

    def whole(window, inputs, outputs):
        learned = {"conv": conv2d_tree(window, inputs, outputs), "norm": batch_norm_tree(outputs)}
        return learned, {"norm": statistics_tree(outputs)}

    def separable(inputs, outputs):
        learned = {
            "depthwise": depthwise2d_tree(3, inputs),
            "pointwise": conv2d_tree(1, inputs, outputs),
            "norm": batch_norm_tree(outputs),
        }
        return learned, {"norm": statistics_tree(outputs)}

    params["conv1"], stats["conv1"] = whole(3, 3, s.stem[0])
    params["conv2"], stats["conv2"] = whole(3, *s.stem)
    for block in plan(s):
        made = {f"unit_{i}": separable(*sizes) for i, sizes in enumerate(block.widths)}
        if has_shortcut(block):
            made["shortcut"] = whole(1, block.inputs, block.outputs)
        params[block.name] = {name: pair[0] for name, pair in made.items()}
        stats[block.name] = {name: pair[1] for name, pair in made.items()}
    for i, name in enumerate(("conv3", "conv4")):
        params[name], stats[name] = separable(*s.leave[i : i + 2])
    params |= {name: dense_tree(*sizes) for name, sizes in heads(s).items()}
    return {"params": params, "batch_stats": stats}


def has_shortcut(block: Block) -> bool:
    """Whether the input needs a convolution of its own to be added."""
    return block.stride != 1 or block.inputs != block.outputs


def heads(s: Settings) -> dict[str, tuple[int, int]]:
    """The dense layers behind the pooling: {name: (inputs, outputs)}."""
    found, width = {}, s.leave[-1]
    if s.face:
        found["face"], width = (width, s.face), s.face
    if s.classes:
        found["head"] = (width, s.classes)
    return found


def apply(variables: Tree, x: jax.Array, s: Settings) -> jax.Array:
    """Normalised pictures x [B, H, W, 3] -> [B, H/32, W/32, D] or [B, D]."""
    return answer(variables, run(variables, x, s, False)[0], s)


def live(variables: Tree, x: jax.Array, s: Settings) -> tuple[jax.Array, Tree]:
    """As `apply`, normalised by the batch's own moments; and the statistics to store."""
    y, new = run(variables, x, s, True)
    return answer(variables, y, s), new


def answer(variables: Tree, y: jax.Array, s: Settings) -> jax.Array:
    """Of the last map [B, H, W, D]: itself, its mean, the face layer, or class scores."""
    p = variables["params"]
    if s.output == "map":
        return y
    y = average(y)
    if s.face and s.output != "pooled":
        y = jax.nn.relu(dense(p["face"], y))
    return dense(p["head"], y) if s.output == "classes" else y


def run(variables: Tree, x: jax.Array, s: Settings, moving: bool) -> tuple[jax.Array, Tree]:
    """x [B, H, W, 3] -> the last map and the statistics to store."""
    p, stored = variables["params"], variables["batch_stats"]
    new: dict[str, Any] = {}
    for name, stride in (("conv1", 2), ("conv2", 1)):
        x, new[name] = unit(p[name], stored[name], x, moving, stride)
        x = jax.nn.relu(x)
    for block in plan(s):
        x, new[block.name] = residual(p[block.name], stored[block.name], x, block, moving)
    for name in ("conv3", "conv4"):
        x, new[name] = unit(p[name], stored[name], x, moving)
        x = jax.nn.relu(x)
    return x, new


def residual(p: Tree, stored: Tree, x: jax.Array, block: Block, moving: bool):
    """One block: (its output, the new statistics)."""
    new: dict[str, Any] = {}
    y = x
    for i in range(len(block.widths)):
        y = jax.nn.relu(y) if i or block.relu_first else y
        y, new[f"unit_{i}"] = unit(p[f"unit_{i}"], stored[f"unit_{i}"], y, moving)
    if block.stride != 1:
        y = max_pool(y, 3, block.stride, 1)
    if has_shortcut(block):
        here = p["shortcut"], stored["shortcut"]
        x, new["shortcut"] = unit(*here, x, moving, block.stride)
    return x + y, new


def unit(p: Tree, stored: Tree, x: jax.Array, moving: bool, stride: int = 1):
    """A convolution, unpadded, or a separable one, padded; then batch norm."""
    if "conv" in p:
        x = conv2d(p["conv"], x, stride)
    else:
        x = conv2d(p["pointwise"], depthwise2d(p["depthwise"], x, 1, 1))
    x, norm = batch_norm(p["norm"], stored["norm"], x, moving)
    return x, {"norm": norm}


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the checkpoint knows faces, and how many classes."""
    if not state.keys(r"fc\.\d"):
        last = "last_linear" if state.keys(r"last_linear\.") else "fc"
        classes = state.shape(f"{last}.weight", 2)[0] if state.keys(rf"{last}\.") else 0
        return {"face": 0, "classes": classes, "output": "pooled"}
    found = {"face": state.shape("fc.0.weight", 2)[0], "output": "face"}
    if state.keys(r"fc\.2\."):
        found["classes"] = state.shape("fc.2.weight", 2)[0]
    return found


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """The names of the public weights, whose last layer is `fc` or `last_linear`."""
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}

    def whole(conv, norm, window, inputs, outputs):
        learned, stored = state.batch_norm(norm, outputs)
        kernel = state.conv2d(conv, (window, window, inputs, outputs))
        return {"conv": kernel, "norm": learned}, {"norm": stored}

    def separable(conv, norm, inputs, outputs):
        learned, stored = state.batch_norm(norm, outputs)
        kernels = {
            "depthwise": state.conv2d(f"{conv}.conv1", (3, 3, 1, inputs)),
            "pointwise": state.conv2d(f"{conv}.pointwise", (1, 1, inputs, outputs)),
        }
        return {**kernels, "norm": learned}, {"norm": stored}

    params["conv1"], stats["conv1"] = whole("conv1", "bn1", 3, 3, s.stem[0])
    params["conv2"], stats["conv2"] = whole("conv2", "bn2", 3, *s.stem)
    for block in plan(s):
        made = {}
        for i, sizes in enumerate(block.widths):
            at = 3 * i + block.relu_first  # a ReLU, a convolution and a norm each
            rep = f"{block.name}.rep"
            made[f"unit_{i}"] = separable(f"{rep}.{at}", f"{rep}.{at + 1}", *sizes)
        if has_shortcut(block):
            names = f"{block.name}.skip", f"{block.name}.skipbn"
            made["shortcut"] = whole(*names, 1, block.inputs, block.outputs)
        params[block.name] = {name: pair[0] for name, pair in made.items()}
        stats[block.name] = {name: pair[1] for name, pair in made.items()}
    for i, name in enumerate(("conv3", "conv4")):
        params[name], stats[name] = separable(name, f"bn{i + 3}", *s.leave[i : i + 2])
    last = "last_linear" if state.keys(r"last_linear\.") else "fc"
    theirs = {"face": "fc.0", "head": "fc.2" if s.face else last}
    params |= {name: state.linear(theirs[name], sizes) for name, sizes in heads(s).items()}
    if not s.classes:
        state.ignore(r"fc\.2\..*" if s.face else r"(fc|last_linear)\..*", "the classifier")
    return {"params": params, "batch_stats": stats}
