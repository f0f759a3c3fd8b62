"""Processes as one job: they start together, agree on when to stop, and stop together."""

import contextlib
import fcntl
import os
import pathlib
import re
import signal
import sys

import jax
from jax.experimental import multihost_utils

from affectjax.errors import UserError


def start(
    coordinator: str | None = None,
    processes: int = 1,
    process: int = 0,
    cpu_devices: int = 0,
    detect: bool = False,
    cache: str | None = None,
) -> None:
    """Configure jax and join the job's other processes, if there are any.

    With `detect`, jax finds coordinator and rank itself (SLURM, Kubernetes, TPU VMs).
    """
    if processes < 1 or cpu_devices < 0:
        raise UserError(f"--processes={processes} --cpu_devices={cpu_devices} is no job")
    if cpu_devices:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    if cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    if detect:
        jax.distributed.initialize()
    elif processes > 1:
        if not re.fullmatch(r"\S+:\d+", coordinator or ""):
            raise UserError(
                "several processes need a coordinator", mend="Say --coordinator=HOST:PORT."
            )
        if not 0 <= process < processes:
            raise UserError(f"process {process} is not one of 0 to {processes - 1}", "--process")
        print(f"process {process} of {processes} joins {coordinator}", flush=True)
        jax.distributed.initialize(coordinator, processes, process, initialization_timeout=300)


def is_first() -> bool:
    """True on the one process that writes for all."""
    return jax.process_index() == 0


def say(*words) -> None:
    """Print on the first process alone."""
    if is_first():
        print(*words, flush=True)


def barrier(name: str) -> None:
    """Wait until every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def agree(value: str, what: str, mend: str = "") -> None:
    """Every process must hold the same text, or all of them stop with an error."""
    if jax.process_count() > 1:
        try:
            multihost_utils.assert_equal(_bytes(value), what)
        except AssertionError as error:
            raise UserError(f"{what} differs between the processes", mend=mend) from error


def _bytes(text: str):
    import hashlib

    import numpy as np

    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8).astype(np.int32)


class Stop:
    """Turns SIGTERM (and one Ctrl-C) into a step on which all processes stop together."""

    def __init__(self):
        self._asked = False
        self._several = jax.process_count() > 1
        self._before = {}
        # With several processes jax's own service hears SIGTERM and finds the common step.
        for number in [signal.SIGINT] if self._several else [signal.SIGTERM, signal.SIGINT]:
            with contextlib.suppress(ValueError):  # not the main thread: the caller stops us
                self._before[number] = signal.signal(number, self._ask)

    def _ask(self, number, _frame) -> None:
        if number == signal.SIGINT and self._asked:
            raise KeyboardInterrupt  # the second Ctrl-C means it
        self._asked = True
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
        print("stopping: the state is saved first", file=sys.stderr, flush=True)

    def agreed(self, step: int) -> bool:
        """True when all processes are to stop before running `step`; call once a step."""
        if self._several:
            return multihost_utils.reached_preemption_sync_point(step)
        return self._asked

    def close(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def sole_use(workdir: pathlib.Path):
    """Hold the working directory; a second job in it is refused."""
    if not is_first():
        yield
        return
    try:
        handle = os.open(workdir / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"the workdir cannot be written: {error.strerror}", str(workdir)) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                "another run is using the workdir",
                str(workdir),
                "Wait for it or say --workdir=DIR.",
            ) from error
        except OSError:  # some network file systems know no locks
            pass
        yield
    finally:
        os.close(handle)
