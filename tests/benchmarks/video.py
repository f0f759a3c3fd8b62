"""Speed of a training step of CTEN and VAANet on features beside PyTorch twins.

`python -m tests.benchmarks.video` first proves that the losses agree, then times forward, backward
and the optimiser in turn, and prints every median and ratio. Run it on a quiet machine; a ratio
above 1 means that ours is faster.
"""

import argparse
import statistics
import time

import jax
import numpy as np
import optax

from affectjax.export import paths
from affectjax.models.cten import CTEN
from affectjax.models.vaanet import VAANet
from tests.benchmarks.fusion import machine

OUTPUTS = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
POSITIVE = ("anticipation", "joy", "surprise", "trust")
RATE = 1e-6  # small, so that the twins stay together while they are timed


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = {"width": 2048, "sound": 512, "cells": 16, "segments": 10, "batch": 32}
    for name, value in (sizes | {"rounds": 9, "threads": 2}).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args(words)


def batch_of(a, modalities):
    rng = np.random.default_rng(0)
    out = {
        "weight": np.ones(a.batch, np.float32),
        "label": rng.integers(0, len(OUTPUTS), a.batch).astype(np.int32),
    }
    for m, width in modalities.items():
        out[f"features/{m}"] = rng.normal(size=(a.batch, a.segments, width)).astype(np.float32)
        out[f"present/{m}"] = np.ones((a.batch, a.segments), bool)
    return out


def pairs(a):
    """{name: (our model, its twin)}."""
    from tests.benchmarks import torch_video as twins

    both = {"audio": a.width, "motion": a.width}
    mixed = {"audio": a.sound, "motion": a.cells * a.width}
    positive = [name in POSITIVE for name in OUTPUTS]
    return {
        "cten": (
            CTEN(both, OUTPUTS, a.segments, standardise=False),
            twins.CTEN(("audio", "motion"), a.width, a.segments, len(OUTPUTS), 0.7),
        ),
        "vaanet": (
            VAANet(mixed, OUTPUTS, POSITIVE, a.segments, cells=a.cells, standardise=False),
            twins.VAANet(a.cells, a.width, a.sound, a.segments, len(OUTPUTS), positive, 0.5),
        ),
    }


def ours(model, params, batch):
    """A function of no arguments that takes a step and gives its loss."""
    sgd = optax.sgd(RATE, 0.9)

    def step(params, state, batch):
        def total(params):
            sums, _ = model.apply({"params": params}, batch, True, method="loss")
            return sum(s.sum() / w.sum() for s, w in sums.values())

        loss, gradient = jax.value_and_grad(total)(params)
        updates, state = sgd.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    step = jax.jit(step, donate_argnums=(0, 1))
    held = {"now": (params, sgd.init(params))}
    batch = jax.device_put(batch)

    def once():
        *held["now"], loss = step(*held["now"], batch)
        return float(loss)

    return once


def theirs(model, params, batch):
    import torch

    from tests.benchmarks import torch_video

    torch_video.load(model, paths(jax.tree.map(np.asarray, params)))
    sgd = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    split = {
        kind: {k.split("/")[1]: torch.tensor(v) for k, v in batch.items() if k.startswith(kind)}
        for kind in ("features", "present")
    }
    label = torch.tensor(batch["label"], dtype=torch.long)

    def once():
        sgd.zero_grad(set_to_none=True)
        loss = model(split["features"], split["present"], label)
        loss.backward()
        sgd.step()
        return loss.item()

    return once


def compare(a) -> dict[str, tuple[list[float], list[float]]]:
    """{model: seconds of ours and of the twin's}, after their losses were found equal."""
    import torch

    torch.set_num_threads(a.threads)
    found = {}
    for name, (model, twin) in pairs(a).items():
        batch = batch_of(a, model.modalities)
        params = model.init(jax.random.key(0), batch, train=True, method="loss")["params"]
        teams = theirs(twin, params, batch), ours(model, params, batch)
        losses = [team() for team in teams]  # compiles and warms up
        if abs(losses[0] - losses[1]) > 1e-4 * abs(losses[0]):
            raise SystemExit(f"the losses of {name} differ: {losses}")
        times = ([], [])
        for _ in range(a.rounds):
            for place, team in zip((1, 0), teams):
                start = time.perf_counter()
                team()
                times[place].append(time.perf_counter() - start)
        found[name] = times
    return found


def main():
    a = arguments()
    print(f"{machine()}; {a}")
    for name, times in compare(a).items():
        mine, other = map(statistics.median, times)
        print(
            f"{name:8} ours {mine:7.3f} s   torch {other:7.3f} s   torch / ours {other / mine:.2f}"
        )


if __name__ == "__main__":
    main()
