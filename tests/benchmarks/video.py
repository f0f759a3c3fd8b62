"""Speed of a training step of CTEN and VAANet on features, and of VAANet whole, beside PyTorch.

    python -m tests.benchmarks.video [--models cten vaanet whole] [--rounds=9]
    python -m tests.benchmarks.video --device=gpu --dtype=bfloat16 --compile

The whole step, batch 1, trains the 3-D ResNet-101 over 10 x 16 x 112 x 112 and the ResNet-18 of the
sound too. First proves that the losses agree, in float32, then times forward, backward and the
optimiser in turn, and prints every median and ratio. In bfloat16 the twin runs under autocast. Run
it on a quiet machine; a ratio above 1 means that ours is faster.
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
from tests.benchmarks import exactly
from tests.benchmarks.fusion import machine

OUTPUTS = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
POSITIVE = ("anticipation", "joy", "surprise", "trust")
RATE = 1e-6  # small, so that the twins stay together while they are timed


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = {"width": 2048, "sound": 512, "cells": 16, "segments": 10, "batch": 32}
    sizes |= {"depth": 101, "side": 112, "frames": 16, "rows": 4096}  # of the whole step
    for name, value in (sizes | {"rounds": 9, "threads": 2}).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--models", nargs="+", default=["cten", "vaanet", "whole"])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="the twin's")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="the twin by torch.compile")
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


def whole(a):
    """VAANet from frames and MFCC: our model, its twin, variables that both have, and a batch."""
    import torch

    from affectjax.backbones import resnet, resnet3d
    from affectjax.backbones.preprocess import NORMALISATIONS
    from affectjax.backbones.torch_state import State
    from tests.backbones.residual_twin import Residual
    from tests.benchmarks import torch_video as twins

    sight = {"depth": a.depth, "normalisation": "kinetics-0-255"}
    sound = {"depth": 18, "channels": 1, "stem": (7, 1), "stem_stride": (2, 1)}
    settings = {
        "sight": (resnet3d, resnet3d.Settings(**sight)),
        "sound": (resnet, resnet.Settings(**sound)),
    }
    cells = (-(-a.side // 32)) ** 2
    model = VAANet(
        {}, OUTPUTS, POSITIVE, a.segments, cells=cells, standardise=False, sight=sight, sound=sound
    )
    rng, shape = np.random.default_rng(0), (1, a.segments)
    batch = {
        "weight": np.ones(1, np.float32), "label": np.zeros(1, np.int32),
        "frames": rng.integers(0, 256, (*shape, a.frames, a.side, a.side, 3)).astype(np.uint8),
        "mfcc": rng.normal(size=(*shape, a.rows // a.segments, 32)).astype(np.float32),
        "present/frames": np.ones(shape, bool), "present/mfcc": np.ones(shape, bool),
    }  # fmt: skip
    torch.manual_seed(0)
    widths = {part: one.features for part, (_, one) in settings.items()}
    positive = [name in POSITIVE for name in OUTPUTS]
    head = twins.VAANet(
        cells, widths["sight"], widths["sound"], a.segments, len(OUTPUTS), positive, 0.5,
        "frames", "mfcc",
    )  # fmt: skip
    networks = {part: Residual(one) for part, (_, one) in settings.items()}
    shapes = jax.eval_shape(
        lambda b: model.init(jax.random.key(0), b, train=True, method="loss"), batch
    )
    variables = jax.tree.map(lambda leaf: leaf, {k: dict(v) for k, v in shapes.items()})
    for part, (module, one) in settings.items():
        state = State({key: value.numpy() for key, value in networks[part].state_dict().items()})
        made = module.from_torch(state, one)
        for kind in ("params", "batch_stats"):
            variables[kind][part] = {"net": {"net": jax.tree.map(np.array, made[kind])}}
    draw = lambda leaf: (0.02 * rng.normal(size=leaf.shape)).astype(np.float32)  # noqa: E731
    for part in ("map", "attention", "head"):
        variables["params"][part] = jax.tree.map(draw, variables["params"][part])
    own = {part: variables["params"][part] for part in ("map", "attention", "head")}
    twins.load(head, paths(own))
    mean = NORMALISATIONS["kinetics-0-255"].mean
    return model, twins.Whole(networks["sight"], networks["sound"], head, mean), variables, batch


def ours(model, variables, batch):
    """A function of no arguments that takes a step and gives its loss."""
    sgd = optax.sgd(RATE, 0.9)
    stored = {key: tree for key, tree in variables.items() if key != "params"}

    def step(params, stored, state, batch):
        def total(params):
            (sums, _), new = model.apply(
                {"params": params, **stored}, batch, True, method="loss", mutable=list(stored)
            )
            return sum(s.sum() / w.sum() for s, w in sums.values()), new

        (loss, stored), gradient = jax.value_and_grad(total, has_aux=True)(params)
        updates, state = sgd.update(gradient, state)
        return optax.apply_updates(params, updates), stored, state, loss

    step = jax.jit(step, donate_argnums=(0, 1, 2))
    held = {"now": (variables["params"], stored, sgd.init(variables["params"]))}
    batch = jax.device_put(batch)

    def once():
        *held["now"], loss = step(*held["now"], batch)
        return float(loss)

    return once


def theirs(a, model, params, batch, whole=False):
    """The twin's step, and what changes its products to `a.dtype`."""
    import torch

    from tests.benchmarks import torch_video

    if not whole:
        torch_video.load(model, paths(jax.tree.map(np.asarray, params)))
    device = "cuda" if a.device == "gpu" else "cpu"
    model.to(device)
    run, low = torch.compile(model) if a.compile else model, {"now": False}
    sgd = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    split = {
        kind: {
            k.split("/")[1]: torch.tensor(v, device=device)
            for k, v in batch.items()
            if k.startswith(kind)
        }
        for kind in ("features", "present")
    }
    inputs = split["features"], split["present"]
    if whole:  # channels first, as people feed such networks
        frames = torch.tensor(batch["frames"], device=device).movedim(-1, 2).contiguous()
        inputs = frames, torch.tensor(batch["mfcc"], device=device), split["present"]
    label = torch.tensor(batch["label"], dtype=torch.long, device=device)

    def once():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=low["now"]):
            loss = run(*inputs, label)
        loss.backward()
        sgd.step()
        return loss.item()

    return once, lambda: low.update(now=a.dtype == "bfloat16")


def compare(a) -> dict[str, tuple[list[float], list[float]]]:
    """{model: seconds of ours and of the twin's}, after their losses were found equal."""
    import torch

    torch.set_num_threads(a.threads)
    found = {}
    for name in a.models:
        exact = exactly(a.device, a.dtype)
        if name == "whole":
            model, twin, variables, batch = whole(a)
        else:
            model, twin = pairs(a)[name]
            batch = batch_of(a, model.modalities)
            variables = model.init(jax.random.key(0), batch, train=True, method="loss")
        own = name == "whole"
        fresh = jax.tree.map(np.array, variables)  # a step gives its arguments away
        other, lower = theirs(a, twin, variables["params"], batch, own)
        teams = other, ours(model, variables, batch)
        with exact:
            losses = [team() for team in teams]  # compiles and warms up
        if abs(losses[0] - losses[1]) > 1e-4 * abs(losses[0]):
            raise SystemExit(f"the losses of {name} differ: {losses}")
        if a.dtype != "float32":
            lower()
            teams = other, ours(model.clone(dtype=a.dtype), fresh, batch)
            for team in teams:
                team()
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
