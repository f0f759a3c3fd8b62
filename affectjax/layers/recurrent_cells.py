"""One step of an LSTM and of a GRU, and its gradient: formulas over [B, H] without any loop.

A cell is p = {"kernel" [H, G], "bias" [G]}, a GRU's also {"own" [H]}, the bias that its candidate
adds to the recurrent product, within the reach of the reset gate. Gates stand side by side in
torch's order: input, forget, candidate, output; reset, update, candidate.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from affectjax.layers.dense import dot

Array = jax.Array
Arrays = tuple[Array, ...]
Cell = Mapping[str, Array]

GATES = {"lstm": 4, "gru": 3}  # G = GATES * H
STATES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}


def lstm_step(p: Cell, z: Array, state: Arrays) -> tuple[Arrays, Arrays]:
    """z [B, 4H], the product with the inputs -> the next state, and the gates [B, 4H]."""
    hidden, cell = state
    z = z + p["bias"] + dot(hidden.astype(z.dtype), p["kernel"])
    i, f, g, o = jnp.split(z, 4, axis=-1)
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    cell = f * cell + i * g
    return (o * jnp.tanh(cell), cell), (jnp.concatenate([i, f, g, o], axis=-1),)


def lstm_back(
    p: Cell, gates: Arrays, before: Arrays, after: Arrays, d: Arrays
) -> tuple[Arrays, Arrays]:
    """d, the gradient of the state after -> that of z [B, 4H], and of the state before."""
    i, f, g, o = jnp.split(gates[0], 4, axis=-1)
    bent = jnp.tanh(after[1])
    d_cell = d[1] + d[0] * o * (1 - bent * bent)
    parts = [
        d_cell * g * i * (1 - i),
        d_cell * before[1] * f * (1 - f),
        d_cell * i * (1 - g * g),
        d[0] * bent * o * (1 - o),
    ]
    dz = jnp.concatenate(parts, axis=-1).astype(gates[0].dtype)
    return (dz,), (dot(dz, p["kernel"], (1, 1)), d_cell * f)


def lstm_sum(hidden: Array, dz: Arrays) -> dict[str, Array]:
    """hidden [R, H] before and dz [R, 4H] of all steps -> the gradient of p."""
    return {"kernel": dot(hidden, dz[0], (0, 0)), "bias": total(dz[0])}


def gru_step(p: Cell, z: Array, state: Arrays) -> tuple[Arrays, Arrays]:
    """As `lstm_step`; kept are the gates [B, 3H] and what the reset gate multiplies [B, H]."""
    (hidden,) = state
    own = dot(hidden.astype(z.dtype), p["kernel"])
    cut = 2 * hidden.shape[-1]
    z = z + p["bias"]
    r, u = jnp.split(jax.nn.sigmoid(z[:, :cut] + own[:, :cut]), 2, axis=-1)
    own = own[:, cut:] + p["own"]
    n = jnp.tanh(z[:, cut:] + r * own)
    return (n + u * (hidden - n),), (jnp.concatenate([r, u, n], axis=-1), own)


def gru_back(
    p: Cell, gates: Arrays, before: Arrays, after: Arrays, d: Arrays
) -> tuple[Arrays, Arrays]:
    """As `lstm_back`, and the gradient of what the reset gate multiplies [B, H]."""
    r, u, n = jnp.split(gates[0], 3, axis=-1)
    d_candidate = d[0] * (1 - u) * (1 - n * n)
    d_update = d[0] * (before[0] - n) * u * (1 - u)
    d_reset = d_candidate * gates[1] * r * (1 - r)
    d_own = (d_candidate * r).astype(gates[1].dtype)
    dz = jnp.concatenate([d_reset, d_update, d_candidate], axis=-1).astype(d_own.dtype)
    inner = jnp.concatenate([d_reset, d_update, d_candidate * r], axis=-1).astype(d_own.dtype)
    return (dz, d_own), (d[0] * u + dot(inner, p["kernel"], (1, 1)),)


def gru_sum(hidden: Array, dz: Arrays) -> dict[str, Array]:
    """As `lstm_sum`; the candidate's columns of the kernel see the reset gate's product alone."""
    gates, own = dz
    cut = 2 * own.shape[-1]
    parts = [dot(hidden, gates[:, :cut], (0, 0)), dot(hidden, own, (0, 0))]
    return {"kernel": jnp.concatenate(parts, -1), "bias": total(gates), "own": total(own)}


def total(x: Array) -> Array:
    """The sum over the batch, in float32."""
    return x.astype(jnp.float32).sum(0)


STEP = {"lstm": lstm_step, "gru": gru_step}
BACK = {"lstm": lstm_back, "gru": gru_back}
SUM = {"lstm": lstm_sum, "gru": gru_sum}
