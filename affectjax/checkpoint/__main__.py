"""Look at the checkpoints of a run: python -m affectjax.checkpoint list|verify DIR

list DIR      the steps, their age, size and metrics
verify DIR    exit status 0: all good; 2: names what is bad
"""

import sys
import time

import jax
from etils import epath

from affectjax import exits
from affectjax.checkpoint.folder import BadCheckpoint, read_host, steps, whole_path
from affectjax.checkpoint.restoring import verify
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from affectjax.flags import Parser


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m affectjax.checkpoint", __doc__)
    parser.add_argument("command", choices=("list", "verify"))
    parser.add_argument("directory", help="a workdir, or its folder `checkpoints`")
    values = parser.parse_args(argv)
    directory = whole_path(values.directory)
    if not steps(directory):
        directory = directory / "checkpoints"
    if not steps(directory):
        raise UserError("there is no checkpoint", values.directory)
    return {"list": _list, "verify": _verify}[values.command](directory)


def _list(directory: epath.Path) -> int:
    for step in steps(directory):
        folder = directory / str(step)
        size = _size(folder)
        age = (time.time() - folder.stat().mtime) / 3600
        try:
            metrics = read_host(directory, step)["metrics"]
            told = "  ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        except BadCheckpoint as error:
            told = f"bad: {error}"
        print(f"{step:>10}  {size / 2**20:10.1f} MiB  {age:8.1f} h ago  {told}".rstrip())
    return COMPLETE


def _verify(directory: epath.Path) -> int:
    bad = False
    for step in steps(directory):
        lines = verify(directory, step)
        bad |= bool(lines)
        print(f"{step}: {'bad' if lines else 'good'}")
        for line in lines:
            print(f"  {line}")
    return BAD_INPUT if bad else COMPLETE


def _size(folder: epath.Path) -> int:
    return sum(_size(path) if path.is_dir() else path.stat().length for path in folder.iterdir())


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")  # a look must not take the accelerator's memory
    sys.exit(main())
