"""The prediction follows from the plan and the rates by hand-made sums."""

import pytest

from affectjax import weak_scaling
from affectjax.weak_scaling import CHIPS, exchange, table

GB = 1e9


def one(kind: str, axes: str, size: float) -> dict:
    return {"kind": kind, "axes": axes, "bytes": size}


def test_an_all_reduce_passes_its_bytes_twice_around_the_ring():
    chip = CHIPS["v5e"]
    reduce, gather = one("all-reduce", "data", GB), one("all-gather", "data", GB)
    assert exchange([reduce], {"data": 4}, chip) == pytest.approx(2 * 3 / 4 * GB / chip.link)
    assert exchange([gather], {"data": 4}, chip) == pytest.approx(3 / 4 * GB / chip.link)
    assert exchange([reduce], {"data": 1}, chip) == 0


def test_hosts_exchange_over_their_adapters_side_by_side():
    chip = CHIPS["H100"]
    alone = {"data": 4, "fsdp": 8}
    # One chip of each of four hosts: one adapter; all chips of the hosts: eight of them.
    along_data = exchange([one("all-gather", "data", GB)], alone, chip)
    assert along_data == pytest.approx(3 / 4 * GB / chip.network)
    both = exchange([one("all-gather", "data,fsdp", GB)], alone, chip)
    assert both == pytest.approx(31 / 32 * GB / (8 * chip.network))
    within = exchange([one("all-gather", "fsdp", GB)], alone, chip)
    assert within == pytest.approx(7 / 8 * GB / chip.link)


def test_beyond_a_slice_there_is_no_way_for_chips_without_a_network():
    assert exchange([one("all-reduce", "data", 1.0)], {"data": 512}, CHIPS["v5e"]) is None


def test_the_table_is_marked_and_falls_with_the_exchange():
    memory = {"arguments": 2 * GB, "outputs": 2 * GB, "peak": 20 * GB}
    plan = {"memory": memory, "collectives": [one("all-reduce", "data", GB)]}
    told = table(plan, {"data": 2, "fsdp": 1, "tensor": 1}, 1e13)
    rows = {line.split()[0]: line.split() for line in told.splitlines()[3:]}
    assert told.startswith("PREDICTION") and set(rows) == set(CHIPS)
    assert rows["v5e"][3] == "no" and rows["H100"][3] == "yes"  # 16 and 80 GB
    chip = CHIPS["H200"]
    alone = 1e13 / chip.flops + 4 * GB / chip.memory_rate
    assert rows["H200"][1] == f"{alone * 1e3:.2f}"
    spent = 2 * 7 / 8 * GB / chip.link
    assert rows["H200"][4:7] == [f"{alone / (alone + spent):.0%}", "to", "100%"]
    assert rows["v5e"][-1] == "-" and rows["v5p"][-1] != "-"


def test_one_chip_planned_for_exchanges_its_gradients_when_there_are_more():
    memory = {"arguments": 0.0, "outputs": 0.0, "peak": 0.0}
    plan = {"memory": memory, "collectives": []}
    sizes = {"data": 1, "fsdp": 1, "tensor": 1}
    with_gradient = table(plan, sizes, 1e12, gradient=GB)
    assert "100% to 100%" in table(plan, sizes, 1e12) and "100% to 100%" not in with_gradient
    assert max(weak_scaling.COUNTS) > 1000
