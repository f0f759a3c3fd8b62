"""Every row of the tables of `vaanet` and `cten` takes a step, which lowers its loss."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from affectjax import assemble, configlib, initialise, optim, tables
from configs import cten, vaanet

MODULES = {"cten": cten, "vaanet": vaanet}
QUICK = ("cten", "cten:outer_inner", "vaanet:of_cten")
TINY = {"width": 2, "blocks": (1, 1), "block": "basic"}  # of a network that reads frames or MFCC


def miniature(config: str, words: str) -> str:
    """The model of a row at three numbers a segment and two classes; equal ones are one string."""
    found = MODULES[config].get_config(words)
    model = configlib.to_plain(found.model)
    cells = 4 if model.get("cells", 1) > 1 else 1
    for name in model["modalities"]:
        model["modalities"][name] = 3 * (cells if name == "motion" else 1)
    if "cells" in model:
        model["cells"] = cells
    for part in ("sight", "sound"):
        if model.get(part):
            model[part] |= TINY
    model |= {"outputs": ("one", "other"), "segments": 4}
    if model.get("positive"):
        model["positive"] = ("one",)
    examples = {k: v for k, v in found.examples.items() if k in ("frames", "mfcc") and v}
    if "frames" in examples:
        examples |= {"frames": 2, "frame_size": 16}  # whose last map is 2 x 2
    if "mfcc" in examples:
        examples |= {"mfcc": 8, "mfcc_rows": 64}
    return json.dumps([config, model, examples, found.optim.rules], sort_keys=True)


def rows():
    every = {}
    for paper in ("cten", "vaanet"):
        for table in tables.load(paper).tables:
            for row in table.rows:
                config = table.config_of(row)
                if row.variant is not None:
                    made = miniature(config, row.variant)
                    every.setdefault(made, f"{config}:{row.variant}".rstrip(":"))
    slow = pytest.mark.slow
    return [
        pytest.param(made, id=name, marks=() if name in QUICK else slow)
        for made, name in every.items()
    ]


def drawn(path, leaf) -> np.ndarray:
    """A leaf of some size; what divides is 1, which is quicker than to compile the initialisers."""
    name = str(path[-1].key)
    if name in ("deviation", "var", "scale"):
        return np.ones(leaf.shape, leaf.dtype)
    rng = np.random.default_rng(len(str(path)))
    return (0.5 * rng.normal(size=leaf.shape)).astype(leaf.dtype) + (name == "bias")


@pytest.mark.parametrize("made", rows())
def test_a_step_lowers_the_loss(made):
    name, model, examples, rules = json.loads(made)
    config = MODULES[name].get_config("")
    with config.unlocked():
        config.model, config.examples = model, {"name": "snippets"} | examples
    config.optim.rules = tuple(map(tuple, rules))
    network, shapes = assemble.model(config, None), assemble.examples(config, None).spec()
    rng = np.random.default_rng(0)
    batch = {
        k: (rng.random((4, *shape)) * (255 if dtype == np.uint8 else 1)).astype(dtype)
        for k, (shape, dtype) in shapes.items()
    }
    batch |= {k: np.ones_like(v) for k, v in batch.items() if k.startswith(("present", "weight"))}
    batch["label"] = np.array([0, 1, 1, 0], np.int32)
    shapes = jax.eval_shape(lambda: initialise.variables(network, batch, 0))
    variables = jax.tree_util.tree_map_with_path(drawn, shapes)
    optimizer, _ = optim.build(
        **configlib.arguments(config.optim), params=variables["params"], total_steps=10,
        steps_per_epoch=1,
    )  # fmt: skip

    def loss(params):
        found, _ = network.apply(
            variables | {"params": params}, batch, True, method="loss", mutable=["batch_stats"]
        )
        return sum(
            total.sum() / jnp.maximum(weight.sum(), 1) for total, weight in found[0].values()
        )

    @jax.jit
    def step(params):
        value, gradient = jax.value_and_grad(loss)(params)
        update, _ = optimizer.update(gradient, optimizer.init(params), params)
        return value, optax.apply_updates(params, update)

    before, params = step(variables["params"])
    after, _ = step(params)
    assert np.isfinite(before) and after < before
