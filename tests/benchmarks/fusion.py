"""Speed of a training step of the fusion stack beside PyTorch twins: medians of alternations.

`python -m tests.benchmarks.fusion` first proves that all give the same outputs and gradients,
then times forward, backward and Adam in turn, and prints every time and every ratio. Run it on a
quiet machine; a ratio above 1 means that ours is faster.
"""

import argparse
import os
import pathlib
import platform
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from affectjax.compiling import options
from affectjax.layers.fusion import Fusion, fuse, fusion_tree, resolve_form
from affectjax.layers.parameters import initialise

NAMES = ("audio", "image", "motion")
RATE = 1e-4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "width": 768,
        "segments": 64,
        "batch": 8,
        "layers": 4,
        "rounds": 9,
        "threads": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--ours", nargs="+", default=["auto"], help="forms of ours to time")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    return parser.parse_args()


def data(a):
    rng = np.random.default_rng(0)
    shape = (a.batch, a.segments, a.width)
    features = {m: rng.normal(size=shape).astype(np.float32) for m in NAMES}
    target = rng.normal(size=(a.batch, a.segments + 1, a.width)).astype(np.float32)
    return features, target


class Ours:
    """Our step: jit, donated state, optax Adam."""

    def __init__(self, settings, parameters, features, target):
        present = {m: jnp.ones(x.shape[:2], bool) for m, x in features.items()}
        features, target = jax.device_put((features, target))
        self.features, self.present, self.target = features, present, target
        adam = optax.adam(RATE)

        def loss(p, features, present, target):
            f, _ = fuse(p, features, present, settings)
            return jnp.square(f - target).mean(), f

        def step(p, state, features, present, target):
            (value, _), gradient = jax.value_and_grad(loss, has_aux=True)(
                p, features, present, target
            )
            updates, state = adam.update(gradient, state, p)
            return optax.apply_updates(p, updates), state, value

        compiled = options(settings.width)
        self.once = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=compiled)
        self.step = jax.jit(step, donate_argnums=(0, 1), compiler_options=compiled)
        self.p = jax.tree.map(jnp.array, parameters)
        self.state = adam.init(self.p)

    def check(self):
        (_, f), gradient = self.once(self.p, self.features, self.present, self.target)
        return np.asarray(f), jax.tree.map(np.asarray, gradient)

    def __call__(self):
        self.p, self.state, value = self.step(
            self.p, self.state, self.features, self.present, self.target
        )
        return float(value)


class Torch:
    """A twin's step: fused Adam, eager or compiled."""

    def __init__(self, model, parameters, features, target, compiled):
        import torch

        from tests.benchmarks import torch_fusion

        torch_fusion.load(model, parameters)
        self.model = model
        self.run = torch.compile(model) if compiled else model
        self.features = {m: torch.tensor(x) for m, x in features.items()}
        self.target = torch.tensor(target)
        self.adam = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)

    def check(self):
        from tests.benchmarks import torch_fusion

        f = self.run(self.features)
        (f - self.target).square().mean().backward()
        gradient = torch_fusion.gradients(self.model)
        return f.detach().numpy(), {k: v.copy() for k, v in gradient.items()}

    def __call__(self):
        self.adam.zero_grad(set_to_none=True)
        value = (self.run(self.features) - self.target).square().mean()
        value.backward()
        self.adam.step()
        return value.item()


def furthest(a, b):
    """Largest difference relative to the largest entry."""
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12))


def contestants(a):
    import torch

    from tests.benchmarks import torch_fusion

    torch.set_num_threads(a.threads)
    features, target = data(a)
    base = dict(names=NAMES, segments=a.segments, width=a.width, layers=a.layers, heads=1)
    base["ffn"] = 4 * a.width
    tree = fusion_tree(Fusion(**base))
    parameters = jax.tree.map(np.asarray, initialise(tree, jax.random.key(0)))
    teams = {}
    for form in a.ours:
        name = f"ours, {resolve_form(form)}"
        teams[name] = Ours(Fusion(**base, form=form), parameters, features, target)
    sizes = (NAMES, a.segments, a.width, a.layers, 4 * a.width)
    for kind in ("Modules", "Algebra"):
        for compiled in (False,) if a.no_compile else (False, True):
            name = f"torch {kind.lower()}, {'compiled' if compiled else 'eager'}"
            model = getattr(torch_fusion, kind)(*sizes)
            teams[name] = Torch(model, parameters, features, target, compiled)
    return teams, parameters


def verify(teams):
    """Outputs and every gradient within 1e-4 of our first form; returns the worst figure."""
    from tests.benchmarks import torch_fusion

    reference = next(iter(teams.values())).check()
    worst = 0.0
    for name, team in teams.items():
        f, gradient = team.check()
        found = [furthest(f, reference[0])]
        if isinstance(team, Ours):
            pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(reference[1]))
            found += [furthest(x, y) for x, y in pairs]
        else:
            found += [
                furthest(x, torch_fusion.ours(path, reference[1])) for path, x in gradient.items()
            ]
        if max(found) > 1e-4:
            raise SystemExit(f"{name} differs from ours by {max(found):.1e}")
        worst = max(worst, *found)
    return worst


def machine():
    """Processor, cores and load, so that a figure can be read later."""
    model = platform.processor() or platform.machine()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = lines[0].split(":")[1].strip() if lines else model
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, load {load:.1f}, jax {jax.__version__}"


def main():
    a = arguments()
    teams, _ = contestants(a)
    worst = verify(teams)
    times = {name: [] for name in teams}
    for round_ in range(a.rounds + 1):
        for name, team in teams.items():
            start = time.perf_counter()
            team()
            if round_:  # the first round compiles and warms up
                times[name].append(time.perf_counter() - start)
    print(f"{machine()}; {a}")
    print(f"outputs and gradients agree within {worst:.1e}")
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, value in medians.items():
        spread = f"{min(times[name]):.3f} to {max(times[name]):.3f}"
        print(f"{name:26s} {value:7.3f} s   ({spread})")
    rivals = {n: t for n, t in medians.items() if n.startswith("torch")}
    for mine in (n for n in medians if n.startswith("ours")):
        for name, value in rivals.items():
            print(f"{name} / {mine}: {value / medians[mine]:.2f}")
        print(f"fastest torch / {mine}: {min(rivals.values()) / medians[mine]:.2f}")


if __name__ == "__main__":
    main()
