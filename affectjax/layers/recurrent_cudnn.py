"""One LSTM layer by NVIDIA's cuDNN: the numbers of the loop, several times sooner on a GPU.

It knows lengths alone, so holes are closed before it and opened after; XLA cannot split it over
devices.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


def serves(cell: str, dtype: Any) -> bool:
    """Whether it is there for this: an LSTM in float32, one NVIDIA device."""
    if jax.default_backend() != "gpu" or jax.device_count() > 1:
        return False
    nvidia = "nvidia" in jax.devices()[0].device_kind.lower()
    return nvidia and cell == "lstm" and dtype == jnp.float32


def close_holes(x: Array, there: Array) -> tuple[Array, Array, Array]:
    """x [B, T, D], there bool [B, T] -> x with the steps that are there first, in their order,

    how many they are [B], and the order [B, T] that `open_holes` takes back.
    """
    order = jnp.argsort(~there, axis=1, stable=True)
    return jnp.take_along_axis(x, order[..., None], axis=1), there.sum(1), order


def open_holes(x: Array, order: Array) -> Array:
    """x [B, T, D] as it stood before `close_holes`."""
    return jnp.take_along_axis(x, jnp.argsort(order, axis=1)[..., None], axis=1)


def lstm_layer(
    layer: Sequence[Mapping[str, Any]], x: Array, lengths: Array, hidden: Array, cell: Array
) -> tuple[Array, Array, Array]:
    """x [B, T, D], lengths [B], hidden and cell [directions, B, H], parameters a direction

    -> outputs [B, T, directions * H], zeros beyond the lengths, and the last states.
    """
    from jax.experimental import rnn

    some = (lengths > 0)[:, None]  # cuDNN wants a step of each; what comes of it is put aside
    outputs, last, last_cell = rnn.lstm(
        x,
        hidden,
        cell,
        pack(layer),
        jnp.maximum(lengths, 1).astype(jnp.int32),
        x.shape[-1],
        hidden.shape[-1],
        1,
        0.0,
        len(layer) == 2,
        _precision(),
    )
    valid = jnp.arange(x.shape[1]) < lengths[:, None]
    outputs = jnp.where(valid[..., None], outputs, 0.0)
    return outputs, jnp.where(some, last, hidden), jnp.where(some, last_cell, cell)


def pack(layer: Sequence[Mapping[str, Any]]) -> Array:
    """The one vector that cuDNN reads: kernels of every direction, then two biases of each."""
    kernels = [q[part]["kernel"].T.ravel() for q in layer for part in ("input", "recurrent")]
    biases = [b for q in layer for b in (q["input"]["bias"], jnp.zeros_like(q["input"]["bias"]))]
    return jnp.concatenate([*kernels, *biases])


def _precision() -> jax.lax.Precision:
    """Short products unless full ones are asked for, as everywhere else."""
    full = jax.config.jax_default_matmul_precision in ("highest", "float32")
    return jax.lax.Precision.HIGHEST if full else jax.lax.Precision.HIGH
