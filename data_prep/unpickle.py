"""Pickles of plain containers and NumPy arrays, read without running anything that they ask for.

A pickle is a program that may call whatever it names. Here it can name nothing but stand-ins for
the few functions that arrays of NumPy 1 and 2 are written with, in protocols 0 to 5. They collect
what an array is said to be; the arrays are made afterwards, from what was checked.
"""

import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from affectjax.errors import UserError

MEND = "Only NumPy arrays and plain containers are read; nothing was run."


def load(path: str | os.PathLike) -> Any:
    """What a pickle holds, or one clear line."""
    try:
        with open(path, "rb") as file:
            return _made(_Reader(file).load(), {})
    except UserError as error:
        raise UserError(error.what, str(path), error.mend) from None
    except OSError as error:
        raise UserError(f"The file cannot be read: {error.strerror}", str(path)) from error
    except Exception as error:  # a damaged pickle raises whatever comes up
        what = f"The pickle cannot be read: {type(error).__name__}: {error}"
        raise UserError(what, str(path), "Is it damaged, or no pickle?") from error


class _Reader(pickle.Unpickler):
    """An unpickler that finds stand-ins only."""

    def find_class(self, module: str, name: str) -> Callable:
        place = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (place, name) not in ALLOWED:
            raise UserError(f"The pickle asks for {module}.{name}", mend=MEND)
        return ALLOWED[place, name]

    def persistent_load(self, pid: Any):
        raise UserError("The pickle refers to objects outside it", mend=MEND)


class _Fixed:
    """What a pickle cannot give a state of its own making; without this it sets any attribute."""

    def __setstate__(self, state: Any) -> None:
        raise UserError("The pickle changes what it may only call", mend=MEND)


class _StandIn(_Fixed):
    """A callable for a pickle; no class and no function, for those it could change for good."""

    __slots__ = ("call",)

    def __init__(self, call: Callable):
        self.call = call

    def __call__(self, *said: Any) -> Any:
        return self.call(*said)


class _Type:
    """A dtype: a letter and a width, and then its byte order."""

    def __init__(self, text: Any, *align_and_copy: Any):
        if not isinstance(text, str) or text[:1] not in "biufcSUO" or not text[1:].isdecimal():
            raise UserError(f"The pickle holds the type {text!r}", mend=MEND)
        self.text, self.order = text, "|"

    def __setstate__(self, state: Any) -> None:
        _, self.order, subarray, names, fields, *_ = state
        if self.order not in ("<", ">", "|", "=") or subarray or names or fields:
            raise UserError("The pickle holds a structured type", mend=MEND)

    def dtype(self) -> np.dtype:
        return np.dtype(self.text).newbyteorder(self.order)


class _Array:
    """An array: its shape, type, order and bytes, or a list where it holds objects."""

    def __init__(self, *said: Any):
        self.state = None

    def __setstate__(self, state: Any) -> None:
        _, *self.state = state

    def made(self, memo: dict[int, Any]) -> np.ndarray:
        shape, kind, columns_first, raw = self.state
        if not isinstance(kind, _Type) or kind.text[0] != "O":
            return _array(shape, kind, "F" if columns_first else "C", raw)
        flat = np.empty(len(raw), object)
        for i, value in enumerate(raw):
            flat[i] = _made(value, memo)
        return flat.reshape(shape)  # objects are listed row by row whatever the order


class _Buffer(_Fixed):
    """An array as protocol 5 writes it; in the order K its bytes are those of a transpose."""

    def __init__(self, raw: Any, kind: Any, shape: Any, order: Any, axes: Any = None):
        if order not in ("C", "F", "K") or (order == "K") != (axes is not None):
            raise UserError(f"The pickle holds an array of the order {order!r}", mend=MEND)
        if axes is not None and sorted(axes) != list(range(len(shape))):
            raise UserError(f"The pickle holds an array of the axes {axes!r}", mend=MEND)
        self.said, self.axes = (shape, kind, "F" if order == "F" else "C", raw), axes

    def made(self, memo: dict[int, Any]) -> np.ndarray:
        found = _array(*self.said)
        return found if self.axes is None else found.transpose(self.axes)


class _Scalar(_Fixed):
    def __init__(self, kind: Any, raw: Any = b""):
        self.kind, self.raw = kind, raw

    def made(self, memo: dict[int, Any]) -> Any:
        return _array((), self.kind, "C", self.raw)[()]


def _array(shape: Any, kind: Any, order: str, raw: Any) -> np.ndarray:
    if not isinstance(kind, _Type):
        raise UserError("The pickle holds an array or a number of no type", mend=MEND)
    dtype = kind.dtype()
    if dtype.hasobject or not dtype.itemsize or not isinstance(raw, (bytes, bytearray)):
        raise UserError("The pickle holds an array of another kind", mend=MEND)
    return np.ndarray(shape, dtype, bytes(raw), order=order).copy()  # refuses too few bytes


def _made(value: Any, memo: dict[int, Any]) -> Any:
    """The value with arrays in place of what was said of them.

    What is shared stays shared: a few lists, each twice in the next, would fill the memory.
    """
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, bytearray)):
        return value
    if id(value) not in memo:
        memo[id(value)] = _once(value, memo)
    return memo[id(value)]


def _once(value: Any, memo: dict[int, Any]) -> Any:
    match value:
        case _Array() | _Buffer() | _Scalar():
            return value.made(memo)
        case _Type():
            return value.dtype()
        case dict():
            return {_made(key, memo): _made(item, memo) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return type(value)(_made(item, memo) for item in value)
    raise UserError("The pickle holds a class", mend=MEND)  # a stand-in that nobody called


def _no_array(*said: Any) -> None:
    raise UserError("The pickle holds an array in another form", mend=MEND)


NDARRAY = _StandIn(_no_array)  # what the first argument of `_reconstruct` names


def _reconstruct(kind: Any, *rest: Any) -> _Array:
    if kind is not NDARRAY:
        raise UserError("The pickle holds an array of another class", mend=MEND)
    return _Array()


def _bytes(text: Any = "", name: Any = "latin1") -> bytes:
    """How protocols up to 2 write bytes."""
    if not isinstance(text, str) or name != "latin1":
        raise UserError("The pickle holds bytes in another form", mend=MEND)
    return text.encode("latin1")


def _bytearray(data: Any = "", *name: Any) -> bytearray:
    return bytearray(data if isinstance(data, bytes) else _bytes(data, *name))


def _plain(kind: type) -> Callable:
    def made(items: Any = ()) -> Any:
        if not isinstance(items, (list, tuple, dict)):
            raise UserError("The pickle holds a container in another form", mend=MEND)
        return kind(items)

    return made


def _named_plain(*said: Any) -> dict:
    return {}  # its items follow


ALLOWED: dict[tuple[str, str], _StandIn] = {
    ("numpy.core.multiarray", "_reconstruct"): _StandIn(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _StandIn(_Scalar),
    ("numpy.core.numeric", "_frombuffer"): _StandIn(_Buffer),
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _StandIn(_Type),
    ("collections", "OrderedDict"): _StandIn(_plain(dict)),
    ("collections", "defaultdict"): _StandIn(_named_plain),
    ("builtins", "set"): _StandIn(_plain(set)),
    ("builtins", "frozenset"): _StandIn(_plain(frozenset)),
    ("builtins", "list"): _StandIn(_plain(list)),
    ("builtins", "dict"): _StandIn(_plain(dict)),
    ("builtins", "bytes"): _StandIn(_bytes),
    ("builtins", "bytearray"): _StandIn(_bytearray),
    ("_codecs", "encode"): _StandIn(_bytes),
}
