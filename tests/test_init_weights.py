"""Converted networks as the start of a run from frames: what is taken, left and refused."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import config_dict

from affectjax import export, initialise
from affectjax.backbones import weights
from affectjax.errors import UserError
from affectjax.models.vaanet import VAANet

NET = {"block": "basic", "blocks": (1,), "width": 4}
SIGHT = NET | {"stem": (3, 5, 5), "normalisation": "kinetics-0-1"}
SOUND = NET | {"channels": 1, "stem": (7, 1), "stem_stride": (2, 1), "normalisation": "none"}
MODEL = {"modalities": {}, "outputs": ("a", "b"), "segments": 2, "penalty": 0.0, "cells": 16}
FRESH = ("^sound/net/net/stem/conv",)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Weights of both networks, that of the sound for pictures, with a classifier in each."""
    root = tmp_path_factory.mktemp("weights")
    kinds = {
        "sight": ("resnet3d", SIGHT | {"classes": 7}),
        "sound": ("resnet", NET | {"classes": 5}),
    }
    made = {}
    for seed, (part, (name, settings)) in enumerate(kinds.items(), 1):
        made[part] = weights.random(name, seed, **settings)
        weights.save(root / part, made[part])
    return {part: (str(root / part), found.variables) for part, found in made.items()}


def section(**changes):
    """The config's section `model`, and the first state of such a model."""
    settings = MODEL | {"sight": SIGHT, "sound": SOUND, "norms": "stored"} | changes
    model = VAANet(**settings)
    batch = {
        "weight": jnp.ones(1), "label": jnp.zeros(1, jnp.int32),
        "frames": jnp.zeros((1, 2, 2, 16, 16, 3), jnp.uint8),
        "present/frames": jnp.ones((1, 2), bool),
        "mfcc": jnp.zeros((1, 2, 8, 8)), "present/mfcc": jnp.ones((1, 2), bool),
    }  # fmt: skip
    shapes = jax.eval_shape(lambda b: initialise.variables(model, b, 0), batch)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), dict(shapes))
    params = zeros.pop("params")
    state = {"params": params, "model_state": zeros, "ema": params, "step": jnp.zeros((), int)}
    return config_dict.ConfigDict({"name": "vaanet", **settings}), state


def test_both_networks_start_from_their_folders(folders):
    model, state = section()
    pairs = [(part, folder) for part, (folder, _) in folders.items()]
    found = initialise.from_networks(state, model, pairs, FRESH)
    for part, (_, variables) in folders.items():
        for kind, own in (("params", found["params"]),
                          ("batch_stats", found["model_state"]["batch_stats"])):  # fmt: skip
            wanted = weights.flat({k: v for k, v in variables[kind].items() if k != "head"})
            taken = weights.flat(own[part]["net"]["net"])
            assert taken.keys() == wanted.keys()
            for path, value in taken.items():
                if part == "sound" and path == "stem/conv/kernel":
                    assert value.shape == (7, 1, 1, 4) and not value.any()  # it starts afresh
                else:
                    np.testing.assert_array_equal(value, wanted[path])
    jax.tree.map(np.testing.assert_array_equal, found["ema"], found["params"])
    for name in ("head", "attention", "map"):  # the rest is as it was
        assert not any(leaf.any() for leaf in jax.tree.leaves(found["params"][name]))
    assert not any(leaf.any() for leaf in jax.tree.leaves(state["params"]))


def test_a_pattern_that_matches_nothing_is_told(folders, capsys):
    """Parameters and what is beside them count together, and so do the model and what is given."""
    model, state = section()
    given = {k: jax.tree.map(np.asarray, state[k]) for k in ("params", "model_state")}
    made = export.Export(pathlib.Path("run"), None, {}, **given, vocabulary=None)
    fresh = ("^heads/", "^head/", "^batch_stats/sound/")
    initialise.from_export(state, made, fresh, drop=("^decoder/",))
    assert capsys.readouterr().out.splitlines() == [
        "train.init_new: '^heads/' matches nothing in the export or in the model",
        "train.init_drop: '^decoder/' matches nothing in the export or in the model",
    ]
    pairs = [("sound", folders["sound"][0])]
    initialise.from_networks(state, model, pairs, (*FRESH, "^sounds/"))
    said = "train.init_new: '^sounds/' matches nothing in the networks or in the model\n"
    assert capsys.readouterr().out == said


def test_no_folders_change_nothing():
    model, state = section()
    assert initialise.from_networks(state, model, ()) is state


@pytest.mark.parametrize(
    ("changes", "pairs", "words"),
    [
        ({}, ["sound"], r"stem/conv/kernel is \(7, 7, 3, 4\).*train.init_new"),
        ({"sight": SIGHT | {"width": 8}, "cells": 16}, ["sight"], "sizes of this checkpoint"),
        ({"sight": SIGHT | {"blocks": (2,)}}, ["sight"], "lacks sight/net/net/stage_1/block_1"),
        ({"sight": SIGHT | {"normalisation": "kinetics-0-255"}}, ["sight"],
         "--config.model.sight.normalisation=kinetics-0-1"),
        ({"sound": {}}, ["sound"], r"no network 'sound' to start \(it has sight\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(folders, changes, pairs, words):
    model, state = section(**changes)
    with pytest.raises(UserError, match=words):
        initialise.from_networks(state, model, [(p, folders[p][0]) for p in pairs])


def test_live_norms_take_pictures_of_any_scale(folders):
    model, state = section(sight=SIGHT | {"normalisation": "less-100"}, norms="live")
    found = initialise.from_networks(state, model, [("sight", folders["sight"][0])])
    assert found["params"]["sight"]["net"]["net"]["stem"]["conv"]["kernel"].any()


def test_folders_of_something_else_are_refused(folders, tmp_path):
    model, state = section()
    for pairs, words in (
        ((("sight", folders["sound"][0]),), "weights of resnet, not resnet3d"),
        ((("sight", str(tmp_path)),), "no converted weights"),
        (("sight",), "Give pairs"),
        (("ab",), "Give pairs"),
    ):
        with pytest.raises(UserError, match=words):
            initialise.from_networks(state, model, pairs)
