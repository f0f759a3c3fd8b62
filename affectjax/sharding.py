"""Says where every array lives: one mesh, ordered rules on parameter paths, batches by rows."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from affectjax.errors import UserError

AXES = ("data", "fsdp", "tensor")

# First match wins, by search anywhere in the path, so a rule also covers the optimiser's moments,
# whose paths end with the parameter's. A spec is aligned with the last dimensions of an array:
# layers stacked for a scan get a leading dimension and need no rules of their own.
RULES = (
    (r"(^|/)experts/.*kernel$", ("tensor", "fsdp", None)),
    (r"(^|/)experts/.*bias$", ("tensor", None)),
    # Split what a product makes, then what the next product sums over: one exchange for the pair.
    (r"(^|/)(query|key|value)(/[^/]+)*/kernel$", ("fsdp", "tensor")),
    (r"(^|/)(query|key|value)(/[^/]+)*/bias$", ("tensor",)),
    (r"(^|/)feedforward(/[^/]+)*/in/kernel$", ("fsdp", "tensor")),
    (r"(^|/)feedforward(/[^/]+)*/in/bias$", ("tensor",)),
    (r"(^|/)(output|feedforward(/[^/]+)*/out)(/[^/]+)*/kernel$", ("tensor", "fsdp")),
    # The vocabulary is the one long dimension, and it is padded to a multiple of 128.
    (r"(^|/)word$", ("tensor", "fsdp")),
    (r"(^|/)head/kernel$", ("fsdp", "tensor")),
    (r"(^|/)head/bias$", ("tensor",)),
    (r"(^|/)kernel$", (None, "fsdp")),
)


def path_name(path: Sequence[Any]) -> str:
    """The readable path of a leaf, its parts joined by '/'."""
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


def named_leaves(tree: Any) -> dict[str, Any]:
    """Every leaf under its path, in the tree's order; empty nodes vanish."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def make_mesh(data: int = -1, fsdp: int = 1, tensor: int = 1) -> Mesh:
    """The run's one mesh over all devices; -1 takes what the other axes leave."""
    return mesh_of(jax.devices(), data, fsdp, tensor)


def mesh_of(devices: Sequence[Any], data: int = -1, fsdp: int = 1, tensor: int = 1) -> Mesh:
    """A mesh over given devices, such as those of a topology that is only planned for."""
    sizes = [data, fsdp, tensor]
    asked = ", ".join(f"{axis}={size}" for axis, size in zip(AXES, sizes))
    mend = "Choose axis sizes whose product is the number of devices, at most one of them -1."
    if sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
        raise UserError(f"Not a mesh: {asked}", "mesh", mend)
    known = math.prod(size for size in sizes if size != -1)
    if len(devices) % known or (-1 not in sizes and known != len(devices)):
        raise UserError(
            f"The mesh {asked} does not divide the {len(devices)} devices", "mesh", mend
        )
    sizes = [len(devices) // known if size == -1 else size for size in sizes]
    # Auto axes: Linen code does not carry shardings in its types, as explicit axes would ask.
    kinds = (AxisType.Auto,) * len(AXES)
    if devices[0].platform == "tpu":  # laid along the links between the chips
        return jax.make_mesh(sizes, AXES, devices=list(devices), axis_types=kinds)
    return Mesh(arranged(devices, sizes), AXES, axis_types=kinds)


def arranged(devices: Sequence[Any], sizes: Sequence[int]) -> np.ndarray:
    """The devices [sizes], those of one host side by side along the last axes.

    jax.make_mesh takes every host of GPUs for a slice of its own, and refuses several of them.
    """
    ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
    return np.array(ordered, dtype=object).reshape(sizes)


def partition(
    path: str, shape: Sequence[int], mesh: Mesh, rules: Sequence[tuple] = RULES
) -> tuple[P, list[int]]:
    """The spec of one array, and the dimensions that an axis should split but does not divide."""
    wanted: tuple = next((spec for rule, spec in rules if re.search(rule, path)), ())
    wanted = tuple(wanted)[-len(shape) :] if shape else ()
    wanted = (None,) * (len(shape) - len(wanted)) + wanted
    spec, marked = [], []
    for dimension, (size, axis) in enumerate(zip(shape, wanted)):
        ways = (
            1
            if axis is None
            else math.prod(
                mesh.shape[name] for name in ((axis,) if isinstance(axis, str) else axis)
            )
        )
        if ways > 1 and size % ways:
            marked.append(dimension)
        spec.append(axis if ways > 1 and size % ways == 0 else None)
    while spec and spec[-1] is None:
        spec.pop()
    return P(*spec), marked


def shardings(tree: Any, mesh: Mesh, rules: Sequence[tuple] = RULES) -> Any:
    """The same tree with a NamedSharding for every leaf (arrays or their shapes)."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: NamedSharding(
            mesh, partition(path_name(path), np.shape(leaf), mesh, rules)[0]
        ),
        tree,
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, P())


def abstract(tree: Any, mesh: Mesh, rules: Sequence[tuple] = RULES) -> Any:
    """Shapes and dtypes with shardings: what a compiler or a restore needs to know."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
        shardings(tree, mesh, rules),
    )


