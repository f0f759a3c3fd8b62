"""Published weights in, ours out: python -m affectjax.convert NAME CHECKPOINT --out=DIR

CHECKPOINT is a .pth, .safetensors, .npz or .caffemodel file, or a folder of the hub; several are
read as one. Every key of it is used, known to be of no use, or an error. `vaanet` and `cten` are
the authors' whole models: they become exports, in the release form, that `affectjax.load` opens.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectjax import exits
from affectjax.backbones import catalogue, checkpoint_files, weights
from affectjax.backbones.preprocess import named
from affectjax.backbones.torch_state import State
from affectjax.errors import COMPLETE, UserError
from affectjax.flags import Parser

MODELS = ("vaanet", "cten")


def from_torch(
    name: str,
    state_dict: Mapping[str, np.ndarray],
    config: Mapping[str, Any] | None = None,
    where: str = "",
    **arguments: Any,
) -> weights.Weights:
    """A checkpoint's arrays as weights of the network `name`.

    Its sizes are read off the arrays and, for a folder of the hub, its `config`; `arguments` go
    before both.
    """
    found = catalogue.row(name)
    state = State(state_dict, where)
    if "normalisation" in arguments:  # then a hub's own word on it does not count
        config = {k: v for k, v in (config or {}).items() if k != "preprocessor"}
    chosen = {**found.module.read_settings(state, config or {}), **arguments}
    settings = catalogue.settings(name, chosen)
    if hasattr(settings, "normalisation"):
        named(settings.normalisation)
    variables = found.module.from_torch(state, settings)
    state.finish()
    made = weights.Weights(name, settings, variables)
    weights.check(made, where)
    return made


def convert(
    name: str, checkpoints: list[str], out: str, **arguments: Any
) -> tuple[weights.Weights, dict[str, Any]]:
    """Read, convert and write one network; gives it and what its config.json says."""
    catalogue.row(name)
    found = {path: checkpoint_files.read(path) for path in map(pathlib.Path, checkpoints)}
    arrays = joined({path: one[0] for path, one in found.items()})
    config, sources = {}, {}
    for _, about, digests in found.values():
        config, sources = config | about, sources | digests
    made = from_torch(name, arrays, config, ", ".join(checkpoints), **arguments)
    made = dataclasses.replace(made, sources=sources)
    return made, weights.save(out, made)


def joined(files: Mapping[pathlib.Path, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All arrays; where two files hold the same key, every key has its file's name before it."""
    together = {key: array for arrays in files.values() for key, array in arrays.items()}
    if len(together) == sum(map(len, files.values())):
        return together
    stems = [path.stem for path in files]
    if len(set(stems)) < len(stems):
        raise UserError(
            f"Two files are called {stems[0]} and hold the same keys", str(list(files)[0])
        )
    return {f"{path.stem}.{key}": a for path, arrays in files.items() for key, a in arrays.items()}


def told(name: str) -> str:
    """What --help says of a network."""
    row = catalogue.row(name)
    return f"  {name}: {row.reads} -> {row.gives}\n      {row.file}, from {row.home}"


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser(
        "python -m affectjax.convert",
        __doc__,
        epilog="networks:\n" + "\n".join(map(told, catalogue.ROWS)),
    )
    names = [*catalogue.ROWS, *MODELS]
    parser.add_argument("name", metavar="NAME", help=", ".join(names))
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--normalisation", help="how this checkpoint wants its pictures, where its file cannot tell"
    )
    parser.add_argument("--classes", help="of a whole model, in its order: joy,fear,...")
    parser.add_argument("--positive", help="those of the classes whose polarity is positive")
    flags = parser.parse_args(argv)
    arguments = {"normalisation": flags.normalisation} if flags.normalisation else {}
    if flags.name in MODELS:
        return _whole(flags, arguments)
    if flags.classes or flags.positive:
        raise UserError("--classes and --positive are for whole models", flags.name)
    made, about = convert(flags.name, flags.checkpoints, flags.out, **arguments)
    count = sum(array.size for array in weights.flat(made.variables).values())
    print(f"{flags.out}: {flags.name}, {count:,} numbers, weights {about['weights'][:16]}")
    return COMPLETE


def _whole(flags: argparse.Namespace, arguments: dict[str, str]) -> int:
    """A whole model into an export."""
    from affectjax import convert_release

    if len(flags.checkpoints) > 1:
        raise UserError("A whole model is one checkpoint", flags.checkpoints[1])
    named_ones = {
        key: tuple(text.split(","))
        for key, text in (("classes", flags.classes), ("positive", flags.positive))
        if text
    }
    count = convert_release.convert(
        flags.name, flags.checkpoints[0], flags.out, **named_ones, **arguments
    )
    print(f"{flags.out}: an export of {flags.name}, {count:,} numbers")
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
