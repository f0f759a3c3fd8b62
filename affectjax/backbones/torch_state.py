"""A torch state dict, read key by key: nothing missing, nothing mis-shaped, nothing left over.

Each backbone's `from_torch(state, ...)` takes what it needs in our layouts (kernels [in, out],
[H, W, in, out] and [T, H, W, in, out]); shapes are given as ours. Faults are collected on the way,
a faulty entry reads as zeros, and `finish` reports all of them in one line.
"""

import difflib
import re
from collections.abc import Mapping

import numpy as np

from affectjax.errors import UserError

SHOWN = 12  # keys of each kind of fault that the message lists
MEND = "Check that the checkpoint is of this network, of this size."
WRAPPERS = ("module.",)  # left behind by torch's parallel wrappers


class State:
    """The arrays of a checkpoint, and which of them have been asked for."""

    def __init__(self, arrays: Mapping[str, np.ndarray], where: str = ""):
        self.where = where
        self.arrays = without_wrappers(arrays)
        self.used: set[str] = set()
        self.ignored: dict[str, str] = {}  # key -> why
        self.missing: list[str] = []
        self.misshapen: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def keys(self, pattern: str = "") -> list[str]:
        """The keys that `pattern` finds from their start, in the checkpoint's order."""
        return [key for key in self.arrays if re.match(pattern, key)]

    def shape(self, key: str, rank: int) -> tuple[int, ...]:
        """The shape of an array that tells the network's size; without it nothing can be read."""
        shape = np.shape(self.arrays[key]) if key in self.arrays else None
        if shape is not None and len(shape) == rank:
            return shape
        told = f"missing: {key}" if shape is None else f"another shape: {key} {list(shape)}"
        near = difflib.get_close_matches(key, self.arrays, 1)
        mend = f"The nearest key in it is {near[0]}." if shape is None and near else MEND
        raise UserError(f"The checkpoint does not fit: {told}", self.where, mend)

    def take(self, key: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The array as the checkpoint holds it, floating numbers as float32."""
        self.used.add(key)
        if key not in self.arrays:
            self.missing.append(key)
            return np.zeros(shape or (), np.float32)
        array = np.asarray(self.arrays[key])
        if shape is not None and array.shape != tuple(shape):
            self.misshapen.append(f"{key} {list(array.shape)} for {list(shape)}")
            return np.zeros(shape, np.float32)
        return array if array.dtype.kind in "iub" else array.astype(np.float32)

    def ignore(self, pattern: str, why: str) -> None:
        """Keys that `pattern` matches as a whole are known, and not needed because of `why`."""
        for key in self.arrays:
            if re.fullmatch(pattern, key):
                self.ignored[key] = why

    def linear(
        self, prefix: str, shape: tuple[int, int] | None = None, bias: bool = True
    ) -> dict[str, np.ndarray]:
        """shape (in, out) -> {"kernel" [in, out], "bias" [out]}."""
        return self._kernel(prefix, shape, 2, bias)

    def conv1d(
        self, prefix: str, shape: tuple[int, int, int] | None = None, bias: bool = False
    ) -> dict[str, np.ndarray]:
        """shape (length, in, out) -> {"kernel" [length, in, out], "bias" [out] if asked for}."""
        return self._kernel(prefix, shape, 3, bias)

    def conv2d(
        self, prefix: str, shape: tuple[int, int, int, int] | None = None, bias: bool = False
    ) -> dict[str, np.ndarray]:
        """shape (H, W, in, out) -> {"kernel" [H, W, in, out], "bias" [out] if asked for}.

        A grouped convolution has `in` divided by the groups, in both layouts.
        """
        return self._kernel(prefix, shape, 4, bias)

    def conv3d(
        self, prefix: str, shape: tuple[int, int, int, int, int] | None = None, bias: bool = False
    ) -> dict[str, np.ndarray]:
        """shape (T, H, W, in, out) -> {"kernel" of that shape, "bias" [out] if asked for}."""
        return self._kernel(prefix, shape, 5, bias)

    def norm(self, prefix: str, width: int | None = None) -> dict[str, np.ndarray]:
        """A layer norm -> {"scale" [width], "bias" [width]}; knows the old names gamma and beta."""
        old = f"{prefix}.gamma" in self and f"{prefix}.weight" not in self
        scale, bias = ("gamma", "beta") if old else ("weight", "bias")
        return self._vectors({"scale": f"{prefix}.{scale}", "bias": f"{prefix}.{bias}"}, width)

    def batch_norm(
        self, prefix: str, width: int | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """-> ({"scale", "bias"}, {"mean", "var"}), each [width]."""
        self.ignore(re.escape(f"{prefix}.num_batches_tracked"), "a counter of training steps")
        learned = {"scale": f"{prefix}.weight", "bias": f"{prefix}.bias"}
        stored = {"mean": f"{prefix}.running_mean", "var": f"{prefix}.running_var"}
        return self._vectors(learned, width), self._vectors(stored, width)

    def embedding(self, prefix: str, shape: tuple[int, int] | None = None) -> np.ndarray:
        """[rows, width], as it stands under `prefix`.weight."""
        return self.take(f"{prefix}.weight", shape)

    def finish(self) -> None:
        """Raises one error with every key that was missing, mis-shaped or never explained."""
        known = self.used | set(self.ignored)
        faults = {
            "missing": self.missing,
            "of another shape": self.misshapen,
            "not understood": [key for key in self.arrays if key not in known],
        }
        told = "; ".join(f"{kind}: {listed(keys)}" for kind, keys in faults.items() if keys)
        if told:
            raise UserError(f"The checkpoint does not fit: {told}", self.where, MEND)

    def _kernel(self, prefix, shape, rank, bias):
        theirs = None if shape is None else (shape[-1], shape[-2], *shape[:-2])
        kernel = self.take(f"{prefix}.weight", theirs)
        if kernel.ndim != rank:
            if f"{prefix}.weight" in self:
                self.misshapen.append(f"{prefix}.weight {list(kernel.shape)} for {rank} dimensions")
            kernel = np.zeros((1,) * rank, np.float32)
        found = {"kernel": np.ascontiguousarray(kernel.transpose(*range(2, rank), 1, 0))}
        if bias:
            width = None if shape is None else (shape[-1],)
            found["bias"] = self.take(f"{prefix}.bias", width)
        return found

    def _vectors(self, names, width):
        shape = None if width is None else (width,)
        return {ours: self.take(key, shape) for ours, key in names.items()}


def without_wrappers(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays without a prefix that a parallel wrapper put before every key."""
    arrays = dict(arrays)
    for prefix in WRAPPERS:
        while arrays and all(key.startswith(prefix) for key in arrays):
            arrays = {key.removeprefix(prefix): array for key, array in arrays.items()}
    return arrays


def listed(keys: list[str]) -> str:
    """Some keys for a message, and how many more there are."""
    more = len(keys) - SHOWN
    return ", ".join(keys[:SHOWN]) + (f" and {more} more" if more > 0 else "")
