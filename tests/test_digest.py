"""A digest is the same on every mesh, and no change of a value escapes it."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from affectjax import digest, sharding
from affectjax.digest import digests

TYPES = ("bool", "int8", "uint8", "int32", "uint32", "float16", "bfloat16", "float32", "complex64")


def values(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random bits: not-a-numbers, infinities and subnormal numbers among them."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape)) * kind.itemsize
    return np.frombuffer(rng.bytes(count), kind).reshape(shape)


def plain(array: np.ndarray) -> list[int]:
    """The same digest by a loop over values in Python's whole numbers."""

    def mix(x: int, first: int, second: int) -> int:
        x = (x ^ (x >> 16)) * first % 2**32
        x = (x ^ (x >> 15)) * second % 2**32
        return x ^ (x >> 16)

    words = 2 if array.dtype.kind == "c" else 1
    size = array.dtype.itemsize // words
    lanes = []
    for start, first, second in digest._LANES:
        total = 0
        for index in range(array.size):
            raw = array.reshape(-1)[index].tobytes()
            for number in range(words):
                bits = int.from_bytes(raw[number * size : (number + 1) * size], "little")
                place = mix((index * words + start + number) % 2**32, second, first)
                total += mix(bits ^ place, first, second)
        lanes.append(total % 2**32)
    return lanes


def of(array) -> list[int]:
    return digests({"x": array})["x"]


@pytest.mark.parametrize("dtype", TYPES)
def test_equals_the_plain_loop(dtype):
    array = values(dtype, (3, 4, 2))
    assert of(array) == plain(array)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (5,)])
def test_scalars_and_empty_arrays(shape):
    array = values("float32", shape)
    assert of(array) == plain(array)
    assert (of(array) == [0, 0]) == (array.size == 0)


@pytest.mark.parametrize("dtype", ["bool", "int8", "bfloat16", "float32"])
def test_every_sharding_agrees(dtype):
    array = values(dtype, (8, 4))
    for sizes in [(8, 1, 1), (2, 2, 2), (1, 4, 2)]:
        mesh = sharding.make_mesh(*sizes)
        for spec in [P(), P("data"), P("fsdp", "tensor"), P(("data", "fsdp")), P(None, "tensor")]:
            assert of(jax.device_put(array, NamedSharding(mesh, spec))) == plain(array), (
                sizes,
                spec,
            )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bit_flip_and_any_swap_shows(data):
    dtype = data.draw(st.sampled_from([t for t in TYPES if t != "bool"]))
    array = values(dtype, (4, 6), data.draw(st.integers(0, 99)))
    flipped = bytearray(array.tobytes())
    bit = data.draw(st.integers(0, len(flipped) * 8 - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    flipped = np.frombuffer(bytes(flipped), array.dtype).reshape(array.shape)
    before, after = of(array), of(flipped)
    assert before[0] != after[0] and before[1] != after[1]  # each lane alone sees one change

    i, j = data.draw(st.lists(st.integers(0, 23), min_size=2, max_size=2, unique=True))
    swapped = array.copy().reshape(-1)
    swapped[[i, j]] = swapped[[j, i]]
    same = swapped.tobytes() == array.tobytes()
    assert (of(swapped.reshape(array.shape)) == before) == same


def test_zeros_differ_by_sign_and_a_bool_by_value():
    assert of(np.float32(0.0)) != of(np.float32(-0.0))
    assert of(np.array([True, False])) != of(np.array([False, True]))


def test_copies_that_differ_are_told():
    mesh = sharding.make_mesh()
    pieces = [
        jax.device_put(np.full(3, i == 5, np.float32), d) for i, d in enumerate(jax.devices())
    ]
    apart = jax.make_array_from_single_device_arrays((3,), sharding.replicated(mesh), pieces)
    assert of(apart) == [-1, -1]


def test_needs_little_memory_and_no_exchange_between_devices():
    mesh = sharding.make_mesh(2, 2, 2)
    x = jax.device_put(jnp.zeros((1024, 1024)), NamedSharding(mesh, P("fsdp", "tensor")))
    compiled = digest._program(x.sharding, 2).lower(x).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 64 * 1024  # a block is 1 MiB
    for exchange in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert exchange not in compiled.as_text()
