"""What a run starts from: its data's statistics, and an export's parameters, all accounted for."""

import re
from collections.abc import Sequence

import jax
import numpy as np

from affectjax.errors import UserError
from affectjax.export import Export
from affectjax.layers.positions import load_positions
from affectjax.sharding import named_leaves, path_name

STANDARDISE = re.compile(r"(^|/)standardise_(?P<modality>.+)/(?P<kind>mean|deviation)$")
POSITIONS = re.compile(r"(^|/)position$")


def from_export(
    state: dict, given: Export, fresh: Sequence[str] = (), drop: Sequence[str] = ()
) -> dict:
    """The state's `params`, `model_state` and `ema` with the export's values in them.

    Paths that match `fresh` keep their new values; the export's that match `drop` are left out.
    """
    params = merge(state["params"], given.params, fresh, drop, str(given.folder))
    new = {"params": params}
    if state["model_state"]:
        new["model_state"] = merge(
            state["model_state"], given.model_state, fresh, drop, str(given.folder)
        )
    if state["ema"]:
        new["ema"] = jax.tree.map(lambda leaf: leaf.copy(), params)
    return new


def from_statistics(model_state: dict, statistics: dict[str, dict]) -> dict:
    """The model's standardising constants, set to those of the dataset's training split."""

    def take(path, leaf):
        found = STANDARDISE.search(path_name(path))
        if not found:
            return leaf
        value = np.asarray(statistics[found["modality"]][found["kind"]], leaf.dtype)
        return jax.device_put(value, leaf.sharding)

    return jax.tree_util.tree_map_with_path(take, model_state)


def merge(own, given: dict, fresh: Sequence[str], drop: Sequence[str], where: str):
    """The tree of `own` with the leaves of `given`, on the devices where `own` lies."""
    mine, theirs = named_leaves(own), named_leaves(given)
    theirs = {k: v for k, v in theirs.items() if not _matches(k, drop)}
    wanted = [k for k in mine if not _matches(k, fresh)]
    missing = [k for k in wanted if k not in theirs]
    extra = [k for k in theirs if k not in mine]
    for names, what, key in ((missing, "lacks", "init_new"), (extra, "also holds", "init_drop")):
        if names:
            raise UserError(
                f"the export {what} {', '.join(names[:5])}"
                + (f" and {len(names) - 5} more" if len(names) > 5 else ""),
                where,
                f"Use the config it was trained with, or name them in train.{key}.",
            )

    def take(path, leaf):
        name = path_name(path)
        if name not in wanted:
            return leaf
        value = np.asarray(theirs[name])
        if POSITIONS.search(name) and value.ndim == 2 and value.shape[1:] == leaf.shape[1:]:
            value = load_positions(value, leaf.shape[0] - 1)
        if value.shape != leaf.shape:
            raise UserError(
                f"{name} is {value.shape} in the export and {leaf.shape} in the model",
                where,
                "Use the config it was trained with.",
            )
        return jax.device_put(value.astype(leaf.dtype), leaf.sharding)

    return jax.tree_util.tree_map_with_path(take, own)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, path) for pattern in patterns)
