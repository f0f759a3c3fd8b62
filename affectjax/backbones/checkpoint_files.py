"""Checkpoints as people have them, read into NumPy arrays; a pickle is never executed.

torch files go through torch's weights-only loading, which builds arrays and nothing else.
"""

import importlib
import json
import pathlib
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError

from affectjax import files
from affectjax.backbones import caffe_model
from affectjax.errors import UserError

# Where a folder of the hub may hold its arrays, in order of preference.
HUB = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
PICTURES = "preprocessor_config.json"
WRAPPERS = ("state_dict", "model_state_dict", "model")  # {arch, state_dict} and the like
UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, SafetensorError, zipfile.BadZipFile,
)  # fmt: skip


def read(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, str]]:
    """A file or a hub folder -> ({key: array}, what its .json files say, {file name: sha256})."""
    config, named = {}, [path]
    if path.is_dir():
        config, named = _folder(path)
    elif not path.is_file():
        raise UserError("There is no such checkpoint", str(path))
    arrays: dict[str, np.ndarray] = {}
    for file in named:
        arrays |= read_file(file)
    return arrays, config, {file.name: files.sha256(file) for file in named}


def read_file(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of one .safetensors, .npz, .caffemodel or torch file."""
    readers = {".safetensors": _safetensors, ".npz": _npz, ".caffemodel": _caffe}
    try:
        return readers.get(path.suffix, _torch)(path)
    except pickle.UnpicklingError as error:
        if _names_code(str(error)):
            mend = "It holds more than arrays; save its state dict alone, or as .safetensors."
            raise UserError("Refused: its pickle asks to run code", str(path), mend) from error
        raise UserError("The file is damaged or no checkpoint", str(path)) from error
    except UNREADABLE as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UserError(f"The file is damaged or no checkpoint: {first}", str(path)) from error


def _folder(path: pathlib.Path) -> tuple[dict[str, Any], list[pathlib.Path]]:
    about = path / "config.json"
    name = next((name for name in HUB if (path / name).is_file()), None)
    if name is None or not about.is_file():
        mend = f"A folder of the hub holds config.json and one of {', '.join(HUB)}."
        raise UserError("This folder holds no checkpoint", str(path), mend)
    config = _json(about)
    if (path / PICTURES).is_file():
        config["preprocessor"] = _json(path / PICTURES)
    if not name.endswith(".index.json"):
        return config, [path / name]
    shards = sorted(set(_json(path / name).get("weight_map", {}).values()))
    for shard in shards:
        if pathlib.PurePath(shard).name != shard or not (path / shard).is_file():
            raise UserError(f"The index names {shard}, which is not there", str(path / name))
    return config, [path / shard for shard in shards]


def _json(path: pathlib.Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError("This is not JSON", str(path), str(error)) from error
    if not isinstance(found, dict):
        raise UserError("This holds no settings", str(path))
    return found


def _safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    import ml_dtypes  # noqa: F401  gives NumPy the type bfloat16
    import safetensors.numpy

    return safetensors.numpy.load_file(path)


def _npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return {key: found[key] for key in found.files}


def _caffe(path: pathlib.Path) -> dict[str, np.ndarray]:
    return caffe_model.read(path.read_bytes())


def _torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        mend = "Install torch, or save the state dict as .safetensors elsewhere."
        raise UserError("Reading a torch file needs torch", str(path), mend) from error
    with torch.serialization.safe_globals(_array_builders()):
        found = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise UserError("The file holds no state dict", str(path))
    return {
        key: array for key, value in found.items() if (array := _array(value, torch)) is not None
    }


def _array(value: Any, torch: Any) -> np.ndarray | None:
    """A tensor as NumPy holds it; None for what is no tensor, such as an epoch's number."""
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, torch.Tensor):
        return None
    wide = value.float() if value.dtype == torch.bfloat16 else value
    return wide.detach().numpy()


def _array_builders() -> list[Any]:
    """What a pickled NumPy array names: some published files hold these instead of tensors."""
    multiarray = importlib.import_module("numpy._core.multiarray")
    kinds = [type(np.dtype(kind)) for kind in "efdbBhHiIlLqQ?"]
    # the same function under the name that older releases of NumPy wrote
    old = (multiarray._reconstruct, "numpy.core.multiarray._reconstruct")
    return [multiarray._reconstruct, old, np.ndarray, np.dtype, *kinds]


def _names_code(message: str) -> bool:
    return "Unsupported" in message or "GLOBAL" in message or "was not an allowed" in message
