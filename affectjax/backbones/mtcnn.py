"""MTCNN: three small networks that find faces, from a pyramid of pictures to boxes and landmarks.

Shapes are static: of the candidates at every scale, and of what each network hands to the next,
the best so many are kept. Names are facenet-pytorch's; pictures are RGB bytes as decoded.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

from affectjax.backbones.area import resampled, running_sums
from affectjax.backbones.mtcnn_boxes import (
    best,
    cell_boxes,
    inside,
    moved,
    over_smaller,
    scales,
    squared,
    suppressed,
)
from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from affectjax.layers.convolution import conv2d, conv2d_tree
from affectjax.layers.dense import dense, dense_tree
from affectjax.layers.parameters import Leaf
from affectjax.layers.pooling import max_pool

Tree = Mapping[str, Any]

# (name, window, inputs, outputs, pooling window behind it or 0); all strides of pooling are 2.
CONVOLUTIONS = {
    "pnet": (("conv1", 3, 3, 10, 2), ("conv2", 3, 10, 16, 0), ("conv3", 3, 16, 32, 0)),
    "rnet": (("conv1", 3, 3, 28, 3), ("conv2", 3, 28, 48, 3), ("conv3", 2, 48, 64, 0)),
    "onet": (
        ("conv1", 3, 3, 32, 3), ("conv2", 3, 32, 64, 3), ("conv3", 3, 64, 64, 2),
        ("conv4", 2, 64, 128, 0),
    ),
}  # fmt: skip
# The dense layer behind them, and what answers: face or not, how to move the box, landmarks.
HIDDEN = {"rnet": ("dense4", 576, 128), "onet": ("dense5", 1152, 256)}
ANSWERS = {
    "pnet": (("conv4_1", 32, 2), ("conv4_2", 32, 4)),
    "rnet": (("dense5_1", 128, 2), ("dense5_2", 128, 4)),
    "onet": (("dense6_1", 256, 2), ("dense6_2", 256, 4), ("dense6_3", 256, 10)),
}
SIZES = {"rnet": 24, "onet": 48}  # of the crops
AT_ONCE = 32  # boxes of each picture


@dataclasses.dataclass(frozen=True)
class Settings:
    """How small a face may be, how sure it must be, and how many are kept."""

    smallest: int = 20  # side of the smallest face, in pixels
    factor: float = 0.709  # between two scales
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)  # of the three networks' scores
    candidates: int = 256  # kept of every scale
    proposals: int = 256  # shown to the second network
    faces: int = 64  # shown to the third, and answered

    def __post_init__(self):
        if min(self.smallest, self.candidates, self.proposals, self.faces) < 1:
            raise UserError("mtcnn keeps at least one box of at least one pixel")
        if not 0 < self.factor < 1:
            raise UserError(f"factor = {self.factor} makes no pyramid", mend="Take it within 0..1.")


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of the three networks' parameters."""

    def slope(width):
        return {"slope": Leaf((width,), initializers.constant(0.25))}

    nets: dict[str, Any] = {}
    for net, convolutions in CONVOLUTIONS.items():
        nets[net] = {
            name: conv2d_tree(window, inputs, outputs, bias=True) | slope(outputs)
            for name, window, inputs, outputs, _ in convolutions
        }
        if net in HIDDEN:
            name, inputs, outputs = HIDDEN[net]
            nets[net][name] = dense_tree(inputs, outputs) | slope(outputs)
        nets[net] |= {name: dense_tree(*sizes) for name, *sizes in ANSWERS[net]}
    return {"params": nets}


def apply(variables: Tree, x: jax.Array, s: Settings) -> dict[str, jax.Array]:
    """Pictures uint8 [B, H, W, 3] -> the best first, in pixels from 1, of N = s.faces places:

    boxes [B, N, 4] (left, top, right, bottom), scores [B, N], points [B, N, 5, 2] (x, y of eyes,
    nose and corners of the mouth) and found [B, N], which tells which places hold a face.
    """
    return jax.vmap(lambda picture: detect(variables["params"], picture, s))(x)


def detect(p: Tree, picture: jax.Array, s: Settings) -> dict[str, jax.Array]:
    """One picture uint8 [H, W, 3]; see `apply`."""
    sums = running_sums(picture)
    boxes, valid = propose(p["pnet"], sums, s)
    boxes, valid = refine(p["rnet"], sums, boxes, valid, s)
    return judge(p["onet"], sums, boxes, valid, s)


def propose(p: Tree, sums: jax.Array, s: Settings) -> tuple[jax.Array, jax.Array]:
    """Candidates of every scale -> square boxes [proposals, 4] and whether they are there."""
    height, width = (side - 1 for side in sums.shape[:2])
    found = []
    for scale in scales(height, width, s.smallest, s.factor):
        size = int(height * scale + 1), int(width * scale + 1)
        crop = resampled(sums, jnp.array([0, 0, width, height]), size)
        score, by = (y[0] for y in run("pnet", p, normalised(crop)[None])[:2])
        cells = jnp.asarray(cell_boxes(*score.shape, scale))
        flat = score.reshape(-1)
        chosen = best(s.candidates, flat, flat >= s.thresholds[0], cells, by.reshape(-1, 4))
        scores, valid, boxes, by = chosen
        found.append((scores, suppressed(boxes, valid, 0.5), boxes, by))
    if not found:  # the picture is smaller than the smallest face
        return jnp.zeros((s.proposals, 4)), jnp.zeros(s.proposals, bool)
    scores, valid, boxes, by = (jnp.concatenate(x) for x in zip(*found))
    _, valid, boxes, by = best(s.proposals, scores, valid, boxes, by)
    valid = suppressed(boxes, valid, 0.7)
    return squared(moved(boxes, by, 0.0)), valid


