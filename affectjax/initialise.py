"""What a run starts from: fresh parameters, its data's statistics, an export, converted networks.

All of it is accounted for: what is missing, left over or of another shape is an error.
"""

import dataclasses
import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import config_dict

from affectjax import configlib, export, hosts
from affectjax.backbones import catalogue, weights
from affectjax.errors import UserError
from affectjax.export import Export
from affectjax.layers.positions import load_positions
from affectjax.sharding import named_leaves, path_name

STANDARDISE = re.compile(r"(^|/)standardise_(?P<modality>.+)/(?P<kind>mean|deviation)$")
NETWORKS = {"sight": "resnet3d", "sound": "resnet"}  # part of a model -> its backbone
POSITIONS = re.compile(r"(^|/)position$")


def variables(model, shapes: dict, key) -> dict:
    """The model's fresh parameters and other variables, made through its loss."""
    key = jax.random.key(key) if isinstance(key, int) else key
    batch = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    params, dropout = jax.random.split(key)
    return model.init({"params": params, "dropout": dropout}, batch, train=True, method="loss")


def task_names(model, variables: dict, shapes: dict) -> list[str]:
    """What the model calls its losses."""
    tasks, _ = jax.eval_shape(
        lambda v, b: model.apply(v, b, train=False, method="loss"), variables, shapes
    )
    return sorted(tasks)


def digest(folders: str | tuple[str, ...] | None, networks: Sequence[tuple[str, str]]) -> str:
    """Of the weights that a run starts from: exports, and converted networks; "" of none."""
    found = [export.digest(folder) for folder in _several(folders)]
    return "+".join(found + [weights.describe(folder)["weights"] for _, folder in pairs(networks)])


def load(folders: str | tuple[str, ...]) -> Export:
    """An export; of several the first one, with what the others hold beside it."""
    first, *others = map(export.load, _several(folders))
    for other in others:
        both = {
            part: export.nested(
                export.paths(getattr(other, part)) | export.paths(getattr(first, part))
            )
            for part in ("params", "model_state")
        }
        first = dataclasses.replace(first, **both)
    return first


def pairs(networks: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """`train.init_from_weights`, each (the model's network, a folder)."""
    for pair in networks:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            mend = "Give pairs: (('sight', 'FOLDER'), ...)."
            raise UserError(f"train.init_from_weights holds {pair!r}", mend=mend)
    return networks


def _several(folders: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return folders if isinstance(folders, tuple) else (folders,) if folders else ()


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
    _say_unused(fresh, drop, state, (given.params, given.model_state), "export")
    if state["ema"]:
        new["ema"] = jax.tree.map(lambda leaf: leaf.copy(), params)
    return new


def from_networks(
    state: dict,
    model: config_dict.ConfigDict,
    folders: Sequence[tuple[str, str]],
    fresh: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> dict:
    """The state's `params`, `model_state` and `ema` with converted weights in the model's networks.

    model: the section of the config. folders: (the model's network, the folder that
    `python -m affectjax.convert` wrote of it). A classifier in them is left out. Where batch norm
    uses the stored statistics, pictures must come as the checkpoint wants them.
    """
    if not folders:
        return state
    new, held = dict(state), []
    for part, folder in pairs(folders):
        if not model.get(part):
            known = ", ".join(name for name in NETWORKS if model.get(name)) or "none"
            what = f"the model has no network '{part}' to start (it has {known})"
            raise UserError(what, "train.init_from_weights")
        found = weights.load(folder, NETWORKS[part])
        own = catalogue.settings(NETWORKS[part], configlib.arguments(model[part]))
        theirs = found.settings.normalisation
        if part == "sight" and own.normalisation != theirs and model.norms == "stored":
            raise UserError(
                f"these weights want pictures in '{theirs}', the model gives '{own.normalisation}'",
                str(folder),
                f"Say --config.model.{part}.normalisation={theirs}.",
            )
        for key, kind in (("params", "params"), ("model_state", "batch_stats")):
            whole = new[key] if key == "params" else new[key][kind]
            arrays = {k: v for k, v in found.variables[kind].items() if k != "head"}
            given = {part: {"net": {"net": arrays}}}
            held.append(given)
            merged = merge({part: whole[part]}, given, fresh, drop, str(folder), "network")
            whole = whole | merged
            new[key] = whole if key == "params" else new[key] | {kind: whole}
    _say_unused(fresh, drop, state, held, "networks")
    if state["ema"]:
        new["ema"] = jax.tree.map(lambda leaf: leaf.copy(), new["params"])
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


def merge(
    own, given: dict, fresh: Sequence[str], drop: Sequence[str], where: str, kind: str = "export"
):
    """The tree of `own` with the leaves of `given`, on the devices where `own` lies."""
    mend = "Use the config it was trained with"
    if kind == "network":
        mend = "Give the model's network the sizes of this checkpoint"
    mine, theirs = named_leaves(own), named_leaves(given)
    theirs = {k: v for k, v in theirs.items() if not _matches(k, drop)}
    wanted = [k for k in mine if not _matches(k, fresh)]
    missing = [k for k in wanted if k not in theirs]
    extra = [k for k in theirs if k not in mine]
    for names, what, key in ((missing, "lacks", "init_new"), (extra, "also holds", "init_drop")):
        if names:
            raise UserError(
                f"the {kind} {what} {', '.join(names[:5])}"
                + (f" and {len(names) - 5} more" if len(names) > 5 else ""),
                where,
                f"{mend}, or name them in train.{key}.",
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
                f"{name} is {value.shape} in the {kind} and {leaf.shape} in the model",
                where,
                f"{mend}, or name it in train.init_new.",
            )
        return jax.device_put(value.astype(leaf.dtype), leaf.sharding)

    return jax.tree_util.tree_map_with_path(take, own)


def _say_unused(fresh, drop, state: dict, given: Sequence, kind: str) -> None:
    """One line for each pattern that no path has, of parameters or of what is beside them."""
    trees = (state["params"], state["model_state"], *given)
    names = [name for tree in trees for name in named_leaves(tree)]
    for key, patterns in (("init_new", fresh), ("init_drop", drop)):
        for pattern in patterns:
            if not any(_matches(name, (pattern,)) for name in names):
                hosts.say(f"train.{key}: {pattern!r} matches nothing in the {kind} or in the model")


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, path) for pattern in patterns)
