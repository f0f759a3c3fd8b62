"""LSTM and GRU layers, stacked, in one direction or both, over sequences of any lengths, even none.

A step that is not there gives zeros and changes no state, so a sequence of length 0 ends in its
initial state. The formulas and the order of the gates are torch's; of its two biases, which add up,
only one stands here wherever they cannot be told apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from affectjax.errors import UserError
from affectjax.layers.dense import dense, dropout, fold
from affectjax.layers.parameters import Leaf
from affectjax.layers.recurrent_cells import GATES, STATES
from affectjax.layers.recurrent_cudnn import close_holes, lstm_layer, open_holes, serves
from affectjax.layers.recurrent_loop import over_time

Array = jax.Array
States = dict[str, Array]  # "hidden" and, of an LSTM, "cell": [layers, directions, B, H]


@dataclass(frozen=True)
class Recurrent:
    """What the layers are made of; the functions below read it and hold no state."""

    cell: str  # "lstm" | "gru"
    inputs: int  # D
    hidden: int  # H of one direction
    layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0  # between layers, never after the last
    form: str = "auto"  # "loop" | "cudnn" | "auto": by backend

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that are read, by name."""
        return ("forward", "backward") if self.bidirectional else ("forward",)


def parameters(s: Recurrent) -> dict[str, Any]:
    """Shapes and initialisers: {"layer_0": {"forward": {"input", "recurrent"}, ...}, ...}."""
    gates = GATES[s.cell] * s.hidden

    def small(key, shape, dtype):
        limit = s.hidden**-0.5
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    def direction(inputs: int) -> dict[str, Any]:
        recurrent = {"kernel": Leaf((s.hidden, gates), small)}
        if s.cell == "gru":
            recurrent["bias"] = Leaf((s.hidden,), small)
        first = {"kernel": Leaf((inputs, gates), small), "bias": Leaf((gates,), small)}
        return {"input": first, "recurrent": recurrent}

    tree: dict[str, Any] = {}
    inputs = s.inputs
    for i in range(s.layers):
        tree[f"layer_{i}"] = {name: direction(inputs) for name in s.directions}
        inputs = len(s.directions) * s.hidden
    return tree


def apply(
    p: Mapping[str, Any],
    x: Array,
    there: Array,
    s: Recurrent,
    initial: States | None = None,
    key: Array | None = None,
) -> tuple[Array, States]:
    """x [B, T, D], there: lengths [B] or a mask bool [B, T] -> outputs [B, T, directions * H]

    of the last layer and the last states. What stands in steps that are not there, even NaN,
    reaches nothing. `key` is for dropout; none, no dropout.
    """
    batch, steps, _ = x.shape
    many, names = len(s.directions), STATES[s.cell]
    mask = jnp.arange(steps) < there[:, None] if there.ndim == 1 else there
    x = jnp.where(mask[..., None], x, jnp.zeros_like(x))
    if initial is None:
        zeros = jnp.zeros((s.layers, many, batch, s.hidden), jnp.float32)
        initial = {name: zeros for name in names}
    form, order = _form(s, x.dtype), None
    if form == "loop":
        x = x.swapaxes(0, 1)  # loops run over the first axis
    elif there.ndim == 2:
        x, there, order = close_holes(x, there)
    found = []
    for i in range(s.layers):
        x = dropout(fold(key, i) if i else None, x, s.dropout)
        layer = [p[f"layer_{i}"][name] for name in s.directions]
        start = [initial[name][i] for name in names]
        if form == "cudnn":
            x, *last = lstm_layer(layer, x, there, *start)
        else:
            x, last = _loop(s.cell, layer, x, mask.T, start)
        found.append(last)
    finals = {name: jnp.stack([last[j] for last in found]) for j, name in enumerate(names)}
    if form == "loop":
        x = x.swapaxes(0, 1)
    return x if order is None else open_holes(x, order), finals


def _loop(
    cell: str, layer: Sequence[Mapping[str, Any]], x: Array, there: Array, start: Sequence[Array]
) -> tuple[Array, list[Array]]:
    """x [T, B, D], there [T, B], start [directions, B, H] a state -> outputs, last states."""
    z = tuple(dense({"kernel": q["input"]["kernel"]}, x) for q in layer)
    initial = tuple(tuple(state[d] for state in start) for d in range(len(layer)))
    cells = tuple(_cell(q, x.dtype) for q in layer)
    sequences, last = over_time(cell, cells, z, there, initial)
    y = jnp.concatenate(sequences, axis=-1).astype(x.dtype)
    last = [jnp.stack([ends[j] for ends in last]) for j in range(len(start))]
    return jnp.where(there[..., None], y, jnp.zeros_like(y)), last


def _cell(p: Mapping[str, Any], dtype: Any) -> dict[str, Array]:
    """One direction's arrays as the loop reads them: the inputs' bias is added there."""
    own = {"own": p["recurrent"]["bias"]} if "bias" in p["recurrent"] else {}
    cell = {"kernel": p["recurrent"]["kernel"], "bias": p["input"]["bias"], **own}
    return {name: x.astype(dtype) for name, x in cell.items()}


def _form(s: Recurrent, dtype: Any) -> str:
    """The form for the backend at hand, or a refusal of one that cannot be had."""
    served = serves(s.cell, dtype)
    if s.form == "auto":
        return "cudnn" if served else "loop"
    if s.form == "cudnn" and not served:
        raise UserError(
            "cuDNN serves LSTMs in float32 on one NVIDIA device",
            "form = 'cudnn'",
            "Take form = 'auto'.",
        )
    return s.form


def last_states(finals: States) -> Array:
    """Finals -> float32 [B, directions * H]: where the last layer ended, both directions."""
    last = finals["hidden"][-1]
    return jnp.concatenate(list(last), axis=-1)


def flops(s: Recurrent, steps: float) -> float:
    """FLOPs of the products of a forward pass over `steps` steps of all sequences together."""
    gates, many = GATES[s.cell] * s.hidden, len(s.directions)
    inputs = [s.inputs] + [many * s.hidden] * (s.layers - 1)
    return 2.0 * steps * many * gates * sum(width + s.hidden for width in inputs)


def from_torch(state: Mapping[str, np.ndarray], s: Recurrent, prefix: str = "") -> dict[str, Any]:
    """Arrays of torch.nn.LSTM or GRU, under their names there -> ours."""
    tree: dict[str, Any] = {}
    for i in range(s.layers):
        tree[f"layer_{i}"] = {}
        for name, suffix in zip(s.directions, ("", "_reverse")):
            kernel, own, bias, own_bias = (
                np.asarray(state[f"{prefix}{array}_l{i}{suffix}"], np.float32)
                for array in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            recurrent = {"kernel": own.T}
            if s.cell == "gru":  # the candidate's own bias lies within the reset gate's reach
                cut = 2 * s.hidden
                recurrent["bias"] = own_bias[cut:]
                own_bias = np.concatenate([own_bias[:cut], np.zeros_like(own_bias[cut:])])
            first = {"kernel": kernel.T, "bias": bias + own_bias}
            tree[f"layer_{i}"][name] = {"input": first, "recurrent": recurrent}
    return tree
