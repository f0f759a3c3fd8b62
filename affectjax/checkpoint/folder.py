"""What lies in a directory of checkpoints: its steps, what is told of them, and what must go."""

import hashlib
import json
import math
from typing import Any

import jax
from etils import epath

from affectjax.errors import UserError

NAMED = 5  # leaves named in a message
_TEMPORARY = ".orbax-checkpoint-tmp"  # orbax's own mark; ours for folders on their way out
_COMMITTED = "commit_success.txt"


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
            value = read_host(directory, step)["metrics"].get(metric)
        except BadCheckpoint:
            continue
        if value is not None and not math.isnan(value):
            values[step] = value
    if not values:
        return None
    sign = 1 if mode == "max" else -1
    return max(values, key=lambda step: (sign * values[step], -step))  # as the loop keeps it


def read_host(directory: Any, step: int) -> dict[str, Any]:
    """What `host.json` of a step tells, if its own digest says that it is as it was written."""
    file = epath.Path(directory) / str(step) / "host" / "host.json"
    try:
        sealed = json.loads(file.read_bytes())
        text, seal = sealed["content"], sealed["sha256"]
        if hashlib.sha256(text.encode()).hexdigest() != seal:
            raise ValueError("its SHA-256 does not fit")
        content = json.loads(text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{file.name}: {first_line(error)}") from error
    if content["step"] != step:
        raise BadCheckpoint(f"{file.name} is of step {content['step']}")
    return content


def whole_path(directory: Any) -> epath.Path:
    """An absolute path, or an address of a bucket as it is."""
    path = epath.Path(directory)
    return path if "://" in str(directory) else path.absolute()


def make_writable(directory: epath.Path) -> None:
    """Fails now, not after hours of training."""
    # No temporary folder of orbax by its name: another process may be clearing those just now.
    probe = directory / f".writable-{jax.process_index()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"Checkpoints cannot be written: {first_line(error)}",
            str(directory),
            "Choose a workdir that is writable and has space.",
        ) from error


def clear_temporary(directory: epath.Path) -> None:
    """Remains of saves that were killed; only the writer may do this, and before it writes."""
    for path in directory.iterdir():
        if _TEMPORARY in path.name:
            path.rmtree(missing_ok=True) if path.is_dir() else path.unlink(missing_ok=True)


def remove(folder: epath.Path) -> None:
    """Renamed first: killed half-way, no step with missing files is left."""
    going = folder.parent / f"{folder.name}{_TEMPORARY}-removed"
    if going.exists():
        going.rmtree()
    folder.rename(going)
    going.rmtree()


def first_line(error: BaseException) -> str:
    """An error in one line: its kind, and the beginning of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
