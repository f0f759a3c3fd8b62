"""Real processes that crash, hang, raise and swell: one item fails, the others do not."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.media.workers import Failure, stream, work
from tests.media import workers_targets as targets

ROOT = pathlib.Path(__file__).parents[2]


def alive(process: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_results_come_in_the_order_of_the_items():
    items = ["slow 0.5", *map(str, range(20))]
    assert list(work(items, targets.act, workers=3)) == [(item, item) for item in items]


@pytest.mark.parametrize(
    "item,kind,reason",
    [
        ("abort", "crash", "the worker crashed: SIGABRT"),
        ("segfault", "crash", "the worker crashed: SIGSEGV"),
        ("kill", "crash", "the worker was killed, perhaps for lack of memory"),
        ("exit", "crash", "the worker ended with status 3"),
        ("hang", "timeout", "no sign of life for 3 seconds"),
        ("raise so", "error", "ValueError: so"),
        ("end so", "error", "EOFError: so"),
        ("refuse Bad", "refused", "Bad (refuse Bad)."),
        ("memory", "memory", "the worker ran out of memory"),
    ],
)
def test_what_goes_wrong_is_one_failure_and_the_pool_goes_on(item, kind, reason):
    items = ["a", item, "b", "c"]
    found = list(work(items, targets.act, workers=1, timeout=3, memory=4 << 30))
    assert [name for name, _ in found] == items
    assert [result for _, result in found if not isinstance(result, Failure)] == ["a", "b", "c"]
    failure = found[1][1]
    assert (failure.kind, failure.reason) == (kind, reason)
    assert ("workers_targets" in failure.trace) == (kind == "error")


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_timeout_that_no_worker_can_keep_is_refused_at_once(seconds):
    for way in (work, stream):
        with pytest.raises(UserError, match="timeout is .* must be above 0"):
            way(["a"], targets.act, timeout=seconds)
        with pytest.raises(UserError, match="workers is 0"):
            way(["a"], targets.act, workers=0)


def test_many_failures_with_several_workers():
    items = [f"{kind} {n}" for n in range(4) for kind in ("abort", "raise", "fine", "exit")]
    found = list(work(items, targets.act, workers=2))
    assert [item for item, _ in found] == items
    for item, result in found:
        assert (result == item) if item.startswith("fine") else isinstance(result, Failure)


def test_a_result_that_cannot_travel_is_an_error_of_its_item():
    (_, one), (_, two) = work(["strange", "a"], targets.act, workers=1)
    assert one.kind == "error" and two == "a"


def test_an_item_that_cannot_be_unpacked_is_an_error_of_its_own():
    (_, one), (_, two) = work([targets.Closed(), "a"], targets.act, workers=1)
    assert (one.kind, one.reason) == ("error", "ValueError: cannot be unpacked") and two == "a"


def test_workers_live_on_from_item_to_item_and_import_no_jax():
    found = dict(work(["process 1", "process 2", "modules"], targets.act, workers=1))
    assert found["process 1"] == found["process 2"] != os.getpid() and found["modules"] == []


def test_a_function_of_the_main_module_is_refused_at_once():
    def local(item):
        return item

    local.__module__ = "__main__"
    with pytest.raises(TypeError, match="main module"):
        list(work(["a"], local))


def test_pieces_come_in_order_and_a_failure_last():
    items = ["3", "2 abort", "0", "1 raise so", "4"]
    found = [
        (item, piece if isinstance(piece, Failure) else piece[0])
        for item, piece in stream(items, targets.pieces, workers=2)
    ]
    assert [f for f in found if f[0] in "34"] == [("3", 0), ("3", 1), ("3", 2)] + [
        ("4", n) for n in range(4)
    ]
    assert found[3:5] == [("2 abort", 0), ("2 abort", 1)]
    assert found[5][1].kind == "crash" and found[6][1] == 0 and found[7][1].kind == "error"
    assert [item for item, _ in found] == sorted((i for i, _ in found), key=items.index)


def test_workers_that_run_ahead_wait():
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0
    for _, (_, data) in stream(["200"] * 4, targets.pieces, workers=2):
        count += len(data)
    assert count == 800 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # kilobytes


def test_the_callers_own_time_is_not_the_workers_silence():
    found = []
    for item, result in work(["slow 0.2", "slow 0.3", "a"], targets.act, workers=2, timeout=2):
        time.sleep(2.5 if item == "slow 0.2" else 0)
        found.append(result)
    assert found == ["slow 0.2", "slow 0.3", "a"]


def test_a_caller_that_leaves_early_leaves_no_process():
    results = work((f"process {n}" for n in range(99)), targets.act, workers=2)
    process = next(results)[1]
    assert alive(process)
    results.close()
    assert not alive(process)


SCRIPT = """
import sys
from affectjax.media.workers import work
from tests.media import workers_targets as targets
for item, found in work(["process 1", "hang"], targets.act, workers=2):
    print(found, flush=True)
"""


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent_even_while_one_hangs(way):
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    first = int(parent.stdout.readline())
    children = pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert str(first) in children and len(children) == 2
    parent.send_signal(way)
    _, said = parent.communicate(timeout=20)
    assert parent.returncode != 0 and ("KeyboardInterrupt" in said) == (way == signal.SIGINT)
    deadline = time.monotonic() + 10
    while any(alive(int(child)) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(int(child)) for child in children)


def test_large_arrays_come_through_whole():
    items = [np.full(3_000_000, n, np.float32) for n in range(3)]
    for item, found in work(items, targets.act, workers=2):
        np.testing.assert_array_equal(item, found)
