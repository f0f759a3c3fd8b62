"""Speed of a two-layer bidirectional LSTM's and GRU's gradient beside torch's: alternations.

`python -m tests.benchmarks.recurrent` first proves that both give the same outputs and gradients
(of parameters and inputs), then times them in turn, and prints every time and ratio. Run it on a
quiet machine; a ratio above 1 means that ours is faster.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from affectjax.layers import recurrent
from affectjax.layers.recurrent import Recurrent
from tests.benchmarks.fusion import furthest, machine


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "batch": 64,
        "inputs": 512,
        "hidden": 256,
        "layers": 2,
        "rounds": 9,
        "threads": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru"])
    return parser.parse_args(words)


class Torch:
    """nn.LSTM or nn.GRU, batch first, and its gradient of the mean square of its outputs."""

    def __init__(self, s, x):
        import torch

        torch.manual_seed(0)
        kind = torch.nn.LSTM if s.cell == "lstm" else torch.nn.GRU
        self.net = kind(
            s.inputs, s.hidden, s.layers, batch_first=True, bidirectional=s.bidirectional
        )
        self.x = torch.tensor(x, requires_grad=True)

    def weights(self):
        return {k: v.detach().numpy() for k, v in self.net.state_dict().items()}

    def __call__(self):
        self.net.zero_grad(set_to_none=True)
        self.x.grad = None
        y = self.net(self.x)[0]
        y.square().mean().backward()
        return y

    def check(self):
        y = self()
        found = {k: v.grad.numpy() for k, v in self.net.named_parameters() if "bias_hh" not in k}
        return y.detach().numpy(), found | {"x": self.x.grad.numpy()}


class Ours:
    """The same by `layers.recurrent`, compiled."""

    def __init__(self, s, x, weights):
        self.s = s
        self.p = jax.tree.map(jnp.asarray, recurrent.from_torch(weights, s))
        self.x = jax.device_put(x)
        lengths = jnp.full(len(x), x.shape[1], jnp.int32)

        def value(p, x, lengths):
            y, _ = recurrent.apply(p, x, lengths, s)
            return jnp.square(y).mean(), y

        run = jax.jit(jax.grad(value, argnums=(0, 1), has_aux=True))
        self.run = lambda: jax.block_until_ready(run(self.p, self.x, lengths))

    def __call__(self):
        return self.run()

    def check(self):
        (dp, dx), y = self.run()
        found = {"x": dx}
        for i in range(self.s.layers):
            for name, suffix in zip(self.s.directions, ("", "_reverse")):
                q = dp[f"layer_{i}"][name]
                found[f"weight_ih_l{i}{suffix}"] = q["input"]["kernel"].T
                found[f"weight_hh_l{i}{suffix}"] = q["recurrent"]["kernel"].T
                found[f"bias_ih_l{i}{suffix}"] = q["input"]["bias"]
        return y, found


def compare(a, cell, steps):
    """Both in turn: {name: [seconds]} and how far their answers lie apart."""
    s = Recurrent(cell, a.inputs, a.hidden, a.layers, bidirectional=True)
    x = np.random.default_rng(0).normal(size=(a.batch, steps, a.inputs)).astype(np.float32)
    theirs = Torch(s, x)
    ours = Ours(s, x, theirs.weights())
    (y, d), (y_theirs, d_theirs) = ours.check(), theirs.check()
    apart = max(furthest(y, y_theirs), *(furthest(d[k], v) for k, v in d_theirs.items()))
    if apart > 1e-4:
        raise SystemExit(f"{cell} at {steps} steps differs from torch by {apart:.1e}")
    times = {"torch": [], "ours": []}
    for round_ in range(a.rounds + 1):
        for name, team in (("torch", theirs), ("ours", ours)):
            start = time.perf_counter()
            team()
            if round_:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    return times, apart


def main():
    import torch

    a = arguments()
    torch.set_num_threads(a.threads)
    print(f"{machine()}; {a}")
    for cell in a.cells:
        for steps in a.steps:
            times, apart = compare(a, cell, steps)
            medians = {name: statistics.median(t) for name, t in times.items()}
            print(f"{cell}, {steps} steps; answers agree within {apart:.1e}")
            for name, value in medians.items():
                spread = f"{min(times[name]):.3f} to {max(times[name]):.3f}"
                print(f"  {name:6s} {value:7.3f} s   ({spread})")
            print(f"  torch / ours: {medians['torch'] / medians['ours']:.2f}")


if __name__ == "__main__":
    main()
