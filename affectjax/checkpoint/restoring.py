"""Reading a checkpoint back: on any mesh, and what is not as it was saved is passed over aloud."""

import math
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from affectjax.checkpoint.folder import (
    NAMED,
    BadCheckpoint,
    first_line,
    read_host,
    steps,
    whole_path,
)
from affectjax.digest import digests
from affectjax.errors import UserError
from affectjax.sharding import named_leaves
from affectjax.state import as_plain, from_plain


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
        content = read_host(directory, step)
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
        content = read_host(directory, step)
        unlike = _differences(content["leaves"], named_leaves(like))
    except BadCheckpoint as error:
        why = str(error)
    if _anywhere(why is not None):
        return None, {}, _one_line(why)
    if unlike:
        shown = "; ".join(unlike[:NAMED]) + ("; ..." if len(unlike) > NAMED else "")
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
            whole_path(directory) / str(step) / "state",
            args=ocp.args.PyTreeRestore(
                target, restore_args=ocp.checkpoint_utils.construct_restore_args(target)
            ),
        )
    except Exception as error:  # damaged files raise whatever their reader stumbled over
        raise BadCheckpoint(f"state: {first_line(error)}") from error
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


def _one_line(why: str | None) -> str:
    if why is None:
        return "another process could not read it"
    lines = why.split("\n")
    return "; ".join(lines[:NAMED]) + (f"; {len(lines) - NAMED} more" if lines[NAMED:] else "")
