"""Caffe's model files, read without Caffe: the arrays of every layer by its name.

Such a file is one protocol buffer. Only the few fields that hold names, shapes and numbers are
looked at; nothing in it can run.
"""

import math
import struct
from collections.abc import Iterator

import numpy as np

# Numbers of fields in Caffe's schema: layers today and of the first version, with where they keep
# their name and their blobs.
LAYERS = {100: (1, 7), 2: (4, 6)}
OLD_SIZES, NUMBERS, SHAPE, DOUBLES = (1, 2, 3, 4), 5, 7, 8
VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5  # kinds of values on the wire


def read(data: bytes) -> dict[str, np.ndarray]:
    """{"layer.weight": array, "layer.bias": array}; raises ValueError where the file is damaged."""
    found = {}
    for field, kind, value in fields(memoryview(data)):
        if kind != BYTES or field not in LAYERS:
            continue
        name_field, blob_field = LAYERS[field]
        name, blobs = "", []
        for inner, form, part in fields(value):
            if form == BYTES and inner == name_field:
                name = bytes(part).decode()
            elif form == BYTES and inner == blob_field:
                blobs.append(blob(part))
        for suffix, array in zip(("weight", "bias", *map(str, range(2, len(blobs)))), blobs):
            found[f"{name}.{suffix}"] = array.reshape(-1) if suffix == "bias" else array
    if not found:
        raise ValueError("it holds no layer with numbers")
    return found


def blob(data: memoryview) -> np.ndarray:
    """The array of one blob, float32; the fully connected ones of old files lose their ones."""
    old, shape, parts = {}, None, []
    for field, kind, value in fields(data):
        if field in OLD_SIZES and kind == VARINT:
            old[field] = value
        elif field == SHAPE and kind == BYTES:
            shape = [n for part in fields(value) for n in integers(part)]
        elif field in (NUMBERS, DOUBLES) and kind != VARINT:
            dtype = "<f4" if field == NUMBERS else "<f8"
            parts.append(np.frombuffer(value, dtype).astype(np.float32))
    array = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if shape is None:
        shape = [old.get(field, 1) for field in OLD_SIZES]
        shape = shape[2:] if shape[:2] == [1, 1] else shape
    if math.prod(shape) != array.size:
        raise ValueError(f"a shape of {shape} for {array.size} numbers")
    return array.reshape(shape)


def integers(part: tuple[int, int, int | memoryview]) -> list[int]:
    """The values of a repeated integer, one by one or packed."""
    _, kind, value = part
    if kind == VARINT:
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(number)
    return found


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(number, kind, value) of every field of a message; what has a length is not yet looked at."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = varint(data, at)
        else:
            if kind == BYTES:
                length, at = varint(data, at)
            elif kind in (WIDE, NARROW):
                length = struct.calcsize("<d" if kind == WIDE else "<f")
            else:
                raise ValueError("it is no protocol buffer")
            if at + length > len(data):
                raise ValueError("it ends too early")
            value, at = data[at : at + length], at + length
        yield number, kind, value


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, lowest first, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends too early")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("it is no protocol buffer")