def refine(p: Tree, sums: jax.Array, boxes: jax.Array, valid: jax.Array, s: Settings):
    """Square boxes [N, 4] -> better ones [faces, 4], and whether they are there."""
    some, score, by = look("rnet", p, sums, boxes)
    valid = valid & some & (score > s.thresholds[1])
    _, valid, boxes, by = best(boxes.shape[0], score, valid, boxes, by)
    valid = suppressed(boxes, valid, 0.7)
    rank = -jnp.arange(len(valid), dtype=jnp.float32)
    _, valid, boxes, by = best(s.faces, rank, valid, boxes, by)
    return squared(moved(boxes, by, 1.0)), valid


def judge(p: Tree, sums: jax.Array, boxes: jax.Array, valid: jax.Array, s: Settings):
    """Square boxes [faces, 4] -> the answers of `apply` for one picture."""
    some, score, by, points = look("onet", p, sums, boxes)
    valid = valid & some & (score > s.thresholds[2])
    score, valid, boxes, by, points = best(len(valid), score, valid, boxes, by, points)
    sides = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
    points = points.reshape(-1, 2, 5).swapaxes(1, 2) * sides + boxes[:, None, :2] - 1
    boxes = moved(boxes, by, 1.0)
    valid = suppressed(boxes, valid, 0.7, over_smaller)
    rank = -jnp.arange(len(valid), dtype=jnp.float32)
    _, valid, boxes, points, score = best(len(valid), rank, valid, boxes, points, score)
    empty = ~valid
    return {
        "boxes": jnp.where(empty[:, None], 0.0, boxes),
        "scores": jnp.where(empty, 0.0, score),
        "points": jnp.where(empty[:, None, None], 0.0, points),
        "found": valid,
    }


def largest(boxes: jax.Array, found: jax.Array) -> tuple[jax.Array, jax.Array]:
    """boxes [N, 4], found [N] -> the box with the largest area [4], and whether there is any."""
    sides = jnp.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    place = jnp.argmax(jnp.where(found, sides[:, 0] * sides[:, 1], -1.0))
    return boxes[place], found.any()


def face(picture: jax.Array, box: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    """The part of a picture uint8 [H, W, 3] in a box, float32 0..255 [size, size, 3]; if any."""
    height, width = picture.shape[:2]
    boxes, some = inside(box[None], height, width)
    return resampled(running_sums(picture), boxes[0], (size, size)), some[0]


def look(net: str, p: Tree, sums: jax.Array, boxes: jax.Array) -> list[jax.Array]:
    """What a network says of the parts of a picture in boxes [N, 4]; first, if there is any part.

    A few boxes at a time: the maps of all boxes of a batch of pictures would fill the memory.
    """
    height, width = (side - 1 for side in sums.shape[:2])
    boxes, some = inside(boxes, height, width)
    size = (SIZES[net], SIZES[net])

    def one(box):
        crop = normalised(resampled(sums, box, size))
        return [answer[0] for answer in run(net, p, crop[None])]

    return [some, *jax.lax.map(one, boxes, batch_size=min(AT_ONCE, len(boxes)))]


def normalised(x: jax.Array) -> jax.Array:
    """Pixels from 0 to 255 as about -1 to 1."""
    return (x - 127.5) * 0.0078125


def run(net: str, p: Tree, x: jax.Array) -> list[jax.Array]:
    """Crops [B, H, W, 3] -> scores of faces [B] and the other answers [B, ...].

    The first network answers for every place of its map, [B, H', W', ...].
    """
    for name, *_, pooling in CONVOLUTIONS[net]:
        x = parametric_relu(p[name], conv2d(p[name], x))
        x = max_pool(x, pooling, 2, ceil=True) if pooling else x
    if net in HIDDEN:
        name = HIDDEN[net][0]
        x = x.swapaxes(1, 2).reshape(x.shape[0], -1)  # column by column, as the weights expect
        x = parametric_relu(p[name], dense(p[name], x))
    score, *others = (dense(p[name], x) for name, *_ in ANSWERS[net])
    return [jax.nn.softmax(score)[..., 1], *others]


def parametric_relu(p: Tree, x: jax.Array) -> jax.Array:
    """A ReLU whose negative side has a learned slope."""
    return jnp.maximum(x, 0) + p["slope"] * jnp.minimum(x, 0)


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays say nothing that could differ."""
    return {}


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """facenet-pytorch's names, each network's behind pnet., rnet. or onet."""
    nets: dict[str, Any] = {}
    for net, convolutions in CONVOLUTIONS.items():
        nets[net] = {}
        for number, (name, window, inputs, outputs, _) in enumerate(convolutions, 1):
            kernel = state.conv2d(f"{net}.{name}", (window, window, inputs, outputs), bias=True)
            slope = state.take(f"{net}.prelu{number}.weight", (outputs,))
            nets[net][name] = kernel | {"slope": slope}
        if net in HIDDEN:
            name, *sizes = HIDDEN[net]
            slope = state.take(f"{net}.prelu{len(convolutions) + 1}.weight", sizes[1:])
            nets[net][name] = state.linear(f"{net}.{name}", sizes) | {"slope": slope}
        for name, *sizes in ANSWERS[net]:
            if net == "pnet":
                p = state.conv2d(f"{net}.{name}", (1, 1, *sizes), bias=True)
                nets[net][name] = p | {"kernel": p["kernel"].reshape(sizes)}
            else:
                nets[net][name] = state.linear(f"{net}.{name}", sizes)
    return {"params": nets}
