"""Speed of a training step of `danmaku` from features on, beside a PyTorch twin: alternations.

`python -m tests.benchmarks.danmaku` first proves that both give the same loss and gradients, then
times forward, backward and Adam in turn: two-layer GRUs over 512 and 128 features, context
gatings, the mixture, clamp, softmax and KL, batch 16, 60 steps, no dropout on either side. Run it
on a quiet machine; a ratio above 1 means that ours is faster.
"""

import argparse
import statistics
import time

import jax
import numpy as np
import optax

from affectjax.models.danmaku import Danmaku
from tests.benchmarks.fusion import furthest, machine

EMOTIONS = ("like", "joy", "surprise", "fear", "disgust", "sadness")
WIDTHS = {"image": 512, "sound": 128}
RATE = 5e-4


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "batch": 16,
        "steps": 60,
        "hidden": 256,
        "experts": 8,
        "rounds": 9,
        "threads": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args(words)


def data(a):
    rng = np.random.default_rng(0)
    shape = (a.batch, a.steps)
    features = {m: rng.normal(size=(*shape, w)).astype(np.float32) for m, w in WIDTHS.items()}
    truth = rng.dirichlet(np.ones(len(EMOTIONS)), (a.batch, a.steps // 5)).astype(np.float32)
    return features, truth


class Ours:
    """Our model's own loss, jit, donated state, optax Adam."""

    def __init__(self, a, features, truth):
        model = Danmaku(
            modalities=WIDTHS, outputs=EMOTIONS, project={}, segments=a.steps,
            windows=a.steps // 5, hidden=a.hidden, experts=a.experts, standardise=False,
        )  # fmt: skip
        batch = {"weight": np.ones(a.batch, np.float32), "distribution": truth}
        batch["window"] = np.zeros(truth.shape[:2], np.int32)
        for m, x in features.items():
            batch |= {f"features/{m}": x, f"present/{m}": np.ones(x.shape[:2], bool)}
        self.batch = jax.device_put(batch)
        variables = model.init(jax.random.key(0), self.batch, False, method="loss")
        self.p = variables["params"]
        rest = {k: v for k, v in variables.items() if k != "params"}
        adam = optax.adam(RATE)

        def loss(p, batch):
            total, weight = model.apply({"params": p, **rest}, batch, False, method="loss")[0][
                "divergence"
            ]
            return total.sum() / weight.sum()

        def step(p, state, batch):
            value, gradient = jax.value_and_grad(loss)(p, batch)
            updates, state = adam.update(gradient, state, p)
            return optax.apply_updates(p, updates), state, value

        self.once = jax.jit(jax.value_and_grad(loss))
        self.step = jax.jit(step, donate_argnums=(0, 1))
        self.state = adam.init(self.p)

    def check(self):
        value, gradient = self.once(self.p, self.batch)
        return float(value), jax.tree.map(np.asarray, gradient)

    def __call__(self):
        self.p, self.state, value = self.step(self.p, self.state, self.batch)
        return float(value)


class Torch:
    """The twin's step: fused Adam."""

    def __init__(self, a, features, truth, parameters):
        import torch

        from tests.benchmarks import torch_danmaku

        torch.set_num_threads(a.threads)
        self.hidden = a.hidden
        self.model = torch_danmaku.Twin(WIDTHS, a.hidden, a.experts, len(EMOTIONS))
        torch_danmaku.load(self.model, parameters, a.hidden)
        self.features = {m: torch.tensor(x) for m, x in features.items()}
        self.truth = torch.tensor(truth).repeat_interleave(5, 1)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=RATE, fused=True)

    def loss(self):
        import torch

        log = self.model(self.features)
        rows = log.shape[0] * log.shape[1]
        return torch.nn.functional.kl_div(log, self.truth, reduction="sum") / rows

    def check(self):
        from tests.benchmarks import torch_danmaku

        value = self.loss()
        value.backward()
        found = {
            m: torch_danmaku.recurrent_gradients(self.model.recurrent[m], w, self.hidden)
            for m, w in WIDTHS.items()
        }
        return value.item(), found, self.model.gate.weight.grad.numpy().T

    def __call__(self):
        self.adam.zero_grad(set_to_none=True)
        value = self.loss()
        value.backward()
        self.adam.step()
        return value.item()


def compare(a):
    """{name: [seconds]} of alternating steps, and how far loss and gradients lie apart."""
    features, truth = data(a)
    ours = Ours(a, features, truth)
    theirs = Torch(a, features, truth, jax.tree.map(np.asarray, ours.p))
    value, gradient = ours.check()
    other, recurrences, gate = theirs.check()
    found = [abs(value - other), furthest(gradient["mixture"]["gate"]["kernel"], gate)]
    for m, layers in recurrences.items():
        for i, layer in layers.items():
            for part in ("input", "recurrent"):
                own = gradient["recurrent"][m][i]["forward"][part]["kernel"]
                found.append(furthest(own, layer["forward"][part]["kernel"]))
    if max(found) > 1e-4:
        raise SystemExit(f"the twin differs from ours by {max(found):.1e}")
    times = {"torch": [], "ours": []}
    for round_ in range(a.rounds + 1):
        for name, team in (("torch", theirs), ("ours", ours)):
            start = time.perf_counter()
            team()
            if round_:  # the first round compiles and warms up
                times[name].append(time.perf_counter() - start)
    return times, max(found)


def main():
    a = arguments()
    times, apart = compare(a)
    print(f"{machine()}; {a}")
    print(f"loss and gradients agree within {apart:.1e}")
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, value in medians.items():
        print(f"{name:6s} {value:7.4f} s   ({min(times[name]):.4f} to {max(times[name]):.4f})")
    print(f"torch / ours: {medians['torch'] / medians['ours']:.2f}")


if __name__ == "__main__":
    main()
