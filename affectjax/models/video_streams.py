"""Networks at the beginning of a video's two streams: snippets of frames, and stretches of MFCC.

Batch norm uses the stored statistics, or in training the batch's own, which then move the stored
ones. A network that is frozen gets no gradient, and its backward pass is never made; its rule in
the optimiser must be 0 as well, or weight decay would still shrink it.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax.backbones import residual, resnet, resnet3d
from affectjax.backbones.preprocess import normalise
from affectjax.errors import UserError
from affectjax.layers.batch_norm import Variables

NORMS = ("stored", "live")


class Network(nn.Module):
    """A residual network over many small pictures or snippets at once."""

    settings: residual.Residual
    norms: str = "stored"
    frozen: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Normalised x [R, *space, channels] -> the last map [R, *space', D]."""
        tree = residual.tree(self.settings)
        variables = Variables(tree["params"], tree["batch_stats"], name="net")
        arrays = variables()
        if self.frozen:
            arrays = arrays | {"params": jax.lax.stop_gradient(arrays["params"])}
        moving = train and self.norms == "live"
        y, new = residual.run(arrays, x, self.settings, moving)
        if moving:
            variables(new)
        return jax.lax.stop_gradient(y) if self.frozen else y


class Sight(nn.Module):
    """Snippets -> a map each."""

    network: Mapping[str, Any]  # settings of `backbones.resnet3d`
    norms: str = "stored"
    frozen: bool = False
    dtype: str = "float32"

    @nn.compact
    def __call__(self, batch: Mapping[str, jax.Array], train: bool) -> tuple[jax.Array, jax.Array]:
        """frames uint8 [B, T, F, H, W, 3] -> [B, T, m, n] and bool [B, T], which are there."""
        settings = resnet3d.Settings(**_tuples(self.network))
        x, there = batch["frames"], batch["present/frames"]
        rows = normalise(x.reshape(-1, *x.shape[2:]), settings.normalisation).astype(self.dtype)
        y = Network(settings, self.norms, self.frozen, name="net")(rows, train)
        y = y.mean(1)  # what is left of time within a snippet
        y = y.reshape(*x.shape[:2], -1, y.shape[-1])
        return jnp.where(there[..., None, None], y, jnp.zeros_like(y)), there


class Sound(nn.Module):
    """Stretches of MFCC -> a vector each, the mean of the last map."""

    network: Mapping[str, Any]  # settings of `backbones.resnet`
    norms: str = "stored"
    frozen: bool = False
    dtype: str = "float32"
    resize: int = 0  # side of a square that a stretch is stretched to; 0: as it is

    @nn.compact
    def __call__(self, batch: Mapping[str, jax.Array], train: bool) -> tuple[jax.Array, jax.Array]:
        """mfcc [B, T, R, D] -> [B, T, n] and bool [B, T], which are there."""
        settings = resnet.Settings(**_tuples(self.network))
        x, there = batch["mfcc"], batch["present/mfcc"]
        rows = x.reshape(-1, *x.shape[2:], 1).astype(self.dtype)
        if self.resize:
            rows = jax.image.resize(rows, (len(rows), self.resize, self.resize, 1), "linear")
        if settings.channels > 1:
            rows = jnp.repeat(rows, settings.channels, -1)
        y = Network(settings, self.norms, self.frozen, name="net")(rows, train)
        y = y.mean((1, 2)).reshape(*x.shape[:2], -1)
        return jnp.where(there[..., None], y, jnp.zeros_like(y)), there


def sight_width(network: Mapping[str, Any]) -> int:
    """Width of what the network of pictures gives."""
    return resnet3d.Settings(**_tuples(network)).features


def sound_width(network: Mapping[str, Any]) -> int:
    """Width of what the network of sound gives."""
    return resnet.Settings(**_tuples(network)).features


def sight_flops(network: Mapping[str, Any], batch: Mapping[str, np.ndarray], frames: int) -> float:
    """FLOPs of one pass over a host batch's snippets that are there, of so many frames each."""
    _, _, _, *picture = batch["frames"].shape
    once = _flops(resnet3d.Settings(**_tuples(network)), (frames, *picture))
    return float(batch["present/frames"].sum()) * once


def sound_flops(
    network: Mapping[str, Any], batch: Mapping[str, np.ndarray], resize: int = 0
) -> float:
    """FLOPs of one pass over the stretches of MFCC of a host batch that are there."""
    settings = resnet.Settings(**_tuples(network))
    space = (resize, resize) if resize else batch["mfcc"].shape[2:]
    return float(batch["present/mfcc"].sum()) * _flops(settings, (*space, settings.channels))


@functools.cache
def _flops(settings: residual.Residual, shape: tuple[int, ...]) -> float:
    """Those of the network on one picture or snippet, as the compiler counts them."""
    network = Network(settings, parent=None)  # asked from within a model, it is no part of that
    x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, False), x)
    run = jax.jit(lambda v, x: network.apply(v, x, False))
    try:  # the CPU's compiler counts before it compiles, others afterwards alone
        where = jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS names no CPU
        where = contextlib.nullcontext()
    with where:
        lowered = run.lower(variables, x)
        return float((lowered.cost_analysis() or lowered.compile().cost_analysis())["flops"])


def check_networks(norms: str, frozen: Sequence[str], given: Mapping[str, Mapping]) -> None:
    """`given` {"sight": settings, "sound": settings}, empty where features are read instead."""
    if norms not in NORMS:
        raise UserError(f"norms = {norms!r} is unknown", "model.norms", "Use stored or live.")
    for name in frozen:
        if not given.get(name):
            raise UserError(f"there is no network '{name}' to freeze", "model.frozen")


def _tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
