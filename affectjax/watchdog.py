"""A watchdog: a job in which nothing moves for too long says who stands still, and ends.

Every process leaves a sign of life in a folder that all of them see; the one whose sign is old, or
whose step is behind, is the one that the others wait for.
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


class Watchdog:
    """`beat` says what the process is at; `seconds` without one and the process is ended.

    seconds = 0 watches nothing. The stacks of all threads go to standard error first.
    """

    def __init__(self, folder: pathlib.Path, seconds: float, process: int = 0, processes: int = 1):
        self.folder, self.seconds = pathlib.Path(folder), seconds
        self.process, self.processes = process, processes
        self._at, self._step, self._since = "start", -1, time.time()
        self._over = threading.Event()
        if seconds:
            self._rearm()
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self, at: str, step: int) -> None:
        """The process has moved: it is now at this, of this step."""
        self._at, self._step, self._since = at, step, time.time()
        if self.seconds:
            self._rearm()

    def close(self) -> None:
        """Watch no more, and leave no sign."""
        self._over.set()
        if self.seconds:
            faulthandler.cancel_dump_traceback_later()
            with contextlib.suppress(OSError):
                self._sign(self.process).unlink()

    def _rearm(self) -> None:
        # For what holds the interpreter's lock, under which no thread of ours would run.
        limit = 1.5 * self.seconds + 5
        faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__)

    def _watch(self) -> None:
        while not self._over.wait(min(5.0, self.seconds / 5)):
            self._leave_sign()
            if time.time() - self._since > self.seconds:
                self._end()

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

    def _leave_sign(self) -> None:
        now = {"host": socket.gethostname(), "pid": os.getpid(), "at": self._at,
               "step": self._step, "alive": time.time()}  # fmt: skip
        partial = self.folder / f"{self.process}.partial"
        with contextlib.suppress(OSError):  # a sign that cannot be left is missed, no more
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(now))
            os.replace(partial, self._sign(self.process))

    def _blame(self) -> str:
        """A sentence on the process that the job seems to wait for."""
        if self.processes == 1:
            return ""
        signs = {}
        for process in range(self.processes):
            try:
                signs[process] = json.loads(self._sign(process).read_text())
            except (OSError, ValueError):
                return f"Process {process} has left no sign of life. "
        now = time.time()
        silent = {p: now - s["alive"] for p, s in signs.items() if now - s["alive"] > self.seconds}
        if silent:
            who = max(silent, key=silent.get)
            why = f"gave its last sign of life {silent[who]:.0f} s ago"
        else:
            who = min(signs, key=lambda p: (signs[p]["step"], p == self.process))
            why = f"is the furthest behind, at step {signs[who]['step']}, {signs[who]['at']}"
        return f"Process {who} on {signs[who]['host']} (pid {signs[who]['pid']}) {why}. "
