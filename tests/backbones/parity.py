"""Weights drawn from a seed for a checkpoint's keys, and how far two answers lie apart."""

import json
import pathlib

import jax
import numpy as np

from affectjax import convert
from affectjax.backbones import weights

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
TOLERANCE = 1e-4  # of the largest value, in float32


def drawn(shapes, seed=0):
    """{key: array}: activations keep their size from layer to layer, norms differ from 1 and 0."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for key, shape in sorted(shapes.items()):
        noise = rng.normal(size=shape).astype(np.float32)
        if key.endswith("num_batches_tracked"):
            noise = np.zeros(shape, np.int64)
        elif key.endswith("running_var"):
            noise = 1 + 0.5 * np.abs(noise)
        elif len(shape) > 1:
            noise *= np.float32((2 / np.prod(shape[1:])) ** 0.5)
        elif key.endswith(("weight", "gamma")):
            noise = 1 + 0.1 * noise
        else:
            noise *= 0.1
        arrays[key] = noise
    return arrays


def picture(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def further(ours, theirs):
    """The largest difference, relative to the largest value."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def answer(name, arrays, run, config=None, **arguments):
    """What our network makes of a checkpoint's arrays: run(module, variables, settings)."""
    found = convert.from_torch(name, arrays, config, **arguments)
    variables = jax.tree.map(jax.numpy.asarray, found.variables)
    with jax.default_matmul_precision("highest"):  # GPUs would take shorter products
        return jax.jit(lambda v: run(found.module, v, found.settings))(variables)


def differing(a, b):
    """Paths of the leaves that are not the same to the bit in two trees of arrays."""
    a, b = weights.flat(a), weights.flat(b)
    return [path for path in {**a, **b} if path not in a or path not in b
            or a[path].dtype != b[path].dtype or not np.array_equal(a[path], b[path])]  # fmt: skip


def shapes_of(twin):
    return {key: tuple(value.shape) for key, value in twin.state_dict().items()}


def load(twin, arrays):
    """The twin with these arrays, ready to answer."""
    import torch

    twin.load_state_dict({key: torch.tensor(value) for key, value in arrays.items()})
    return twin.eval()


def keep(name, shapes, outputs):
    """Write a golden file: the keys with their shapes, and what the twin answered."""
    told = np.frombuffer(json.dumps(shapes).encode(), np.uint8)
    np.savez_compressed(GOLDEN / f"{name}.npz", shapes=told, **outputs)


def kept(name):
    """({key: shape}, {output: array}) of a golden file."""
    with np.load(GOLDEN / f"{name}.npz") as found:
        shapes = json.loads(found["shapes"].tobytes())
        outputs = {key: found[key] for key in found.files if key != "shapes"}
    return {key: tuple(shape) for key, shape in shapes.items()}, outputs
