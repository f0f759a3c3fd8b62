"""A watchdog: a job in which nothing moves for too long says who stands still, and ends.

Every process leaves a sign of life in a folder that all of them see; the one whose sign is old, or
whose step is behind, is the one that the others wait for. A process that fails leaves its error
as its last sign, and those that fail because it has gone name it.

A process that was itself suspended (SIGSTOP, then SIGCONT) is not taken to stand still: time in
which not even the watching thread runs does not count. That holds for up to 1.5 times the limit
and 5 s at a stretch. After that the timer kept for what holds the interpreter's lock ends the
process as it wakes, with its stacks and a bare "Timeout": no process can hold that timer back while
it is suspended. The others never count it as suspended: they wait no longer than their own limit.
"""

import contextlib
import faulthandler
import json
import os
import pathlib
import socket
import sys
import threading
import time

from affectjax.errors import FAULT

PERIOD = 2.0  # seconds from one sign to the next
SILENT = 3 * PERIOD  # seconds without a sign after which a process that should give one is gone


class Watchdog:
    """`beat` says what the process is at; `seconds` without one and the process is ended.

    seconds = 0 watches nothing. The stacks of all threads go to standard error first.
    """

    def __init__(self, folder: pathlib.Path, seconds: float, process: int = 0, processes: int = 1):
        self.folder, self.seconds = pathlib.Path(folder), seconds
        self.process, self.processes = process, processes
        self._suspended = 0.0  # seconds, written by the watching thread alone
        self._at, self._step, self._since = "start", -1, self._now()
        self._over, self._ended = threading.Event(), ""
        self._watcher = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        if seconds:
            self._rearm()
            self._leave_sign()
            self._watcher.start()

    def beat(self, at: str, step: int) -> None:
        """The process has moved: it is now at this, of this step."""
        self._at, self._step, self._since = at, step, self._now()
        if self.seconds:
            self._rearm()

    def close(self) -> None:
        """Watch no more, and leave no sign but that of a failure."""
        self._over.set()
        if self.seconds:
            self._watcher.join()  # it would set the timer again
            faulthandler.cancel_dump_traceback_later()
            if not self._ended:
                with contextlib.suppress(OSError):
                    self._sign(self.process).unlink()

    def ended(self, error: BaseException, by_peer: bool = False) -> None:
        """The process fails: its last sign says how. If it may be a peer's end, say whose."""
        if not self.seconds:
            return
        self.beat("failing", self._step)  # alive until we have looked who else is
        lost = self._lost() if by_peer and self.processes > 1 else ""
        if lost:
            print(f"error: {lost}", file=sys.stderr, flush=True)
        self._over.set()
        self._watcher.join()
        faulthandler.cancel_dump_traceback_later()
        self._ended = lost or f"{type(error).__name__}: {error}".splitlines()[0][:300]
        self._leave_sign(self._ended, by_peer=bool(lost))

    def _lost(self) -> str:
        """Who has gone: one that failed by itself, or falls silent while we look."""
        until = time.time() + SILENT + 2 * PERIOD
        while time.time() < until:
            signs = {p: sign for p, sign in self._signs().items() if sign and p != self.process}
            for process, sign in signs.items():
                if sign.get("ended") and not sign.get("by_peer"):
                    return f"{_name(process, sign)} has ended with {sign['ended']}"
            for process, sign in signs.items():
                silent = time.time() - sign["alive"]
                if silent > SILENT and not sign.get("ended"):
                    return f"{_name(process, sign)} is gone: no sign of life for {silent:.0f} s"
            time.sleep(0.2)
        return ""

    def _rearm(self) -> None:
        # For what holds the interpreter's lock, under which no thread of ours would run.
        limit = 1.5 * self.seconds + 5
        faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__)

    def _now(self) -> float:
        """Seconds of a clock that stands still while the process is suspended."""
        return time.monotonic() - self._suspended

    def _watch(self) -> None:
        period = min(PERIOD, self.seconds / 5)
        began = time.monotonic()
        while not self._over.wait(period):
            self._rearm()
            late = time.monotonic() - began - period
            if late > period:  # further than a busy machine makes it
                self._suspended += late
            self._leave_sign()
            if self._now() - self._since > self.seconds:
                self._end()
            began = time.monotonic()

    def _end(self) -> None:
        print(
            f"error: process {self.process} has not moved for {self.seconds:g} s: {self._at}, step "
            f"{self._step}. {self._blame()}The same command goes on from the last checkpoint; "
            "train.stuck_after is the limit.",
            file=sys.stderr,
            flush=True,
        )
        faulthandler.dump_traceback(all_threads=True, file=sys.__stderr__)
        os._exit(FAULT)

    def _sign(self, process: int) -> pathlib.Path:
        return self.folder / f"{process}.json"

    def _leave_sign(self, ended: str = "", by_peer: bool = False) -> None:
        now = {"host": socket.gethostname(), "pid": os.getpid(), "at": self._at,
               "step": self._step, "alive": time.time(), "ended": ended,
               "by_peer": by_peer}  # fmt: skip
        partial = self.folder / f"{self.process}.partial"
        with contextlib.suppress(OSError):  # a sign that cannot be left is missed, no more
            self.folder.mkdir(exist_ok=True)  # never its parents: a lost workdir stays lost
            partial.write_text(json.dumps(now))
            os.replace(partial, self._sign(self.process))

    def _signs(self) -> dict[int, dict | None]:
        """The last sign of every process, None where there is none."""
        signs = {}
        for process in range(self.processes):
            try:
                signs[process] = json.loads(self._sign(process).read_text())
            except (OSError, ValueError):
                signs[process] = None
        return signs

    def _blame(self) -> str:
        """A sentence on the process that the job seems to wait for."""
        if self.processes == 1:
            return ""
        signs = self._signs()
        if missing := [process for process, sign in signs.items() if sign is None]:
            return f"Process {missing[0]} has left no sign of life. "
        now = time.time()
        silent = {p: now - s["alive"] for p, s in signs.items() if now - s["alive"] > self.seconds}
        if silent:
            who = max(silent, key=silent.get)
            why = f"gave its last sign of life {silent[who]:.0f} s ago"
        else:
            who = min(signs, key=lambda p: (signs[p]["step"], p == self.process))
            why = f"is the furthest behind, at step {signs[who]['step']}, {signs[who]['at']}"
        return f"{_name(who, signs[who])} {why}. "


def _name(process: int, sign: dict) -> str:
    return f"Process {process} on {sign['host']} (pid {sign['pid']})"
