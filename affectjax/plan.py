"""What a training step will cost on a mesh, read off the compiled program before any data is seen.

Memory is the compiler's own account. The collectives are counted in the program's text, those in
a loop as often as the loop runs; their bytes are those of the whole operand on one device.
"""

import importlib.util
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import config_dict

from affectjax import (
    assemble,
    clock,
    configlib,
    hosts,
    initialise,
    optim,
    sharding,
    state,
    update,
    weak_scaling,
)
from affectjax.data import full
from affectjax.data.vocabulary import Vocabulary
from affectjax.errors import UserError
from affectjax.settings import Settings

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "ragged-all-to-all",
         "collective-permute", "collective-broadcast")  # fmt: skip

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_CALL = re.compile(rf"= (?P<shape>.+?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\((?P<rest>.*)")
_CALLED = re.compile(r"(?:calls|to_apply|body|condition|\w+_computations?)=(\{[^}]*\}|%?[\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ARRAY = re.compile(r"\b(pred|bf16|[suf]\d+\w*|c64|c128)\[([\d,]*)\]")


def report(compiled: Any, mesh: Mesh) -> dict[str, Any]:
    """{"memory": {...} bytes a device, "collectives": [...]} of a compiled step; see `text`."""
    return {"memory": memory(compiled), "collectives": collectives(compiled.as_text(), mesh)}


def memory(compiled: Any) -> dict[str, int]:
    """Bytes on one device: what goes in, comes out, is reused between both, and the rest."""
    stats = compiled.memory_analysis()
    found = {
        "arguments": stats.argument_size_in_bytes,
        "outputs": stats.output_size_in_bytes,
        "donated": stats.alias_size_in_bytes,
        "temporary": stats.temp_size_in_bytes,
    }
    found["peak"] = sum(found.values()) - 2 * found["donated"]
    return found


def collectives(program: str, mesh: Mesh) -> list[dict[str, Any]]:
    """Those of one step, equal ones together, most bytes first: kind, dtype, axes of the mesh,
    times, bytes (in all), and `loop` where a loop's number of turns is unknown, counted as one."""
    bodies, entry = _computations(program)
    found: dict[tuple, dict[str, Any]] = {}
    for line, times, unknown in _walk(bodies, entry):
        call = _CALL.search(line)
        if not call:
            continue
        groups = _groups(call["rest"], mesh.size)
        dtype, size = _payload(call, len(next(iter(groups))) if groups else 1)
        axes = _axes(groups, mesh)
        key = (call["kind"], dtype, axes, unknown)
        one = found.setdefault(
            key, {"kind": call["kind"], "dtype": dtype, "axes": axes, "times": 0, "bytes": 0}
        )
        one["times"] += times
        one["bytes"] += times * size
        if unknown:
            one["loop"] = "unknown"
    return sorted(found.values(), key=lambda one: -one["bytes"])


def text(found: Mapping[str, Any]) -> str:
    """A report in lines for people."""
    memory = "  ".join(f"{k} {v / 2**20:,.1f}" for k, v in found["memory"].items())
    lines = [f"memory a device, MiB: {memory}"]
    if not found["collectives"]:
        return "\n".join([*lines, "collectives a step: none"])
    lines.append("collectives a step:")
    for one in found["collectives"]:
        line = f"  {one['kind']:20} {one['dtype']:5} over {one['axes']:18} {one['times']:6,} times"
        lines.append(
            f"{line} {one['bytes'] / 2**20:12,.2f} MiB"
            + (" or more: a loop of unknown length" if "loop" in one else "")
        )
    total = sum(one["bytes"] for one in found["collectives"])
    return "\n".join([*lines, f"  together {total / 2**20:,.2f} MiB"])


def of_config(config: config_dict.ConfigDict, cpu_devices: int = 0, topology: str = "") -> str:
    """The plan of a config's training step on its mesh; nothing is read and nothing is run.

    topology: a TPU slice that need not be at hand, such as "v5e:4x4"; libtpu compiles for it.
    """
    if cpu_devices:
        hosts.start(cpu_devices=cpu_devices)
    if topology:
        jax.config.update("jax_platforms", "cpu")
    devices = tpu_devices(topology) if topology else jax.devices()
    mesh = sharding.mesh_of(devices, **configlib.arguments(config.mesh))
    if topology and config.model.get("form") == "auto":  # it would look at this machine
        config = config.copy_and_resolve_references()
        config.model.form = "scan"
    settings = Settings(**configlib.arguments(config.train))
    words = None
    if assemble.reads_comments(config):  # as large as the data may make it
        words = Vocabulary.build((f"w{i}", 1, 1) for i in range(config.words.cap))
    examples = assemble.examples(config, words)
    model = assemble.model(config, words)
    spec = {k: (shape, dtype) for k, (shape, dtype) in examples.spec().items()}

    def shapes(batch: int, placed: Any = None) -> dict[str, jax.ShapeDtypeStruct]:
        return {
            k: jax.ShapeDtypeStruct((batch, *shape), dtype, sharding=placed)
            for k, (shape, dtype) in spec.items()
        }

    def fresh(key: jax.Array) -> dict:
        return initialise.variables(model, shapes(1), key)

    sharding.host_rows(mesh, settings.batch)  # a batch that does not split is told here
    variables = jax.eval_shape(fresh, jax.random.key(0))
    optimizer, schedule = optim.build(
        **configlib.arguments(config.optim), params=variables["params"], total_steps=1000,
        steps_per_epoch=1,
    )  # fmt: skip
    tasks = initialise.task_names(model, variables, shapes(1))
    like = state.abstract(
        fresh, optimizer, mesh, ema=bool(settings.ema), window=update.window(tasks)
    )
    step = update.make(
        model, optimizer, schedule, mesh, jax.tree.map(lambda leaf: leaf.sharding, like),
        loss=dict(config.loss), seed=settings.seed, micro_batches=settings.micro_batches,
        ema=settings.ema, log_every=settings.log_every,
    )  # fmt: skip
    flops = clock.work(model, full.batch(examples, settings.batch))
    compiled = step.lower(like, shapes(settings.batch, sharding.batch_sharding(mesh))).compile()
    giga = flops / 1e9
    said = f"{giga:,.1f}" if giga >= 1 else f"{giga:.2g}"  # what is small is not nothing
    lines = [
        sharding.table(variables["params"], mesh),
        f"batch {settings.batch}, {said} GFLOP a step when every row is full",
    ]
    if words:
        lines.append(f"vocabulary: words.cap, {len(words):,} entries")
    found = report(compiled, mesh)
    gradient = sum(4.0 * math.prod(leaf.sharding.shard_shape(leaf.shape))
                   for leaf in jax.tree.leaves(like["params"]))  # fmt: skip
    return "\n".join(
        [*lines, f"compiled for {mesh.size} of {devices[0].device_kind}", text(found), "",
         weak_scaling.table(found, mesh.shape, flops / mesh.size, gradient)]
    )  # fmt: skip


def tpu_devices(topology: str) -> list[Any]:
    """The chips of a TPU slice to compile for, by libtpu; none need be there."""
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            "planning for a TPU needs its compiler", f"--topology={topology}", "pip install libtpu"
        )
    from jax.experimental import topologies

    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # there is no TPU to ask about itself
    try:
        return list(topologies.get_topology_desc(topology, platform="tpu").devices)
    except Exception as error:  # whatever the compiler's name for it is
        raise UserError(
            f"no such topology: {(str(error).splitlines() or [''])[0]}",
            f"--topology={topology}",
            "Name a chip and the sides of a slice: v5e:4x4, v5p:2x2x2, v6e:8x8.",
        ) from error


