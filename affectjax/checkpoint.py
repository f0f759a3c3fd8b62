"""Saves and restores the training state; what was not saved whole is never restored in silence.

DIR/<step>/ appears by one rename and holds the arrays (orbax item `state`) and `host/host.json`:
the caller's values, metrics, and a table of all arrays with shape, dtype and digest, under a
SHA-256 of its own. A flipped bit anywhere leads to an error or a fallback, or changed nothing.

    python -m affectjax.checkpoint list DIR      # the steps, their age, size and metrics
    python -m affectjax.checkpoint verify DIR    # exit code 0: all good; 2: names what is bad
"""

import hashlib
import json
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from affectjax import errors, exits
from affectjax.digest import digests
from affectjax.errors import UserError
from affectjax.flags import Parser
from affectjax.sharding import named_leaves
from affectjax.state import as_plain, from_plain

_TEMPORARY = ".orbax-checkpoint-tmp"  # orbax's own mark; ours for folders on their way out
_COMMITTED = "commit_success.txt"
_NAMED = 5  # leaves named in a message


class BadCheckpoint(Exception):
    """A step that cannot be trusted; the message says what is bad in it."""


def steps(directory: Any) -> list[int]:
    """The finished steps in a directory, oldest first."""
    directory = epath.Path(directory)
    if not directory.is_dir():
        return []
    return sorted(
        int(folder.name)
        for folder in directory.iterdir()
        if folder.name.isdecimal() and (folder / _COMMITTED).exists()
    )


def best_step(directory: Any, metric: str, mode: str = "max") -> int | None:
    """The first step with the best value of a metric among those that recorded it."""
    values = {}
    for step in steps(directory):
        try:
            value = _read_host(directory, step)["metrics"].get(metric)
        except BadCheckpoint:
            continue
        if value is not None and not math.isnan(value):
            values[step] = value
    if not values:
        return None
    sign = 1 if mode == "max" else -1
    return max(values, key=lambda step: (sign * values[step], -step))  # as the loop keeps it


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
        self.directory = _whole_path(directory)
        self.keep, self.best, self.mode, self.asynchronous = keep, best, mode, asynchronous
        self._pending: int | None = None
        self._known: int | None = None  # the step that this run saved or restored last
        _make_writable(self.directory)
        if jax.process_index() == 0:
            _clear_temporary(self.directory)
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
            raise RuntimeError(f"the devices hold different copies of {', '.join(apart[:_NAMED])}")
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
                        _remove(folder)
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
                _remove(self.directory / str(step))

    def _failed(self, step: int, error: Exception) -> Exception:
        """What to raise: a fault of the disk is the user's to mend, others keep their traceback."""
        if jax.process_index() == 0:
            try:
                _clear_temporary(self.directory)  # half a save must not fill the disk
            except OSError:
                pass  # the first error is the one to report
        if isinstance(error, (TimeoutError, jax.errors.JaxRuntimeError)) or not isinstance(
            error, (OSError, ValueError, RuntimeError)
        ):
            return error
        return UserError(
            f"The checkpoint of step {step} was not saved: {_first_line(error)}",
            str(self.directory),
            "Free some space or make the directory writable; earlier steps are intact.",
        )


def restore(
    directory: Any, like: Any, step: int | None = None
) -> tuple[Any, dict[str, Any], int] | None:
    """(state, host values, step) of the newest good step, or None where there is no step at all.

    like: the state's shapes and dtypes with the shardings it shall have, on any mesh. A step that
    is bad is named on stderr and an older one taken; with `step` given, a bad step is an error.
    """
    present = _agreed_steps(directory)
    if step is not None and step not in present:
        raise UserError(
            f"No checkpoint of step {step}", str(directory), f"There are: {present or 'none'}."
        )
    bad = []
    for candidate in reversed(present) if step is None else [step]:
        state, content, why = _try_restore(directory, candidate, like)
        if why is None:
            return state, content["host"], candidate
        bad.append(f"step {candidate}: {why}")
        if step is None and jax.process_index() == 0:
            print(
                f"warning: {directory}: step {candidate} is bad and was passed over: {why}",
                file=sys.stderr,
                flush=True,
            )
    if not bad:
        return None
    raise UserError(
        f"No good checkpoint: {'; '.join(bad)}",
        str(directory),
        "Move the directory away to start anew, or copy a good step into it.",
    )


