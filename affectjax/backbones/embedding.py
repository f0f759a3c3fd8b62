"""A backbone at work: rows in, features out, compiled once a shape, spread over the devices.

Rows are cut into batches; the last is padded to a power of two, so that few shapes arise however
long the videos are. The next batch is under way while the last one's answer is fetched.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from affectjax import compiling
from affectjax.backbones import mtcnn, vggish, vggish_sound
from affectjax.backbones.preprocess import normalise
from affectjax.backbones.weights import Weights

AXIS = "data"
FACE = 160  # pixels of a face's side
FEWEST = 8  # rows of a program: to compile one for fewer takes longer than a few rows too many
AHEAD = 2  # batches on the device at a time


def program(extractor: Any) -> Callable[[np.ndarray], np.ndarray]:
    """rows [n, ...] -> float32 [n, D], for a `Backbone` of affectjax.backbones.extractors."""
    found, detector = extractor.read(), extractor.read_detector()
    dtype, post = extractor.settings["dtype"], extractor.settings.get("post", "none")
    variables = {"network": jax.tree.map(lambda x: narrowed(x, dtype), found.variables)}
    if detector is None:
        run = batched(
            lambda v, rows: features(found, v["network"], rows, dtype, post),
            variables,
            extractor.batch,
        )
    else:
        run = batched(
            lambda v, rows: face_features(found, detector, v, rows, dtype),
            variables | {"detector": detector.variables},
            extractor.batch,
        )
    if post != "quantised":
        return run
    return lambda rows: vggish_sound.quantise(run(rows), found.settings.rounding)


def features(
    found: Weights, variables: Mapping[str, Any], rows: jax.Array, dtype: str, post: str
) -> jax.Array:
    """Bytes of pictures, or what is no picture as it is -> the network's answer, float32.

    float32 means float32: GPUs would shorten its products unasked, and features would depend on
    where they were made. Who wants speed asks for bfloat16.
    """
    if hasattr(found.settings, "normalisation"):
        rows = normalise(rows, found.settings.normalisation)
    with jax.default_matmul_precision("highest" if dtype == "float32" else "default"):
        y = found.module.apply(variables, rows.astype(dtype), found.settings)
    if post != "none":
        with jax.default_matmul_precision("highest"):
            y = vggish.principal(variables, y)
    return y.astype(jnp.float32)


def face_features(
    found: Weights, detector: Weights, variables: Mapping[str, Any], frames: jax.Array, dtype: str
) -> jax.Array:
    """Bytes of pictures [B, H, W, 3] -> [B, D] of the largest face of each, or zeros."""
    with jax.default_matmul_precision("highest"):
        answers = mtcnn.apply(variables["detector"], frames, detector.settings)
        boxes, seen = jax.vmap(mtcnn.largest)(answers["boxes"], answers["found"])
        faces, some = jax.vmap(lambda frame, box: mtcnn.face(frame, box, FACE))(frames, boxes)
    y = features(found, variables["network"], faces, dtype, "none")
    return jnp.where((seen & some)[:, None], y, 0.0)


def batched(
    function: Callable[[Any, jax.Array], jax.Array],
    variables: Mapping[str, Any],
    batch: int = 64,
) -> Callable[[np.ndarray], np.ndarray]:
    """rows [n, ...] -> what `function(variables, rows)` makes of them, [n, ...]."""
    devices = jax.local_devices()
    mesh = jax.make_mesh((len(devices),), (AXIS,), (AxisType.Auto,), devices=devices)
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))
    variables = jax.device_put(variables, whole)
    options = compiling.options(widest(variables))
    compiled = jax.jit(function, out_shardings=split, compiler_options=options)

    def run(rows: np.ndarray) -> np.ndarray:
        waiting, done = [], []
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            size = -(-padded(len(part), batch) // len(devices)) * len(devices)
            full = np.pad(part, [(0, size - len(part)), *[(0, 0)] * (part.ndim - 1)])
            waiting.append((compiled(variables, jax.device_put(full, split)), len(part)))
            if len(waiting) >= AHEAD:
                done.append(fetch(*waiting.pop(0)))
        done += [fetch(*pair) for pair in waiting]
        if not done:
            one = jax.ShapeDtypeStruct((len(devices), *rows.shape[1:]), rows.dtype)
            answer = jax.eval_shape(function, variables, one)
            return np.zeros((0, *answer.shape[1:]), answer.dtype)
        return np.concatenate(done)

    return run


def padded(count: int, batch: int) -> int:
    """The next power of two, from FEWEST up to a whole batch."""
    return min(batch, max(FEWEST, 1 << (count - 1).bit_length()))


def fetch(answer: jax.Array, count: int) -> np.ndarray:
    """The first `count` rows on the host; the others were padding."""
    return np.asarray(answer)[:count]


def narrowed(x: np.ndarray, dtype: str) -> jax.Array:
    """Kernels in the type of the products; vectors, which norms read, stay as they are."""
    return jnp.asarray(x, dtype if np.ndim(x) > 1 else None)


def widest(variables: Mapping[str, Any]) -> int:
    """The most inputs that one plain product of the network sums over."""
    return max((x.shape[0] for x in jax.tree.leaves(variables) if x.ndim == 2), default=0)
