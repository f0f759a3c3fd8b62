"""The authors' whole checkpoints of VAANet and CTEN as exports of ours, in the release form.

Sizes are read off the arrays; every key is used, known to be of no use, or an error. What the
arrays cannot tell is as the authors' code has it: 16 frames a snippet, sound of 4,096 rows of 32
MFCC for VAANet, of 1,600 rows of 128 filter banks for CTEN. Classes are those of VideoEmotion-8 or
Ekman-6, by their number, unless they are named. Erasing belongs to training and is left out.
"""

import hashlib
import pathlib
import types
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from affectjax import assemble, configlib, export
from affectjax.backbones import checkpoint_files, residual, resnet, resnet3d
from affectjax.backbones.torch_state import State
from affectjax.data import records
from affectjax.errors import UserError
from affectjax.media import filterbanks, pictures, spectra
from affectjax.models import cten_release, vaanet_release

CLASSES = {
    8: ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust"),
    6: ("anger", "disgust", "fear", "joy", "sadness", "surprise"),
}
POSITIVE = {8: ("anticipation", "joy", "surprise", "trust"), 6: ("joy", "surprise")}
SOUND = {"vaanet": {"mfcc": 32, "mfcc_rows": 4096}, "cten": {"mfcc": 128, "mfcc_rows": 1600}}


def convert(
    name: str,
    checkpoint: str,
    out: str,
    classes: Sequence[str] = (),
    positive: Sequence[str] = (),
    normalisation: str = "less-100",
) -> int:
    """Read, convert and write one checkpoint as an export; gives how many numbers it has."""
    folder = pathlib.Path(out)
    if positive and name == "cten":
        raise UserError("cten has no use for polarities", "--positive", "Leave it out.")
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not export.stands(folder):
        raise UserError("There is something else already", out, "Name another --out.")
    arrays, _, digests = checkpoint_files.read(pathlib.Path(checkpoint))
    state = State(arrays, checkpoint)
    plain, variables = from_torch(name, state, classes, positive, normalisation)
    state.finish()
    config = configlib.fill(plain)
    _check(config, variables, checkpoint)
    names = tuple(plain["model"]["outputs"])
    digest = hashlib.sha256("".join(digests.values()).encode()).hexdigest()
    source = types.SimpleNamespace(
        name=f"the authors' checkpoint {pathlib.Path(checkpoint).name}",
        digest=digest,
        spec=records.Spec(label_names=names, frames=True, mfcc=SOUND[name]["mfcc"]),
        metadata={"modalities": reads(name)},
        splits=(),
    )
    params = variables["params"]
    export.save(folder, config, params, {"batch_stats": variables["batch_stats"]}, None, source, {})
    return sum(array.size for array in jax.tree.leaves(params))


def reads(name: str) -> dict[str, dict[str, Any]]:
    """What a dataset says of its frames and sound where they are as this model wants them."""
    made = (pictures.Pictures(), filterbanks.FilterBanks() if name == "cten" else spectra.Mfcc())
    return {
        entry: {
            "extractor": one.name,
            "settings": dict(one.settings),
            "weights": one.weights,
            "trained": one.trained,
            "width": width,
            "rate": one.wants[entry].rate,
        }
        for one in made
        for entry, width in one.modalities.items()
    }


