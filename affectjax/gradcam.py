"""Which cells of a picture speak for an emotion: the last map, weighed by its own gradient.

A cell's value is the sum over channels of what the map holds there times the gradient of the
emotion's log-probability averaged over the cells of that segment, and zero where that is negative
(Grad-CAM). The map is what the network of sight ends in, or the features of one that reads maps.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from affectjax.errors import UserError
from affectjax.models.video_streams import Sight

Batch = Mapping[str, jax.Array]
LOSSES = ("label", "whole")  # what models call the cross-entropy of the label


def heat(maps: jax.Array, gradient: jax.Array) -> jax.Array:
    """maps and the gradient there [B, T, m, n] -> [B, T, m], none below zero."""
    weights = gradient.astype(jnp.float32).mean(2)
    return jax.nn.relu(jnp.einsum("btn,btmn->btm", weights, maps.astype(jnp.float32)))


def grad_cam(model: nn.Module, variables: Mapping, batch: Batch, label: jax.Array) -> jax.Array:
    """[B, T, m]: what speaks for `label` [B] in each cell of each segment."""
    asked = {**batch, "label": label, "weight": jnp.ones(len(label), jnp.float32)}
    sees = getattr(model, "sight", None)
    maps, look = _sight(model, variables, asked) if sees else _features(model, asked)

    def chance(maps):
        losses, _ = look(variables, maps)
        name = next(name for name in LOSSES if name in losses)
        return -losses[name][0].sum()  # each video's depends on its own map alone

    return heat(maps, jax.grad(chance)(maps))


def _sight(model: nn.Module, variables: Mapping, batch: Batch):
    """The network's maps, and the model as a function of them."""
    seen = []

    def listen(call, args, kwargs, context):
        found = call(*args, **kwargs)
        if isinstance(context.module, Sight) and context.method_name == "__call__":
            seen.append(found)
        return found

    with nn.intercept_methods(listen):
        model.apply(variables, batch, False, method="loss")
    maps, there = seen[0]  # what re-sampling looks at again says nothing of the whole

    def look(variables, maps):
        def instead(call, args, kwargs, context):
            own = isinstance(context.module, Sight) and context.method_name == "__call__"
            return (maps, there) if own else call(*args, **kwargs)

        with nn.intercept_methods(instead):
            return model.apply(variables, batch, False, method="loss")

    return maps, look


def _features(model: nn.Module, batch: Batch):
    """The maps that are read as features, and the model as a function of them."""
    cells, name = getattr(model, "cells", 1), f"features/{getattr(model, 'visual', '')}"
    if cells < 2 or name not in batch:
        raise UserError(
            "the model sees no map, so nothing in it has a place in the picture",
            "Grad-CAM",
            "Take one that reads frames, or maps of them.",
        )
    x = jnp.asarray(batch[name], jnp.float32)
    shape = (*x.shape[:2], cells, x.shape[-1] // cells)

    def look(variables, maps):
        given = {**batch, name: maps.reshape(x.shape)}
        return model.apply(variables, given, False, method="loss")

    return x.reshape(shape), look
