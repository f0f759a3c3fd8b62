"""A job begins with all of its processes, or names those that have not come, in the time given."""

import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import jax
import pytest

from affectjax import hosts, rollcall
from affectjax.errors import UserError

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def call_all(address, calls: list[tuple[int, int]], seconds: float) -> list[str]:
    """(process, processes) of those who come -> what each was told, "" for good."""
    told = [""] * len(calls)

    def come(place, process, processes):
        try:
            rollcall.call(address, processes, process, seconds)
        except UserError as error:
            told[place] = str(error)

    threads = [threading.Thread(target=come, args=(i, *one)) for i, one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return told


def test_all_come_and_the_address_is_free_again(address):
    assert call_all(address, [(p, 5) for p in (3, 1, 4, 0, 2)], 30) == [""] * 5
    socket.create_server(("", int(address.split(":")[1]))).close()


def test_who_has_not_come_is_named_by_all_who_have(address):
    began = time.monotonic()
    told = call_all(address, [(0, 5), (2, 5), (4, 5)], 1.5)
    assert time.monotonic() - began < 15
    here = socket.gethostname()
    for text in told:
        assert "after 1.5 s there is no sign of process 1, 3 of 5" in text
        assert f"here is process 0 on {here}, 2 on {here}, 4 on {here}" in text


def test_no_process_0_is_told_with_its_address(address):
    (told,) = call_all(address, [(1, 2)], 1.0)
    assert f"process 1 has not reached process 0 at {address} for 1 s" in told
    assert "refused" in told


def test_two_with_one_number_and_another_count_are_told_at_once(address):
    began = time.monotonic()
    told = call_all(address, [(0, 3), (1, 3), (1, 3)], 30)
    assert "two say that they are process 1" in told[0] and time.monotonic() - began < 20
    told = call_all(address, [(0, 3), (1, 2)], 30)
    assert "was told that the job has 2 processes, process 0 that it has 3" in told[0]


def test_one_that_was_started_again_and_strangers_do_no_harm(address):
    host, port = address.split(":")
    told = []
    first = threading.Thread(target=lambda: told.append(call_all(address, [(0, 3)], 30)))
    first.start()
    while True:  # until it listens
        try:
            lost = socket.create_connection((host, int(port)), 5)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    lost.sendall(b'{"process": 1, "processes": 3, "host": "elsewhere", "pid": 1}\n')
    for words in (b"GET / HTTP/1.1\r\n\r\n\n", b"[]\n", b""):
        with socket.create_connection((host, int(port)), 5) as stranger:
            stranger.sendall(words)
    lost.close()
    assert call_all(address, [(1, 3), (2, 3)], 30) == ["", ""]
    first.join(30)
    assert told == [[""]]


ALONE = """
import sys, time
from affectjax import hosts
from affectjax.errors import UserError
process, port, act = int(sys.argv[1]), sys.argv[2], sys.argv[3]
hosts.start("127.0.0.1:" + port, 3, process, cpu_devices=1)
try:
    if act == "late" and process == 1:
        time.sleep(6)
    elif act == "late":
        hosts.barrier("the dataset is read", 2.0)
    else:
        hosts.agree("twice", "the config")  # agreeing leaves nothing that spoils the next time
        hosts.agree("apart" if process == 2 else "same", "the config", "Mend it.")
except UserError as error:
    print("told:", error, flush=True)
"""


def three(port: str, act: str) -> list[str]:
    jobs = [subprocess.Popen([sys.executable, "-c", ALONE, str(i), port, act], text=True,
                             env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
            for i in range(3)]  # fmt: skip
    told = [job.communicate(timeout=120)[0] for job in jobs]
    return [text.partition("told:")[2].strip() for text in told]


@pytest.mark.slow
def test_a_barrier_names_the_process_that_does_not_come(address):
    told = three(address.split(":")[1], "late")
    for text in (told[0], told[2]):
        assert text.startswith(
            f"waited 2 s at 'the dataset is read' for process 1 on {socket.gethostname()} (pid "
        )
    assert told[1] == ""


APART = """
import sys, jax
from affectjax import hosts

process, port, cache = int(sys.argv[1]), sys.argv[2], sys.argv[3]
hosts.start("127.0.0.1:" + port, 2, process, cpu_devices=1, cache=cache)
print("told:", jax.config.jax_compilation_cache_dir, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_compiled_programs_are_kept_where_all_processes_see_them(shared, address, tmp_path):
    caches = [tmp_path / ("both" if shared else str(process)) for process in range(2)]
    jobs = [subprocess.Popen([sys.executable, "-c", APART, str(i), address.split(":")[1], str(own)],
                             env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                             text=True)
            for i, own in enumerate(caches)]  # fmt: skip
    said = [job.communicate(timeout=120)[0] for job in jobs]
    told = [text.partition("told:")[2].strip() for text in said]
    assert told == ([str(caches[0])] * 2 if shared else ["None", "None"])
    assert ("compiled programs are not kept" in said[0]) == (not shared)


def test_under_slurm_a_process_alone_on_its_node_sees_all_its_gpus(monkeypatch):
    seen = []
    monkeypatch.setattr(jax.config, "update", lambda *pair: seen.append(pair))
    for tasks, wanted in (("1(x4)", 2), ("1", 2), ("2(x4)", 0), ("1,2", 0), ("8", 0)):
        seen.clear()
        monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", tasks)
        hosts._all_devices()
        assert len(seen) == wanted, tasks
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "1")
    monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "0,1")
    hosts._all_devices()
    assert not seen


@pytest.mark.slow
def test_a_process_with_another_config_is_named_by_all(address):
    told = three(address.split(":")[1], "agree")
    where = f"process 2 on {socket.gethostname()} (pid "
    for text in told:
        assert f"the config differs between the processes: {where}" in text
        assert text.endswith("from process 0. Mend it.")
