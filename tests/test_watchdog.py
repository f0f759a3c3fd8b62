"""A process that stands still is ended, says where it stood, and names the peer it waits for."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from affectjax.watchdog import Watchdog

ROOT = pathlib.Path(__file__).parent.parent


def run(body: str, seconds: float = 60) -> tuple[int, str, float]:
    code = "import pathlib, time\nfrom affectjax.watchdog import Watchdog\n" + body
    began = time.time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=seconds, env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    return done.returncode, done.stderr, time.time() - began


def test_a_process_asleep_is_ended_and_its_stack_is_shown(tmp_path):
    status, said, took = run(
        f"dog = Watchdog({str(tmp_path)!r}, 1.0)\n"
        "def starved_of_data():\n    time.sleep(50)\n"
        "dog.beat('input', 7)\nstarved_of_data()"
    )
    assert status == 1 and took < 20
    assert "process 0 has not moved for 1 s: input, step 7" in said
    assert "starved_of_data" in said


def test_a_process_that_holds_the_interpreter_is_ended_all_the_same(tmp_path):
    # A pattern that backtracks for hours inside one call of C, during which no thread runs.
    status, said, took = run(
        f"import re\ndog = Watchdog({str(tmp_path)!r}, 0.5)\n"
        "def holds_the_lock():\n    re.match('(a+)+b', 'a' * 64)\nholds_the_lock()"
    )
    assert status == 1 and took < 40
    assert "holds_the_lock" in said


def test_a_process_that_was_suspended_is_not_taken_to_stand_still(tmp_path):
    code = (
        "import time\nfrom affectjax.watchdog import Watchdog\n"
        f"dog = Watchdog({str(tmp_path)!r}, 3.0)\nprint('up', flush=True)\n"
        "time.sleep(.5)\ntime.sleep(1.5)\ndog.close()"
    )
    job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                           stderr=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    job.stdout.readline()
    job.send_signal(signal.SIGSTOP)
    time.sleep(4)
    job.send_signal(signal.SIGCONT)
    assert (job.communicate(timeout=60)[1], job.returncode) == ("", 0)


def test_a_process_that_moves_is_left_alone_and_leaves_no_sign(tmp_path):
    status, said, _ = run(
        f"dog = Watchdog({str(tmp_path)!r}, 1.0)\n"
        "for step in range(12):\n    dog.beat('step', step)\n    time.sleep(.2)\n"
        "dog.close()\ntime.sleep(2)"
    )
    assert (status, said) == (0, "")
    assert not list(tmp_path.iterdir())


def test_zero_seconds_watch_nothing(tmp_path):
    dog = Watchdog(tmp_path, 0)
    dog.beat("step", 1)
    dog.close()
    assert not list(tmp_path.iterdir())


def sign(folder, process: int, step: int, alive: float) -> None:
    text = {"host": f"node{process}", "pid": 40 + process, "at": "step", "step": step,
            "alive": alive}  # fmt: skip
    (folder / f"{process}.json").write_text(json.dumps(text))


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ({0: (9, 0), 1: (9, 500), 2: (8, 0)}, "Process 1 on node1 (pid 41) gave its last sign"),
        ({0: (9, 0), 1: (9, 0), 2: (8, 0)}, "Process 2 on node2 (pid 42) is the furthest behind"),
        ({0: (9, 0), 2: (8, 0)}, "Process 1 has left no sign of life"),
    ],
)
def test_the_peer_that_is_waited_for_is_named(tmp_path, signs, expected):
    for process, (step, age) in signs.items():
        sign(tmp_path, process, step, time.time() - age)
    dog = Watchdog(tmp_path, 0, process=0, processes=3)
    dog.seconds = 100
    assert dog._blame().startswith(expected)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({"alive": -30.0}, "Process 1 on node1 (pid 41) is gone: no sign of life for 3"),
        (
            {"alive": 0.0, "ended": "OSError: disk full"},
            "Process 1 on node1 (pid 41) has ended with OSError: disk full",
        ),
    ],
)
def test_one_that_fails_with_a_peer_names_the_peer_that_failed_first(
    tmp_path, capfd, last, expected
):
    sign(tmp_path, 1, 7, time.time() + last["alive"])
    written = json.loads((tmp_path / "1.json").read_text())
    (tmp_path / "1.json").write_text(json.dumps(written | last | {"alive": written["alive"]}))
    dog = Watchdog(tmp_path, 60, process=0, processes=2)
    dog.ended(RuntimeError("connection closed"), by_peer=True)
    dog.close()
    assert f"error: {expected}" in capfd.readouterr().err
    left = json.loads((tmp_path / "0.json").read_text())
    assert left["by_peer"] and left["ended"].startswith(expected)


def test_one_that_fails_by_itself_leaves_its_error_as_the_last_sign(tmp_path, capfd):
    dog = Watchdog(tmp_path, 60, process=0, processes=2)
    dog.ended(ValueError("a record\nwith more"))
    dog.close()
    left = json.loads((tmp_path / "0.json").read_text())
    assert (left["ended"], left["by_peer"]) == ("ValueError: a record", False)
    assert capfd.readouterr().err == ""
