"""A recurrent layer over time with its gradient written out; absent steps change no state.

The products with the inputs are made before the loop, for all steps at once. The backward loop
keeps the gradient of every step's gates, so that the recurrent kernel's gradient is one product
after it: inside, where the derived gradient has it, it takes most of the time. The rest is moving
memory, so the gates are written over the products that they come from.
"""

from functools import partial

import jax
import jax.numpy as jnp

from affectjax.layers.recurrent_cells import BACK, STEP, SUM, Array, Arrays, Cell


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def over_time(
    cell: str, p: tuple[Cell, ...], z: Arrays, there: Array, initial: tuple[Arrays, ...]
) -> tuple[Arrays, tuple[Arrays, ...]]:
    """All directions of a layer in one loop: the first runs forward, the second backward.

    p, z [T, B, G] and initial (states [B, H]) have an entry a direction; there: bool [T, B]
    -> hidden states [T, B, H], held at absent steps, and the last states, an entry a direction.
    """
    states, last, _ = _run(cell, p, z, there, initial)
    return tuple(s[0] for s in states), last


def _run(cell, p, z, there, initial):
    """Every state after every step [T, B, H], the last, and what the steps keep [T, B, ...]."""
    steps = there.shape[0]

    def body(step, carry):
        new = []
        for d, (state, states, kept) in enumerate(carry):
            t = _place(d, step, steps)
            found, gates = STEP[cell](p[d], _at(kept[0], t), state)
            valid = _at(there, t)[:, None]
            state = tuple(jnp.where(valid, x, old) for x, old in zip(found, state))
            new.append((state, _put(states, state, t), _put(kept, gates, t)))
        return new

    carry = []
    for d, state in enumerate(initial):
        empty = tuple(jnp.zeros((steps, *x.shape), x.dtype) for x in state)
        extra = () if cell == "lstm" else (jnp.zeros((steps, *state[0].shape), z[d].dtype),)
        carry.append((state, empty, (z[d], *extra)))
    end = jax.lax.fori_loop(0, steps, body, carry)
    return [e[1] for e in end], tuple(e[0] for e in end), [e[2] for e in end]


def _forward(cell, p, z, there, initial):
    states, last, kept = _run(cell, p, z, there, initial)
    return (tuple(s[0] for s in states), last), (p, there, initial, states, kept)


def _backward(cell, saved, d_found):
    p, there, initial, states, kept = saved
    d_hidden, d_last = d_found
    steps = there.shape[0]

    def body(i, carry):
        new = []
        for d, (d_state, dz) in enumerate(carry):
            t = _place(d, steps - 1 - i, steps)
            earlier = _place(d, steps - 2 - i, steps)
            first = i == steps - 1
            before = tuple(
                jnp.where(first, x, _at(s, earlier)) for x, s in zip(initial[d], states[d])
            )
            after = tuple(_at(s, t) for s in states[d])
            gates = tuple(_at(x, t) for x in kept[d])
            d_state = (d_state[0] + _at(d_hidden[d], t), *d_state[1:])
            found, d_before = BACK[cell](p[d], gates, before, after, d_state)
            valid = _at(there, t)[:, None]
            d_state = tuple(jnp.where(valid, x, held) for x, held in zip(d_before, d_state))
            found = tuple(jnp.where(valid, x, jnp.zeros_like(x)) for x in found)
            new.append((d_state, _put(dz, found, t)))
        return new

    carry = [(d_last[d], jax.tree.map(jnp.zeros_like, kept[d])) for d in range(len(p))]
    end = jax.lax.fori_loop(0, steps, body, carry)
    d_p = []
    for d, (_, dz) in enumerate(end):
        hidden = _shifted(d, states[d][0], initial[d][0]).astype(dz[0].dtype)
        rows = [x.reshape(-1, x.shape[-1]) for x in (hidden, *dz)]
        found = SUM[cell](rows[0], tuple(rows[1:]))
        d_p.append({name: found[name].astype(x.dtype) for name, x in p[d].items()})
    return tuple(d_p), tuple(e[1][0] for e in end), None, tuple(e[0] for e in end)


over_time.defvjp(_forward, _backward)


def _place(direction: int, step: Array, steps: int) -> Array:
    """Where in time the direction's `step` lies."""
    return step if direction == 0 else steps - 1 - step


def _at(x: Array, t: Array) -> Array:
    return jax.lax.dynamic_index_in_dim(x, t, 0, keepdims=False)


def _put(buffers: Arrays, values: Arrays, t: Array) -> Arrays:
    write = jax.lax.dynamic_update_index_in_dim
    return tuple(write(x, v.astype(x.dtype), t, 0) for x, v in zip(buffers, values))


def _shifted(direction: int, states: Array, initial: Array) -> Array:
    """The state before every step, from those after every step [T, B, H]."""
    if direction == 0:
        return jnp.concatenate([initial[None], states[:-1]])
    return jnp.concatenate([states[1:], initial[None]])
