"""Predicts how a step's time grows with the number of chips, from a plan and published rates.

Weak scaling: every chip keeps its rows, the mesh's axis `data` grows. The products run at the
published rate and the state is read and written once at that of the memory, which no real step
reaches, so a real step's exchange is a smaller share of it. An exchange takes what a ring takes:
(n - 1) / n of its bytes over the slowest link, an all-reduce twice that; it is counted once as
hidden behind the products and once as not hidden at all. The truth lies between.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from affectjax import clock


class Chip(NamedTuple):
    """The makers' figures for one chip; bytes a second go out of it, in one direction."""

    flops: float  # bfloat16, dense
    memory: float  # bytes
    memory_rate: float
    link: float  # to the chips of its domain, all links together
    domain: int  # chips that reach one another so
    network: float  # from there on; 0: there is no such way here


CHIPS = {
    "H100": Chip(clock.PUBLISHED["NVIDIA H100 80GB HBM3"], 80e9, 3.35e12, 450e9, 8, 50e9),
    "H200": Chip(clock.PUBLISHED["NVIDIA H200"], 141e9, 4.8e12, 450e9, 8, 50e9),
    "v5e": Chip(clock.PUBLISHED["TPU v5 lite"], 16e9, 819e9, 200e9, 256, 0),
    "v5p": Chip(clock.PUBLISHED["TPU v5"], 95e9, 2765e9, 600e9, 8960, 0),
}
COUNTS = (8, 32, 128, 512, 2048)
ROUNDS = {"all-reduce": 2}  # every other kind passes its bytes on once


def table(
    plan: Mapping[str, Any], sizes: Mapping[str, int], flops: float, gradient: float = 0.0
) -> str:
    """Lines for people. plan: what `plan.report` gives; sizes: the mesh's axes, outermost first.

    flops: of one step on one chip. gradient: bytes of one chip's gradients, which are exchanged
    along `data` where the mesh planned for has that axis alone with size 1.
    """
    found = list(plan["collectives"])
    if gradient and not any("data" in one["axes"].split(",") for one in found):
        found.append({"kind": "all-reduce", "axes": "data", "bytes": gradient})
    traffic = plan["memory"]["arguments"] + plan["memory"]["outputs"]
    inner = math.prod(size for axis, size in sizes.items() if axis != "data")
    counts = [count for count in COUNTS if count % inner == 0]
    shown = "".join(f"{count:>14,}" for count in counts)
    lines = [
        "PREDICTION of weak scaling from this plan and the makers' rates (bfloat16), not measured:",
        "  efficiency, exchange not hidden to hidden, by number of chips",
        f"  chip   step alone   fits{shown}",
    ]
    for name, chip in CHIPS.items():
        alone = flops / chip.flops + traffic / chip.memory_rate
        cells = []
        for count in counts:
            grown = {**sizes, "data": count // inner}
            if (spent := exchange(found, grown, chip)) is None:
                cells.append("-")
                continue
            cells.append(f"{alone / (alone + spent):.0%} to {alone / max(alone, spent):.0%}")
        fits = "yes" if plan["memory"]["peak"] < chip.memory else "no"
        cells = "".join(f"{cell:>14}" for cell in cells)
        lines.append(f"  {name:6} {alone * 1e3:7.2f} ms   {fits:>4}{cells}")
    return "\n".join(lines)


def exchange(
    collectives: Sequence[Mapping[str, Any]], sizes: Mapping[str, int], chip: Chip
) -> float | None:
    """Seconds of all exchanges of a step one after the other; None where the chips have no way."""
    total = 0.0
    for one in collectives:
        axes = [axis for axis in sizes if axis in one["axes"].split(",")] or list(sizes)
        ways = math.prod(sizes[axis] for axis in axes)
        if ways == 1:
            continue
        order = list(sizes)
        # Chips are numbered with the last axis running fastest, and fill domain after domain.
        span = math.prod(sizes[axis] for axis in order[order.index(axes[0]) :])
        stride = math.prod(sizes[axis] for axis in order[order.index(axes[-1]) + 1 :])
        rate = chip.link
        if span > chip.domain:
            if not chip.network:
                return None
            # Members of one domain pass the bytes on side by side, each over its own adapter.
            rate = min(chip.link, chip.network * max(1, chip.domain // stride))
        total += ROUNDS.get(one["kind"], 1) * (ways - 1) / ways * one["bytes"] / rate
    return total