def verify(directory: Any, step: int) -> list[str]:
    """What is bad in a step, a line each; an empty list says that all is as it was saved."""
    try:
        content = _read_host(directory, step)
        local = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        like = {
            path: jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype), sharding=local)
            for path, (shape, dtype, *_) in content["leaves"].items()
        }
        _compare(content, _load(directory, step, like))
    except BadCheckpoint as error:
        return str(error).split("\n")
    return []


def _try_restore(directory: Any, step: int, like: Any) -> tuple[Any, dict[str, Any], str | None]:
    """(state, content, None) or (None, {}, why it is bad); all processes come to one answer."""
    state, content, why, unlike = None, {}, None, None
    try:
        content = _read_host(directory, step)
        unlike = _differences(content["leaves"], named_leaves(like))
    except BadCheckpoint as error:
        why = str(error)
    if _anywhere(why is not None):
        return None, {}, _one_line(why)
    if unlike:
        shown = "; ".join(unlike[:_NAMED]) + ("; ..." if len(unlike) > _NAMED else "")
        raise UserError(
            f"Checkpoint {step} is of another state ({len(unlike)} differences): {shown}",
            str(directory),
            "Use the config it was trained with, or another workdir.",
        )
    arrays = None
    try:
        arrays = _load(directory, step, named_leaves(like))
    except BadCheckpoint as error:
        why = str(error)
    if _anywhere(why is not None):  # before the digests, which all must compute together
        return None, {}, _one_line(why)
    try:
        _compare(content, arrays)
        state = from_plain(arrays, like)
    except BadCheckpoint as error:
        why = str(error)
    if _anywhere(why is not None):
        return None, {}, _one_line(why)
    return state, content, None


def _read_host(directory: Any, step: int) -> dict[str, Any]:
    file = epath.Path(directory) / str(step) / "host" / "host.json"
    try:
        sealed = json.loads(file.read_bytes())
        text, seal = sealed["content"], sealed["sha256"]
        if hashlib.sha256(text.encode()).hexdigest() != seal:
            raise ValueError("its SHA-256 does not fit")
        content = json.loads(text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{file.name}: {_first_line(error)}") from error
    if content["step"] != step:
        raise BadCheckpoint(f"{file.name} is of step {content['step']}")
    return content


def _load(directory: Any, step: int, like: dict[str, Any]) -> dict[str, Any]:
    """The arrays by path. Every process reads for itself: one that fails must not leave others
    waiting for it, so what came of it is agreed on afterwards."""
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"reader_{me}"
    )
    stored = {path: leaf for path, leaf in like.items() if math.prod(leaf.shape)}
    target = as_plain(stored)
    reader = ocp.Checkpointer(
        ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
        multiprocessing_options=alone,
    )
    try:
        plain = reader.restore(
            _whole_path(directory) / str(step) / "state",
            args=ocp.args.PyTreeRestore(
                target, restore_args=ocp.checkpoint_utils.construct_restore_args(target)
            ),
        )
    except Exception as error:  # damaged files raise whatever their reader stumbled over
        raise BadCheckpoint(f"state: {_first_line(error)}") from error
    finally:
        reader.close()
    arrays = named_leaves(plain)
    for path, leaf in like.items():
        if path not in arrays:  # orbax stores no empty arrays
            arrays[path] = jax.device_put(jnp.zeros(leaf.shape, leaf.dtype), leaf.sharding)
    return {path: arrays[path] for path in like}


def _compare(content: dict[str, Any], arrays: dict[str, Any]) -> None:
    found = digests(arrays)
    bad = [path for path, (_, _, *sums) in content["leaves"].items() if found[path] != sums]
    if bad:
        raise BadCheckpoint("\n".join(f"{path}: its digest does not fit" for path in bad))


