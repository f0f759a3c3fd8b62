"""Every way out of a command is an exit status, and at most one line."""

import errno
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from affectjax import exits
from affectjax.errors import BAD_INPUT, COMPLETE, FAULT, REQUEUE, BadRecord, UserError

ROOT = pathlib.Path(__file__).parents[1]


def raising(error):
    def command(argv):
        raise error

    return command


@pytest.mark.parametrize(
    "error, status, line",
    [
        (UserError("it is wrong", "here", "Mend it."), BAD_INPUT, "error: it is wrong (here)."),
        (BadRecord("a.tfrecord", 3, "torn"), BAD_INPUT, "error: a.tfrecord, record 3: torn"),
        (KeyboardInterrupt(), REQUEUE, "stopped; start the same command again"),
        (OSError(errno.ENOSPC, "No space left", "d/x"), BAD_INPUT, "No space left (d/x). Free"),
        (PermissionError(errno.EACCES, "Permission denied", "d"), BAD_INPUT, "denied (d)"),
        (SystemExit(COMPLETE), COMPLETE, ""),
        (SystemExit(REQUEUE), REQUEUE, ""),
    ],
)
def test_what_ends_a_command_is_a_status_and_a_line(error, status, line, capsys):
    assert exits.of(raising(error), ["a"]) == status
    said = capsys.readouterr().err
    assert line in said and len(said.strip().splitlines()) == bool(line)


@pytest.mark.parametrize("error", [ValueError("ours"), OSError(errno.EIO, "odd"), SystemExit("x")])
def test_a_fault_of_ours_is_raised(error):
    with pytest.raises(type(error)):
        exits.of(raising(error), [])


def test_sigterm_is_ctrl_c_and_is_given_back(capsys):
    before = signal.getsignal(signal.SIGTERM)

    def command(argv):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    assert exits.of(command, [], again="the rest is kept") == REQUEUE
    assert capsys.readouterr().err == "\nstopped; the rest is kept\n"
    assert signal.getsignal(signal.SIGTERM) is before


SAYS = """
import sys
from affectjax import exits
def command(argv):
    print("x" * 100_000)
    return 0
sys.exit(exits.of(command, []))
"""


def run(out) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", SAYS]
    return subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE)


def test_a_full_disk_under_the_output_is_one_line():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = run(full)
    assert done.returncode == BAD_INPUT and done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"error: No space left on device.")


def test_another_broken_pipe_is_a_fault_of_ours():
    with pytest.raises(BrokenPipeError):
        exits.of(raising(BrokenPipeError(errno.EPIPE, "a worker's")), [])


def test_a_reader_that_has_gone_is_no_traceback():
    reads, writes = os.pipe()
    os.close(reads)
    done = run(writes)
    os.close(writes)
    assert (done.returncode, done.stderr) == (FAULT, b"")


def test_a_signal_that_a_finaliser_swallows_comes_once_more():
    class Late:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)  # here it is raised, and lost

    def command() -> int:
        late = Late()
        del late
        time.sleep(20)
        return COMPLETE

    begun, hook = time.monotonic(), sys.unraisablehook
    assert exits.of(command) == REQUEUE and time.monotonic() - begun < 10
    assert sys.unraisablehook is hook
