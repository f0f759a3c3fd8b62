"""The writer of checkpoints: asynchronous, and a step appears whole or not at all."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from affectjax.checkpoint.folder import (
    NAMED,
    best_step,
    clear_temporary,
    first_line,
    make_writable,
    remove,
    steps,
    whole_path,
)
from affectjax.checkpoint.restoring import restore
from affectjax.digest import digests
from affectjax.errors import UserError
from affectjax.sharding import named_leaves
from affectjax.state import as_plain


class Checkpoints:
    """The writer of one directory. All processes of a run hold one and call it at the same steps.

    keep: how many of the newest steps stay. best: the name of a metric whose best step stays as
    well, "" for none; mode says whether "max" or "min" is best. Saving step s removes every later
    step: those belong to a course of training that was abandoned.
    """

    def __init__(
        self,
        directory: Any,
        keep: int = 3,
        best: str = "",
        mode: str = "max",
        asynchronous: bool = True,
        timeout: int = 600,
    ):
        if keep < 1:
            raise UserError(f"keep = {keep} keeps no checkpoint", "checkpoint.keep", "Use >= 1.")
        if mode not in ("max", "min"):
            raise UserError(f"Unknown mode {mode!r}", "checkpoint.mode", "Use max or min.")
        self.directory = whole_path(directory)
        self.keep, self.best, self.mode, self.asynchronous = keep, best, mode, asynchronous
        self._pending: int | None = None
        self._known: int | None = None  # the step that this run saved or restored last
        make_writable(self.directory)
        if jax.process_index() == 0:
            clear_temporary(self.directory)
        _together("checkpoint directory ready")
        self._writer = ocp.AsyncCheckpointer(
            ocp.CompositeCheckpointHandler(
                # Floats hardly compress, and the time is better spent on training.
                state=ocp.PyTreeCheckpointHandler(use_compression=False),
                host=ocp.JsonCheckpointHandler(filename="host.json"),
            ),
            async_options=ocp.options.AsyncOptions(timeout_secs=timeout),
        )

    def save(
        self,
        step: int,
        state: Any,
        host: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Starts saving; afterwards the state may be donated. A failed earlier save raises here."""
        self.wait()
        if step == self._known:
            return  # saved a moment ago, or what this run started from
        leaves = named_leaves(state)
        sums = digests(state)
        if apart := [path for path, lanes in sums.items() if min(lanes) < 0]:
            raise RuntimeError(f"the devices hold different copies of {', '.join(apart[:NAMED])}")
        content = {
            "step": step,
            "host": dict(host),
            "metrics": {name: float(value) for name, value in (metrics or {}).items()},
            "leaves": {
                path: [list(np.shape(leaf)), str(leaf.dtype), *sums[path]]
                for path, leaf in leaves.items()
            },
        }
        text = json.dumps(content, sort_keys=True)
        sealed = {"content": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        stored = {path: leaf for path, leaf in leaves.items() if np.size(leaf)}
        try:
            if jax.process_index() == 0:
                for folder in self.directory.iterdir():  # finished or not: none may be in the way
                    if folder.name.isdecimal() and int(folder.name) >= step:
                        remove(folder)
            self._writer.save(
                self.directory / str(step),
                ocp.args.Composite(
                    state=ocp.args.PyTreeSave(as_plain(stored)),
                    host=ocp.args.JsonSave(sealed),
                ),
            )
        except Exception as error:
            raise self._failed(step, error) from error
        self._pending = step
        if not self.asynchronous:
            self.wait()

    def wait(self) -> None:
        """Returns when the last save is on disk; raises if it is not."""
        step, self._pending = self._pending, None
        if step is None:
            return
        try:
            self._writer.wait_until_finished()
        except Exception as error:
            raise self._failed(step, error) from error
        if jax.process_index() == 0:
            # The directory knows; a writer's memory of what it meant to write does not.
            if step not in steps(self.directory):
                raise self._failed(step, FileNotFoundError(f"no folder {step} after the save"))
            self._retain()
        self._known = step

    def close(self) -> None:
        """Wait for the save under way, then end the writer."""
        try:
            self.wait()
        finally:
            self._writer.close()

    def restore(self, like: Any, step: int | None = None) -> tuple[Any, dict, int] | None:
        """See the function `restore`."""
        self.wait()
        restored = restore(self.directory, like, step)
        if restored is not None:
            self._known = restored[2]
        return restored

    def steps(self) -> list[int]:
        """The steps that are saved, in order."""
        return steps(self.directory)

    def best_step(self) -> int | None:
        """The saved step with the best `best`; None without one."""
        return best_step(self.directory, self.best, self.mode) if self.best else None

    def _retain(self) -> None:
        present = steps(self.directory)
        spared = {*present[-self.keep :], self.best_step()}
        for step in present:
            if step not in spared:
                remove(self.directory / str(step))

    def _failed(self, step: int, error: Exception) -> Exception:
        """What to raise: a fault of the disk is the user's to mend, others keep their traceback."""
        if jax.process_index() == 0:
            try:
                clear_temporary(self.directory)  # half a save must not fill the disk
            except OSError:
                pass  # the first error is the one to report
        if isinstance(error, (TimeoutError, jax.errors.JaxRuntimeError)) or not isinstance(
            error, (OSError, ValueError, RuntimeError)
        ):
            return error
        return UserError(
            f"The checkpoint of step {step} was not saved: {first_line(error)}",
            str(self.directory),
            "Free some space or make the directory writable; earlier steps are intact.",
        )


def _together(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
