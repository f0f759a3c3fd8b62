"""Work in processes of its own, so that a crash, a hang or a flood of memory is one failed item.

Results come in the order of the items, piece by piece, and workers that run ahead wait, so memory
stays bounded however long the items are. Workers import what the function needs and nothing else:
not the caller's main module, so no jax. They end with their parent, however it ends.
"""

import collections
import functools
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from affectjax.errors import UserError
from affectjax.media.serving import Failure

TIMEOUT = 600.0  # seconds without a sign of life
AHEAD = 4  # pieces that wait for their turn, of one item
GRACE = 5.0  # seconds for a worker to end by itself
LOOK = 0.5  # seconds between looks at silent workers

# Workers are many, so each gets by with one thread.
ENVIRONMENT = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def work(
    items: Iterable[Any],
    function: Callable[[Any], Any],
    workers: int = 2,
    timeout: float = TIMEOUT,
    memory: int | None = None,
) -> Iterator[tuple[Any, Any]]:
    """(item, function(item) or Failure) of all items, in their order.

    `function` and items travel by pickle; `memory` caps the bytes that a worker may reserve.
    """
    return stream(items, functools.partial(_once, function), workers, timeout, memory)


def stream(
    items: Iterable[Any],
    function: Callable[[Any], Iterable[Any]],
    workers: int = 2,
    timeout: float = TIMEOUT,
    memory: int | None = None,
) -> Iterator[tuple[Any, Any]]:
    """As `work`, of a function that gives many pieces: (item, piece) for each, in order.

    The timeout counts from piece to piece. A Failure is the last of its item.
    """
    if not timeout > 0:  # so is no number
        mend = "It is the seconds without a sign of life after which a worker is given up."
        raise UserError(f"timeout is {timeout}, and must be above 0", mend=mend)
    if workers < 1:
        raise UserError(f"workers is {workers}, and must be at least 1")
    return _run(items, function, workers, timeout, memory)


def _once(function: Callable[[Any], Any], item: Any) -> Iterator[Any]:
    yield function(item)


class _Entry:
    """An item under way: its pieces that nobody took yet."""

    def __init__(self, item: Any):
        self.item, self.pieces, self.done = item, collections.deque(), False


class _Worker:
    """One process and the line to it; `entry` is what it works on."""

    def __init__(self, function: Callable, memory: int | None):
        self.line, theirs = multiprocessing.connection.Pipe()
        code = f"from affectjax.media.serving import serve; serve({theirs.fileno()}, {os.getpid()})"
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**ENVIRONMENT, **os.environ, "PYTHONPATH": path},
            process_group=0,  # Ctrl-C reaches the parent alone, and the parent decides
        )
        theirs.close()
        self.entry: _Entry | None = None
        self.since = time.monotonic()
        self._tell((function, memory))

    def begin(self, entry: _Entry) -> None:
        self.entry, self.since = entry, time.monotonic()
        self._tell(entry.item)

    def _tell(self, message: Any) -> None:
        try:
            self.line.send(message)
        except OSError:  # it died; reading says so
            pass

    def stop(self, at_once: bool) -> None:
        self.line.close()
        if not at_once:
            try:
                self.process.wait(GRACE)
                return
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        self.process.wait()

    def end(self) -> Failure:
        """Why a worker whose line is closed ended."""
        self.line.close()
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if status == -signal.SIGKILL:
            return Failure("crash", "the worker was killed, perhaps for lack of memory")
        if status < 0:
            return Failure("crash", f"the worker crashed: {signal.Signals(-status).name}")
        return Failure("crash", f"the worker ended with status {status}")


def _run(items, function, workers, timeout, memory) -> Iterator[tuple[Any, Any]]:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.args[0] if inner.func is _once else inner.func
    if getattr(inner, "__module__", None) == "__main__":
        raise TypeError(f"{inner} cannot go to a worker: workers do not import the main module")
    items, entries = iter(items), collections.deque()  # entries: in order, the first is next
    pool: list[_Worker] = []
    clean = False
    try:
        while True:
            _hand_out(items, entries, pool, function, workers, memory)
            if not entries:
                break
            _listen(entries, pool, timeout)
            while entries and (entries[0].pieces or entries[0].done):
                if entries[0].pieces:
                    before = time.monotonic()
                    yield entries[0].item, entries[0].pieces.popleft()
                    for worker in pool:  # the caller's time is not the worker's silence
                        worker.since += time.monotonic() - before
                else:
                    entries.popleft()
        clean = True
    finally:
        for worker in pool:
            worker.stop(at_once=not clean)


def _hand_out(items, entries, pool, function, workers, memory) -> None:
    """Give idle workers something to do, not too far ahead of what comes next."""
    while len(entries) < 4 * workers:
        idle = next((worker for worker in pool if worker.entry is None), None)
        if idle is None and len(pool) >= workers:
            return
        try:
            entry = _Entry(next(items))
        except StopIteration:
            return
        entries.append(entry)
        if idle is None:
            idle = _Worker(function, memory)
            pool.append(idle)
        idle.begin(entry)


def _listen(entries, pool, timeout) -> None:
    """Take what workers have to say; find those that fell silent or died."""
    busy = [worker for worker in pool if worker.entry is not None]
    heard = [w for w in busy if w.entry is entries[0] or len(w.entry.pieces) < AHEAD]
    lines = {worker.line: worker for worker in heard}
    ready = multiprocessing.connection.wait(lines, LOOK)
    now = time.monotonic()
    for worker in busy:
        if worker not in heard:
            worker.since = now  # it waits for us
        elif worker.line in ready:
            worker.since = now
            _take(worker, pool)
        elif now - worker.since > timeout:
            worker.stop(at_once=True)
            _lost(worker, pool, Failure("timeout", f"no sign of life for {timeout:g} seconds"))
        elif worker.process.poll() is not None and not worker.line.poll():
            _lost(worker, pool, worker.end())


def _take(worker: _Worker, pool: list[_Worker]) -> None:
    try:
        kind, value = worker.line.recv()
    except (EOFError, OSError):
        _lost(worker, pool, worker.end())
        return
    if kind == "done":
        worker.entry.done, worker.entry = True, None
    else:
        worker.entry.pieces.append(value)


def _lost(worker: _Worker, pool: list[_Worker], why: Failure) -> None:
    worker.entry.pieces.append(why)
    worker.entry.done = True
    pool.remove(worker)
