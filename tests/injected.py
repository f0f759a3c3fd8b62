"""affectjax.main with a fault in it: at a batch, one process runs a line of Python.

AFFECTJAX_FAULT holds "PROCESS BATCH CODE"; batches count from 0 in each start. AFFECTJAX_BATCHES
names a folder in which every process notes the rows that it was given, with a digest of each.
AFFECTJAX_SLOW makes each batch last so many seconds. AFFECTJAX_STUCK is the watchdog's limit from
the fault on, in every process: compiling before it may take its time.
`interpreter` writes a script that stands in for Python in launch/processes.sh.
"""

import gc
import hashlib
import json
import multiprocessing
import os
import pathlib
import runpy
import signal
import sys
import threading
import time

ROOT = pathlib.Path(__file__).parent.parent


def interpreter(folder: pathlib.Path) -> str:
    path = folder / "python-with-faults"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -m ] && shift 2 && exec {sys.executable} {__file__} "$@"\n'
        f'exec {sys.executable} "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


def digests(arrays: dict) -> list[str]:
    """Of every row."""
    rows = len(next(iter(arrays.values())))
    keys = sorted(arrays)
    return [hashlib.sha256(b"".join(arrays[k][i].tobytes() for k in keys)).hexdigest()[:16]
            for i in range(rows)]  # fmt: skip


def stop_first_child() -> None:
    """SIGSTOP to the first worker process, as soon as there is one."""

    def wait():
        while not (found := multiprocessing.active_children()):
            time.sleep(0.001)
        os.kill(found[0].pid, signal.SIGSTOP)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    from affectjax import watchdog
    from affectjax.data import pipeline

    process = next((w.split("=")[1] for w in sys.argv if w.startswith("--process=")), "0")
    whose, at, code = os.environ.get("AFFECTJAX_FAULT", "- 0 pass").split(" ", 2)
    notes = os.environ.get("AFFECTJAX_BATCHES")
    stuck = float(os.environ.get("AFFECTJAX_STUCK", 0))
    slow = float(os.environ.get("AFFECTJAX_SLOW", 0))
    given = pipeline.Batches.__next__
    count = iter(range(sys.maxsize))

    def injected(self):
        if self.expected < 10**9:  # of an evaluation, which has an end
            return given(self)
        if next(count) == int(at):
            for dog in gc.get_objects() if stuck else []:
                if isinstance(dog, watchdog.Watchdog):
                    dog.seconds = stuck
            if process == whose:
                exec(code, globals())
        time.sleep(slow)
        batch = given(self)
        if notes:
            with open(f"{notes}/{process}-{os.getpid()}.jsonl", "a") as file:
                for row in zip(batch.rows.tolist(), batch.ids, digests(batch.arrays)):
                    file.write(json.dumps(row) + "\n")
        return batch

    pipeline.Batches.__next__ = injected
    runpy.run_module("affectjax.main", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
