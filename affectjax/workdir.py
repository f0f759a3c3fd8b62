"""A working directory: whose it is, under which command, and which of its runs are finished."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from affectjax import configlib, files
from affectjax.errors import UserError

# Keys that may differ when a run goes on: they change where and how fast, not what is computed.
MOVABLE = (
    "data.dir",
    "data.sample_dir",
    "checkpoint.keep",
    "checkpoint.asynchronous",
    "checkpoint.timeout",
    "train.workers",
    "train.tensorboard",
    "train.checkpoint_every",
    "train.bad_limit",
    "train.stuck_after",
    "train.init_from",
    "train.init_from_weights",
    "model.form",
    "model.remat",
)
ONCE_MOVABLE = ("checkpoint.best", "checkpoint.mode")  # an earlier version did not write them
GROWS = "recipe.times"  # a recipe of five runs goes on as one of ten, and keeps the five
BEGINNINGS = ("train.init_from", "train.init_from_weights")  # folders that move, and are told


@contextlib.contextmanager
def held(workdir: pathlib.Path, config, asked: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Nobody else runs here meanwhile, and the config is the one that the runs here have.

    `asked` is what the command line said, the config's path with its variants and the overrides:
    config.json says what was run, and command.json under which name, for the report's tables.
    """
    from affectjax import hosts  # with jax, which is to start after the flags are read

    with hosts.sole_use(workdir):
        if hosts.is_first():
            claim(workdir, config, asked)
        hosts.barrier("workdir claimed")
        yield


def claim(workdir: pathlib.Path, config, asked: Mapping[str, Any] | None = None) -> None:
    """Write the run's config into the workdir, or hold it against the one that is there."""
    path = workdir / "config.json"
    begun = any(workdir.rglob("checkpoints/*/host")) or any(workdir.rglob("result.json"))
    if path.exists() and begun:  # a run that never got to a checkpoint binds nobody
        now, usual = _plain(bound(config)), _plain(bound(configlib.defaults(config)))
        # What an earlier version did not know yet was as its default is.
        before = {k: now[k] if k in ONCE_MOVABLE else usual[k] for k in now if k in usual}
        before |= read(path)
        differing = [k for k in sorted({*before, *now}) if before.get(k) != now.get(k)]
        if differing == [GROWS]:
            if asked is not None:
                _write(path, before | {GROWS: now[GROWS]})
        elif differing := [k for k in differing if k != GROWS]:
            key = "data.dir" if "data.dir" in differing else differing[0]
            raise UserError(
                f"the workdir belongs to another config: {key} is {now.get(key)!r} here and "
                f"{before.get(key)!r} there"
                + (f" ({len(differing) - 1} more differ)" if len(differing) > 1 else ""),
                str(workdir),
                "Say another --workdir, or remove this one.",
            )
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if asked is not None:
            given = configlib.to_plain(asked["overrides"]).items()
            own = {k: v for k, v in given if k in BEGINNINGS or not _moves(k)}
            _write(workdir / "command.json", {**asked, "overrides": own})
        _write(path, bound(config))
    except OSError as error:
        raise UserError(
            f"the workdir cannot be written: {error.strerror}", str(workdir), "Say --workdir=DIR."
        ) from error


def bound(config) -> dict[str, Any]:
    """The keys that make a run what it is."""
    return {k: v for k, v in configlib.flatten(config).items() if not _moves(k)}


def finished(folder: pathlib.Path) -> dict[str, Any] | None:
    """The result of a run that was trained to its end and exported."""
    result = folder / "result.json"
    whole = result.exists() and (folder / "export" / "model.safetensors").exists()
    return read(result) if whole else None


def read(path: pathlib.Path) -> dict[str, Any]:
    """A file that an earlier run left; one that is damaged is named."""
    try:
        found = json.loads(path.read_text())
        if isinstance(found, dict):
            return found
    except (ValueError, UnicodeDecodeError):
        pass
    raise UserError("a file of the run is damaged", str(path), "Remove it; the run then goes on.")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values))


def _moves(key: str) -> bool:
    return key in MOVABLE or key.startswith("mesh.")


def _write(path: pathlib.Path, value: Mapping[str, Any]) -> None:
    files.put(path, json.dumps(value, indent=1))