def _computations(program: str) -> tuple[dict[str, list[str]], str]:
    """The lines of every computation by its name, and the name of the one that is run."""
    bodies: dict[str, list[str]] = {}
    entry = name = ""
    for line in program.splitlines():
        if header := _HEADER.match(line):
            name = header[2]
            bodies[name] = []
            entry = name if header[1] else entry
        elif line.startswith("}"):
            name = ""
        elif name:
            bodies[name].append(line)
    return bodies, entry


def _walk(
    bodies: Mapping[str, list[str]], name: str, times: int = 1, unknown: bool = False
) -> Iterator[tuple[str, int, bool]]:
    """Every line that is run, how often, and whether a loop around it has no known length."""
    for line in bodies[name]:
        yield line, times, unknown
        turns, here = times, unknown
        if " while(" in line:
            trips = _TRIPS.search(line)
            turns, here = times * int(trips[1] if trips else 1), unknown or not trips
        for called in _CALLED.findall(line):
            for inner in re.findall(r"[\w.\-]+", called):
                if inner in bodies:
                    yield from _walk(bodies, inner, turns, here)


def _payload(call: re.Match, group: int) -> tuple[str, int]:
    """(dtype, bytes) of the whole operand or result on one device, whichever is larger."""
    arrays = _ARRAY.findall(call["shape"])
    if call["start"] and call["kind"] != "all-reduce":
        # An asynchronous start gives operands and results together; a permutation's are followed
        # by scalars of its own.
        arrays = arrays[1:2] if call["kind"] == "collective-permute" else arrays[len(arrays) // 2 :]
    size = sum(
        math.prod(int(n) for n in shape.split(",") if n) * _width(dtype) for dtype, shape in arrays
    )
    return arrays[0][0], size * (group if call["kind"] == "reduce-scatter" else 1)


def _width(dtype: str) -> int:
    bits = 8 if dtype == "pred" else int(re.search(r"\d+", dtype)[0])
    return max(1, bits // 8)


def _groups(rest: str, devices: int) -> frozenset[frozenset[int]]:
    """The sets of devices, by place in the mesh, among which one collective exchanges."""
    if pairs := re.search(r"source_target_pairs=\{(.*?)\}\}", rest):
        return frozenset(_sets(pairs[1]))
    if cut := re.search(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", rest):
        shape, dims, order = ([int(n) for n in part.split(",")] if part else None
                              for part in cut.groups())  # fmt: skip
        places = np.arange(math.prod(dims)).reshape(dims)
        places = places.transpose(order) if order else places
        return frozenset(frozenset(map(int, row)) for row in places.reshape(shape))
    # mesh['data'=2,'fsdp'=4] {'data'}: sizes in order, and the axes along which a group lies
    if named := re.search(r"replica_groups=mesh\[([^\]]*)\] ?\{([^}]*)\}", rest):
        sizes = {name: int(n) for name, n in re.findall(r"'(\w+)'=(\d+)", named[1])}
        along = re.findall(r"'(\w+)'", named[2])
        places = np.arange(math.prod(sizes.values())).reshape(list(sizes.values()))
        order = sorted(range(len(sizes)), key=lambda i: list(sizes)[i] in along)
        width = math.prod(sizes[name] for name in along)
        return frozenset(
            frozenset(map(int, row)) for row in places.transpose(order).reshape(-1, width)
        )
    listed = re.search(r"replica_groups=\{(\{.*?\})\}", rest)
    return frozenset(_sets(listed[1])) if listed else frozenset([frozenset(range(devices))])


def _sets(listed: str) -> list[frozenset[int]]:
    return [frozenset(map(int, re.findall(r"\d+", one))) for one in listed.split("}") if one]


def _axes(groups: frozenset[frozenset[int]], mesh: Mesh) -> str:
    """The axes of the mesh along which these groups lie, such as 'data,fsdp'."""
    places = np.arange(mesh.size).reshape(mesh.devices.shape)
    names = [name for name in mesh.axis_names if mesh.shape[name] > 1]
    for count in range(1, len(names) + 1):
        for axes in itertools.combinations(names, count):
            kept = [i for i, name in enumerate(mesh.axis_names) if name not in axes]
            moved = [i for i, name in enumerate(mesh.axis_names) if name in axes]
            size = math.prod(mesh.shape[name] for name in axes)
            rows = places.transpose(kept + moved).reshape(-1, size)
            lines = [frozenset(map(int, row)) for row in rows]
            # A permutation names pairs: all of them within lines along these axes.
            if frozenset(lines) == groups or all(
                len(one) <= 2 and any(one <= line for line in lines) for one in groups
            ):
                return ",".join(axes)
    return "-"