def from_torch(
    name: str,
    state: State,
    classes: Sequence[str] = (),
    positive: Sequence[str] = (),
    normalisation: str = "less-100",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config, and {"params", "batch_stats"} of the model in the release form."""
    sight, sight_net = network(state, "resnet.", resnet3d)
    sound, sound_net = network(state, "a_resnet.", resnet)
    sight["normalisation"], sound["normalisation"] = normalisation, "none"
    segments = state.shape("ta_net.fc.weight", 2)[0]
    count = state.shape("av_fc.weight" if name == "vaanet" else "fc.weight", 2)[0]
    outputs, positive = names_of(count, classes, positive, state.where)
    heard, seen = (net["features"] for net in (sound, sight))
    model: dict[str, Any] = {
        "name": name,
        "modalities": {},
        "outputs": outputs,
        "segments": segments,
        "form": "release",
        "norms": "live",
    }
    examples = {"name": "snippets", "frames": 16, "division": "count", "augment": "release",
                "mfcc_crop": "first", **SOUND[name]}  # fmt: skip
    if name == "vaanet":
        cells, stretches = (state.shape(f"{n}.fc.weight", 2)[0] for n in ("sa_net", "aa_net"))
        examples["mfcc_segments"] = stretches
        model |= {"cells": cells, "sound_segments": stretches, "positive": positive}
        model["penalty"] = 0.5 if positive else 0.0
        sizes = (cells, seen, segments, heard, stretches, count)
        head = vaanet_release.from_torch(state, *sizes)
    else:
        model |= {"sound_size": 0, "erase": "none"}
        head = cten_release.from_torch(state, seen, segments, heard, count)
    for net in (sight, sound):
        del net["features"]
    variables = {
        kind: {
            "sight": {"net": {"net": sight_net[kind]}},
            "sound": {"net": {"net": sound_net[kind]}},
            "release": {"net": head[kind]},
        }
        for kind in ("params", "batch_stats")
    }
    model |= {"sight": sight, "sound": sound}
    return {"model": model, "examples": examples, "recipe": {"name": "single"}}, variables


def network(state: State, prefix: str, module) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of a network under `prefix`, with its features, and its arrays."""
    numbered = f"{prefix}0.weight" in state
    names = {number: name for name, number in residual.SEQUENTIAL.items()} if numbered else {}
    own = {}
    for key in state.keys(prefix.replace(".", r"\.")):
        part, dot, rest = key.removeprefix(prefix).partition(".")
        own[names.get(part, part) + dot + rest] = state.arrays[key]
    found = module.read_settings(State(own, f"{state.where}, {prefix[:-1]}"), {})
    found.pop("classes", None)
    settings = module.Settings(**found)
    arrays = residual.from_torch(state, settings, prefix, sequential=numbered)
    return found | {"features": settings.features}, arrays


def names_of(
    count: int, classes: Sequence[str], positive: Sequence[str], where: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes in the checkpoint's order, and those of positive polarity."""
    if not classes:
        if count not in CLASSES:
            what = f"The checkpoint has {count} classes, and nobody says which"
            raise UserError(what, where, "Name them in its order: --classes=joy,fear,...")
        classes, positive = CLASSES[count], positive or POSITIVE[count]
    if len(classes) != count or len(set(classes)) != count:
        what = f"--classes names {len(set(classes))} classes, the checkpoint has {count}"
        raise UserError(what, where)
    if unknown := [name for name in positive if name not in classes]:
        raise UserError(f"--positive names {unknown[0]}, which is no class", where)
    return tuple(classes), tuple(positive)


def _check(config, variables: Mapping[str, Any], where: str) -> None:
    """The arrays are those that the model of this config declares."""
    model, spec = assemble.model(config, None), assemble.examples(config, None).spec()
    batch = {key: jnp.zeros((1, *shape), dtype) for key, (shape, dtype) in spec.items()}
    key = jax.random.key(0)
    wanted = jax.eval_shape(
        lambda b: model.init({"params": key, "dropout": key}, b, train=True, method="loss"), batch
    )
    shapes = {path: leaf.shape for path, leaf in export.paths(dict(wanted)).items()}
    found = {path: np.shape(leaf) for path, leaf in export.paths(dict(variables)).items()}
    odd = sorted(path for path in {*shapes, *found} if shapes.get(path) != found.get(path))
    if odd:
        what = f"{odd[0]} is {found.get(odd[0], 'missing')}, not {shapes.get(odd[0], 'known')}"
        raise UserError(f"The checkpoint does not fit: {what}", where)
