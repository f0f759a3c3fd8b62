"""A digest per array that any mesh computes without gathering: equal bits, equal digest.

Each value's bits are mixed with its global index and the results summed as uint32, twice with
different constants. A sum does not care in which order or on which device its terms arise, so
every sharding agrees; for a given index the mixing is one-to-one, so a change of any one value
always shows, and other changes stay hidden with a chance of about 2**-64.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from affectjax.sharding import named_leaves

# (start of the index mixing, two odd multipliers) for each lane
_LANES = ((0x9E3779B9, 0x7FEB352D, 0x846CA68B), (0x3C6EF372, 0x21F0AAAD, 0xD35A2D97))


def digests(tree: Any) -> dict[str, list[int]]:
    """{path: two numbers below 2**32} of every array; all processes of a mesh call it together.

    Copies of an array on several devices must agree; where they do not, the numbers are -1.
    """
    leaves = {path: jnp.asarray(leaf) for path, leaf in named_leaves(tree).items()}
    # No program exchanges anything between devices, so many may be under way at once; the few
    # bytes that they make are added up here.
    parts = [_program(leaf.sharding, leaf.ndim)(leaf) for leaf in leaves.values()]
    shared = np.zeros((len(parts), 2), np.uint32)
    found: list[list[int] | None] = []
    for leaf, part, row in zip(leaves.values(), parts, shared):
        lanes = {shard.device: np.asarray(shard.data)[0] for shard in part.addressable_shards}
        blocks: dict[str, np.ndarray] = {}
        agree = True
        for shard in leaf.addressable_shards:
            one = lanes[shard.device]
            agree &= bool((blocks.setdefault(str(shard.index), one) == one).all())
            if shard.replica_id == 0:
                row += one
        whole = math.prod(-(-n // b) for n, b in zip(leaf.shape, _block(leaf)) if n)
        if not agree:
            found.append([-1, -1])
        elif len(blocks) == whole:  # this process holds all of it and vouches for its own copy
            found.append(_numbers(sum(blocks.values())))
        else:
            found.append(None)
    if jax.process_count() > 1:
        shared = multihost_utils.process_allgather(shared).sum(0, dtype=np.uint32)
    return {
        path: _numbers(row) if own is None else own for path, own, row in zip(leaves, found, shared)
    }


def _block(leaf: jax.Array) -> tuple[int, ...]:
    return leaf.sharding.shard_shape(leaf.shape)


def _numbers(lanes: np.ndarray) -> list[int]:
    return [int(lane) for lane in lanes]


@functools.cache
def _program(sharding: Any, rank: int) -> Callable[[Any], jax.Array]:
    """Jitted: array -> uint32 [devices, 2], each device's part of the sum."""
    if not isinstance(sharding, NamedSharding):
        return jax.jit(lambda x: _partial(x, [0] * x.ndim, x.shape)[None])
    mesh, spec = sharding.mesh, sharding.spec
    axes = [() if a is None else (a,) if isinstance(a, str) else tuple(a) for a in spec]
    axes += [()] * (rank - len(axes))

    def local(x: jax.Array) -> jax.Array:
        ways = [math.prod(mesh.shape[a] for a in along) for along in axes]
        starts = [lax.axis_index(along) * n if along else 0 for along, n in zip(axes, x.shape)]
        return _partial(x, starts, [n * way for n, way in zip(x.shape, ways)])[None]

    every = PartitionSpec(tuple(mesh.axis_names))
    return jax.jit(jax.shard_map(local, mesh=mesh, in_specs=spec, out_specs=every, check_vma=False))


def _partial(x: jax.Array, starts: Sequence[Any], shape: Sequence[int]) -> jax.Array:
    """uint32 [2] of a block that begins at `starts` in an array of `shape`."""
    index = jnp.zeros(x.shape, jnp.uint32)
    for axis, start in enumerate(starts):
        stride = jnp.uint32(math.prod(shape[axis + 1 :]) % 2**32)
        along = lax.broadcasted_iota(jnp.uint32, x.shape, axis) + jnp.asarray(start, jnp.uint32)
        index += along * stride
    words = _words(x)
    terms = [jnp.zeros(x.shape, jnp.uint32)] * len(_LANES)
    for number, word in enumerate(words):
        for lane, (start, first, second) in enumerate(_LANES):
            place = _mix(index * len(words) + jnp.uint32(start + number), second, first)
            terms[lane] += _mix(word ^ place, first, second)
    # One reduction of both: XLA's CPU backend would write each lane's terms to memory.
    zeros = (jnp.uint32(0),) * len(_LANES)
    return jnp.stack(lax.reduce(tuple(terms), zeros, _add, tuple(range(x.ndim))))


def _add(a: Sequence[jax.Array], b: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
    return tuple(x + y for x, y in zip(a, b))


def _mix(x: jax.Array, first: int, second: int) -> jax.Array:
    """One-to-one on uint32: shifts onto lower bits and odd multipliers can be undone."""
    x = (x ^ (x >> 16)) * jnp.uint32(first)
    x = (x ^ (x >> 15)) * jnp.uint32(second)
    return x ^ (x >> 16)


def _words(x: jax.Array) -> list[jax.Array]:
    """The bits of each value as uint32 arrays of x's shape: one, or more for wide types."""
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        return _words(x.real) + _words(x.imag)
    if x.dtype == jnp.bool_:
        return [x.astype(jnp.uint32)]
    if x.dtype.itemsize == 8:
        pair = lax.bitcast_convert_type(x, jnp.uint32)
        return [pair[..., 0], pair[..., 1]]
    unsigned = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[x.dtype.itemsize]
    return [lax.bitcast_convert_type(x, unsigned).astype(jnp.uint32)]
