"""A converted checkpoint as a folder: model.safetensors, and config.json that says what it is.

config.json holds the network's name and settings (its normalisation among them), the digests of
the files it was made from, and that of the arrays.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from affectjax import files
from affectjax.backbones import catalogue
from affectjax.errors import UserError

FORMAT = 1
KEYS = {"format", "backbone", "settings", "trained", "sources", "weights"}  # of config.json


@dataclasses.dataclass(frozen=True)
class Weights:
    """A network with its arrays: `module.apply(weights.variables, x, weights.settings)`."""

    name: str
    settings: Any  # the module's Settings
    variables: Mapping[str, Any]  # {"params": ..., "batch_stats": ...}
    trained: bool = True  # False: drawn at random
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)  # file -> sha256

    @property
    def module(self):
        """The module of the network."""
        return catalogue.row(self.name).module

    @property
    def digest(self) -> str:
        """Of every array's path, type, shape and bytes, in the order of the paths."""
        total = hashlib.sha256()
        for path, array in sorted(flat(self.variables).items()):
            total.update(f"{path} {array.dtype} {array.shape}\n".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def save(folder: str | os.PathLike, weights: Weights) -> dict[str, Any]:
    """Write the folder as a whole or not at all; gives what config.json says."""
    folder = pathlib.Path(folder)
    if folder.exists() and not (folder.is_dir() and (is_ours(folder) or not any(folder.iterdir()))):
        raise UserError("There is something else already", str(folder), "Name another --out.")
    arrays = {path: np.ascontiguousarray(array) for path, array in flat(weights.variables).items()}
    about = {
        "format": FORMAT,
        "backbone": weights.name,
        "settings": dataclasses.asdict(weights.settings),
        "trained": weights.trained,
        "sources": dict(weights.sources),
        "weights": weights.digest,
    }
    try:
        with files.folder(folder) as made:
            safetensors.numpy.save_file(arrays, made / "model.safetensors")
            (made / "config.json").write_text(json.dumps(about, indent=1, sort_keys=True))
    except (OSError, SafetensorError) as error:
        raise UserError("The weights cannot be written", str(folder), str(error)) from error
    return about


def is_ours(folder: pathlib.Path) -> bool:
    """Whether a converted checkpoint stands there, so that a new one may replace it."""
    try:
        describe(folder)
    except UserError:
        return False
    return True


def describe(folder: str | os.PathLike, name: str = "") -> dict[str, Any]:
    """What config.json says, without reading the arrays; `name` is the network it must be of."""
    folder = pathlib.Path(folder)
    mend = "Name a folder that `python -m affectjax.convert` wrote."
    if name:
        mend = catalogue.how_to_get(name)
    try:
        about = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise UserError("There are no converted weights", str(folder), mend) from error
    if not isinstance(about, dict) or not KEYS <= set(about):
        raise UserError("There are no converted weights", str(folder), mend)
    if about["format"] != FORMAT:
        what = f"The weights have format {about['format']}, this version reads {FORMAT}"
        raise UserError(what, str(folder), "Convert them again.")
    if name and about["backbone"] != name:
        raise UserError(f"These are weights of {about['backbone']}, not {name}", str(folder), mend)
    return about


def load(folder: str | os.PathLike, name: str = "") -> Weights:
    """Read a converted folder; refuses damaged arrays and ones that the settings do not ask for."""
    folder = pathlib.Path(folder)
    about = describe(folder, name)
    try:
        arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise UserError("The weights cannot be read", str(folder), str(error)) from error
    settings = catalogue.settings(about["backbone"], about["settings"])
    found = Weights(about["backbone"], settings, nested(arrays), about["trained"], about["sources"])
    check(found, str(folder))
    if found.digest != about["weights"]:
        mend = "Copy them again, or convert them anew."
        raise UserError("The weights are damaged: not as they were written", str(folder), mend)
    return found


def random(name: str, seed: int = 0, **arguments: Any) -> Weights:
    """Weights drawn at random, to try the way without a checkpoint; `trained` is False."""
    settings = catalogue.settings(name, arguments)
    rng = np.random.default_rng(seed)
    leaves = flat(catalogue.row(name).module.tree(settings))
    drawn = {path: _drawn(path, tuple(leaves[path].shape), rng) for path in sorted(leaves)}
    return Weights(name, settings, nested(drawn), trained=False, sources={"random": str(seed)})


def _drawn(path: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Norms that change nothing; kernels that let deep sums neither vanish nor overflow.

    By NumPy: the initialisers would compile a program for every shape, to no use here.
    """
    constant = {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}.get(path.rsplit("/", 1)[-1])
    if constant is not None:
        return np.full(shape, constant, np.float32)
    noise = rng.standard_normal(shape, np.float32)
    return noise * np.float32(np.prod(shape[:-1], initial=1.0) ** -0.5)


def check(weights: Weights, where: str) -> None:
    """Raises unless the arrays are exactly those of the network with these settings."""
    wanted = flat(weights.module.tree(weights.settings))
    shapes = {path: tuple(leaf.shape) for path, leaf in wanted.items()}
    found = {path: array.shape for path, array in flat(weights.variables).items()}
    odd = sorted(path for path in {*shapes, *found} if shapes.get(path) != found.get(path))
    if odd:
        first = f"{odd[0]} is {found.get(odd[0], 'missing')}, not {shapes.get(odd[0], 'known')}"
        more = f" ({len(odd) - 1} more differ)" if len(odd) > 1 else ""
        what = f"The arrays are not those of {weights.name} with these settings: {first}{more}"
        raise UserError(what, where, "Convert the checkpoint again.")


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a/b/c": leaf} of nested dictionaries."""
    found = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}/")
        else:
            found[prefix + key] = value
    return found


def nested(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The inverse of `flat`."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *parents, last = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = array
    return tree