def table(params: Any, mesh: Mesh, rules: Sequence[tuple] = RULES) -> str:
    """Every parameter with shape, type, place and count; `!` marks what could not be split."""
    rows = [("parameter", "shape", "type", "split", "count")]
    total = total_bytes = local_bytes = 0
    unfit = 0
    for path, leaf in named_leaves(params).items():
        spec, marked = partition(path, leaf.shape, mesh, rules)
        count = math.prod(leaf.shape)
        size = count * np.dtype(leaf.dtype).itemsize
        total += count
        total_bytes += size
        local_bytes += size // math.prod(
            mesh.shape[axis]
            for entry in spec
            if entry is not None
            for axis in ((entry,) if isinstance(entry, str) else entry)
        )
        unfit += bool(marked)
        axes = list(spec) + [None] * (len(leaf.shape) - len(spec))
        place = ",".join(
            "!" if i in marked else "-" if axis is None else str(axis)
            for i, axis in enumerate(axes)
        )
        shape = "x".join(map(str, leaf.shape)) or "scalar"
        rows.append((path, shape, str(np.dtype(leaf.dtype)), place or "-", f"{count:,}"))
    rows = _layers_together(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(
            cell.rjust(width) if column == 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    sizes = " x ".join(f"{axis} {mesh.shape[axis]}" for axis in mesh.axis_names)
    lines.append(
        f"{total:,} parameters, {total_bytes / 2**20:,.1f} MiB,"
        f" {local_bytes / 2**20:,.1f} MiB a device; mesh {sizes}"
    )
    if unfit:
        lines.append(f"!: {unfit} replicated where an axis of the mesh does not divide a dimension")
    return "\n".join(lines)


def _layers_together(rows: list[tuple]) -> list[tuple]:
    """Rows that differ in the number of their layer alone become one: layer_* with `x12`."""
    alike: dict[tuple, int] = {}
    for path, *rest in rows:
        key = (re.sub(r"layer_\d+", "layer_*", path), *rest)
        alike[key] = alike.get(key, 0) + 1
    return [
        (*row[:4], row[4] if times == 1 else f"{times} x {row[4]}") for row, times in alike.items()
    ]


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows over every axis but `tensor`, whose devices share a row's work."""
    return NamedSharding(mesh, P(tuple(axis for axis in mesh.axis_names if axis != "tensor")))


def host_rows(mesh: Mesh, batch: int) -> np.ndarray:
    """int64 [b]: the global rows, in order, that the devices of this process work on.

    Processes hold the same rows where `tensor` reaches across them.
    """
    sharding = batch_sharding(mesh)
    ways = math.prod(size for axis, size in mesh.shape.items() if axis != "tensor")
    if batch < 1 or batch % ways:
        raise UserError(
            f"A batch of {batch} rows does not split over {ways} groups of devices",
            "batch",
            f"Choose a multiple of {ways}.",
        )
    places = sharding.addressable_devices_indices_map((batch,)).values()
    rows = {row for (place,) in places for row in range(*place.indices(batch))}
    return np.array(sorted(rows), np.int64)


def to_global(arrays: Mapping[str, np.ndarray], sharding: NamedSharding) -> dict[str, jax.Array]:
    """This process's rows ([b, ...], in `host_rows` order) become part of the global batch."""
    return {
        name: jax.make_array_from_process_local_data(sharding, np.asarray(array))
        for name, array in arrays.items()
    }
