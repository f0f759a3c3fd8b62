"""Caffe's files, written here by hand after its schema, read back; damaged ones refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax import convert
from affectjax.backbones import caffe_model, vgg16
from affectjax.errors import UserError
from tests.backbones.parity import drawn, kept


def varint(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(array, old=False, packed=True):
    if old:
        four = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(i, n) for i, n in enumerate(four, 1))
    else:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    numbers = array.astype("<f4")
    if packed:
        return shape + field(5, numbers.tobytes())
    return shape + b"".join(varint(5 << 3 | 5) + n.tobytes() for n in numbers.ravel())


def model(layers, old=False, packed=True):
    """A whole file: a name, and layers {name: [arrays]} with a type beside them."""
    made = field(1, b"a network")
    for name, arrays in layers.items():
        blobs = b"".join(field(6 if old else 7, blob(a, old, packed)) for a in arrays)
        kind = field(5, 4) if old else field(2, b"Convolution")
        made += field(2 if old else 100, field(4 if old else 1, name.encode()) + kind + blobs)
    return made


LAYERS = {
    "conv1_1": [np.random.default_rng(0).normal(size=(6, 3, 3, 3)), np.arange(6.0)],
    "relu": [],
    "fc6": [np.random.default_rng(1).normal(size=(5, 200)), np.arange(5.0)],
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_layers_of_both_versions(old, packed):
    found = caffe_model.read(model(LAYERS, old, packed))
    assert set(found) == {"conv1_1.weight", "conv1_1.bias", "fc6.weight", "fc6.bias"}
    for name in ("conv1_1", "fc6"):
        for suffix, array in zip(("weight", "bias"), LAYERS[name]):
            np.testing.assert_array_equal(found[f"{name}.{suffix}"], array.astype(np.float32))


@given(st.integers(0, 10_000), st.binary(max_size=40), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_a_value_error_or_reads_as_arrays(cut, noise, byte):
    whole = model({"a": [np.ones((2, 3))], "b": [np.ones((1, 2)), np.ones(2)]})
    cut %= len(whole)
    flipped = whole[:cut] + bytes([byte]) + whole[cut + 1 :]
    for data in (whole[:cut], noise, whole[:cut] + noise, flipped):
        try:
            found = caffe_model.read(data)
        except ValueError:
            continue
        assert all(isinstance(array, np.ndarray) for array in found.values())


def test_a_scene_network_of_caffe_converts(tmp_path):
    arguments = dict(widths=(4, 6, 8, 10, 12))
    names = [step[0] for step in vgg16.Settings(**arguments).plan if step != "pool"]
    arrays = drawn(kept("vgg16")[0])
    keys = [key for key in arrays if key.startswith("features.")]
    keys.sort(key=lambda key: int(key.split(".")[1]))
    pairs = [key.rsplit(".", 1)[0] for key in keys[::2]]
    layers = {
        name: [arrays[f"{at}.weight"], arrays[f"{at}.bias"]] for name, at in zip(names, pairs)
    }
    file = tmp_path / "vgg16_places365.caffemodel"
    file.write_bytes(model(layers | {"fc8a": [np.ones((3, 4)), np.ones(3)]}))
    made, _ = convert.convert("places365", [str(file)], str(tmp_path / "out"), **arguments)
    assert made.settings.normalisation == "caffe"
    assert made.digest == convert.from_torch("places365", arrays, **arguments).digest
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="it ends too early"):
        convert.convert("places365", [str(file)], str(tmp_path / "out"), **arguments)