def _differences(saved: dict[str, Any], like: dict[str, Any]) -> list[str]:
    found = []
    for path in [*like, *(path for path in saved if path not in like)]:
        if path not in saved:
            found.append(f"{path} is not in it")
        elif path not in like:
            found.append(f"{path} is only in it")
        else:
            shape, dtype = saved[path][:2]
            leaf = like[path]
            if tuple(shape) != tuple(leaf.shape) or dtype != str(leaf.dtype):
                found.append(f"{path} is {dtype}{shape} in it, not {leaf.dtype}{list(leaf.shape)}")
    return found


def _agreed_steps(directory: Any) -> list[int]:
    """The first process's view: others may see a shared directory a little later."""
    present = steps(directory)
    if jax.process_count() == 1:
        return present
    count = int(multihost_utils.broadcast_one_to_all(np.int32(len(present))))
    mine = np.array((present + [0] * count)[:count], np.int32)
    return [int(step) for step in multihost_utils.broadcast_one_to_all(mine)] if count else []


def _anywhere(flag: bool) -> bool:
    """Whether it is true in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.bool_(flag))))


def _together(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def _whole_path(directory: Any) -> epath.Path:
    path = epath.Path(directory)
    return path if "://" in str(directory) else path.absolute()


def _make_writable(directory: epath.Path) -> None:
    """Fails now, not after hours of training."""
    # No temporary folder of orbax by its name: another process may be clearing those just now.
    probe = directory / f".writable-{jax.process_index()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"Checkpoints cannot be written: {_first_line(error)}",
            str(directory),
            "Choose a workdir that is writable and has space.",
        ) from error


def _clear_temporary(directory: epath.Path) -> None:
    """Remains of saves that were killed; only the writer may do this, and before it writes."""
    for path in directory.iterdir():
        if _TEMPORARY in path.name:
            path.rmtree(missing_ok=True) if path.is_dir() else path.unlink(missing_ok=True)


def _remove(folder: epath.Path) -> None:
    """Renamed first: killed half-way, no step with missing files is left."""
    going = folder.parent / f"{folder.name}{_TEMPORARY}-removed"
    if going.exists():
        going.rmtree()
    folder.rename(going)
    going.rmtree()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _one_line(why: str | None) -> str:
    if why is None:
        return "another process could not read it"
    lines = why.split("\n")
    return "; ".join(lines[:_NAMED]) + (f"; {len(lines) - _NAMED} more" if lines[_NAMED:] else "")


def _size(folder: epath.Path) -> int:
    return sum(_size(path) if path.is_dir() else path.stat().length for path in folder.iterdir())


def _list(directory: epath.Path) -> int:
    for step in steps(directory):
        folder = directory / str(step)
        size = _size(folder)
        age = (time.time() - folder.stat().mtime) / 3600
        try:
            metrics = _read_host(directory, step)["metrics"]
            told = "  ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        except BadCheckpoint as error:
            told = f"bad: {error}"
        print(f"{step:>10}  {size / 2**20:10.1f} MiB  {age:8.1f} h ago  {told}".rstrip())
    return errors.COMPLETE


def _verify(directory: epath.Path) -> int:
    bad = False
    for step in steps(directory):
        lines = verify(directory, step)
        bad |= bool(lines)
        print(f"{step}: {'bad' if lines else 'good'}")
        for line in lines:
            print(f"  {line}")
    return errors.BAD_INPUT if bad else errors.COMPLETE


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m affectjax.checkpoint", __doc__)
    parser.add_argument("command", choices=("list", "verify"))
    parser.add_argument("directory", help="a workdir, or its folder `checkpoints`")
    values = parser.parse_args(argv)
    directory = _whole_path(values.directory)
    if not steps(directory):
        directory = directory / "checkpoints"
    if not steps(directory):
        raise UserError("there is no checkpoint", values.directory)
    return {"list": _list, "verify": _verify}[values.command](directory)


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")  # a look must not take the accelerator's memory
    sys.exit(main())
