"""Speed of a pre-training step of `tam` beside PyTorch twins: medians of alternations.

    python -m tests.benchmarks.pretraining_step [--rounds=9]
    python -m tests.benchmarks.pretraining_step --device=gpu --dtype=bfloat16 --batch=64

d 768, 2 fusion and 2 decoder layers, 8 clips of 64 segments with 55 comments each, 30,000 words:
forward, backward and Adam, as the training loop runs them. First proves that all have the same loss
and gradients (in float32), then times them in turn. A ratio above 1 means that ours is faster. Run
it on a quiet machine; `--rounds=0` proves only.
"""

import argparse
import statistics
import tempfile
import time
import types

import jax
import numpy as np

from affectjax import clock, compiling, initialise, optim, sharding, state, update
from affectjax.data import pipeline, records, tsc, vocabulary
from affectjax.models.tam import TAM
from tests.benchmarks import exactly
from tests.benchmarks.fusion import furthest, machine
from tests.benchmarks.paper_size import WIDTHS, WORDS, clips, vocabulary_clip

RATE, DECAY = 1e-4, 0.005
SECONDS = 16 / 30  # a segment


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "width": 768,
        "layers": 2,
        "decoder_layers": 2,
        "batch": 8,
        "rounds": 9,
        "threads": 2,
        "input_steps": 6,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--form", default="auto", help="unrolled or scan")
    parser.add_argument("--twins", nargs="*", default=["plain", "packed"])
    parser.add_argument("--fusion", choices=("Modules", "Algebra"), default="Modules")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    return parser.parse_args()


def settings(a) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        modalities=WIDTHS, segments=64, width=a.width, layers=a.layers, ffn=4 * a.width,
        decoder_layers=a.decoder_layers, heads=8, max_words=15, words=WORDS,
    )  # fmt: skip


def dataset(a, place):
    """A split of clips that fill all segments, and what makes examples of them."""
    rng = np.random.default_rng(0)
    rows = []
    for clip in [*clips(rng, 4 * a.batch, "train"), vocabulary_clip(rng)]:
        clip["duration"] = 64 * SECONDS
        clip["features"] = {m: rng.normal(size=(64, d)).astype(np.float16)
                            for m, d in WIDTHS.items()}  # fmt: skip
        rows.append(clip)
    spec = records.Spec(modalities=WIDTHS, comments=True)
    records.write(place, "random", spec, {"train": rows[:-1], "words": rows[-1:]})
    found = records.open_dataset(place)
    words = vocabulary.Vocabulary.build((f"w{i}", 1, 1) for i in range(WORDS - 4))
    return found.split("train"), tsc.CommentExamples(WIDTHS, words, segment_seconds=SECONDS)


class Ours:
    """Our step as the loop runs it: guarded, donated, fed by the real pipeline."""

    def __init__(self, a, batch, dtype="float32", params=None):
        s = settings(a)
        self.model = TAM(
            s.modalities, s.words, width=s.width, layers=s.layers, ffn=s.ffn, dropout=0.0,
            decoder_layers=s.decoder_layers, form=a.form, dtype=dtype,
        )  # fmt: skip
        self.mesh = sharding.mesh_of(jax.devices()[:1])
        shapes = {k: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for k, x in batch.items()}

        def fresh(key):
            return initialise.variables(self.model, shapes, key)

        variables = jax.eval_shape(fresh, jax.random.key(0))
        optimizer, schedule = optim.build(
            variables["params"], 1000, 1.0, learning_rate=RATE, schedule="constant", warmup=0,
            weight_decay=DECAY,
        )  # fmt: skip
        window = update.window(["time", "word"])
        like = state.abstract(fresh, optimizer, self.mesh, ema=False, window=window)
        self.state = state.create(fresh, optimizer, jax.random.key(0), self.mesh, ema=False,
                                  window=window)  # fmt: skip
        if params is not None:
            self.state["params"] = jax.tree.map(jax.numpy.array, params)
        self.step = update.make(
            self.model, optimizer, schedule, self.mesh, jax.tree.map(lambda x: x.sharding, like),
            loss={}, seed=0, log_every=1, compiler_options=compiling.options(s.width),
        )  # fmt: skip
        self.placed = sharding.batch_sharding(self.mesh)
        self.batch = sharding.to_global(batch, self.placed)

    def check(self):
        """(loss, gradients)."""

        def loss(params, rest, batch):
            tasks, _ = self.model.apply({"params": params, **rest}, batch, train=False,
                                        method="loss")  # fmt: skip
            return sum(s.sum() / w.sum() for s, w in tasks.values())

        found = jax.jit(jax.value_and_grad(loss))(
            self.state["params"], self.state["model_state"], self.batch
        )
        return jax.device_get(found)

    def __call__(self, batch=None):
        self.state, report = self.step(self.state, self.batch if batch is None else batch)
        if not report["ok"]:
            raise SystemExit("the loss is not finite")

    def input_share(self, source, examples, steps: int) -> float:
        """The share of the time spent waiting for input, when the pipeline feeds the step."""
        size = len(self.batch["weight"])
        with pipeline.train_batches(source, examples, batch=size, seed=0,
                                    rows=np.arange(size)) as stream:  # fmt: skip
            batch, waited = sharding.to_global(next(stream).arrays, self.placed), 0.0
            began = time.perf_counter()
            for _ in range(steps):
                self.state, report = self.step(self.state, batch)
                before = time.perf_counter()
                arrays = next(stream).arrays
                waited += time.perf_counter() - before
                batch = sharding.to_global(arrays, self.placed)
                jax.block_until_ready(report)
            return waited / (time.perf_counter() - began)


class Torch:
    """A twin's step: fused Adam, eager or compiled, in bfloat16 by autocast."""

    def __init__(self, a, kind, params, batch, compiled):
        import torch

        from tests.benchmarks import torch_fusion, torch_pretraining

        self.torch, self.twins, self.words = torch, torch_pretraining, settings(a).words
        s, names = settings(a), tuple(sorted(WIDTHS))
        self.device = "cuda" if a.device == "gpu" else "cpu"
        form = {"plain": torch_pretraining.Plain, "packed": torch_pretraining.Packed}[kind]
        self.model = form(s, getattr(torch_fusion, a.fusion))
        torch_pretraining.load(self.model, params, s.words)
        self.model.to(self.device)
        made = (torch_pretraining.plain_batch(batch, names) if kind == "plain"
                else torch_pretraining.packed_batch(batch, names, s.max_words + 1))  # fmt: skip
        self.batch = torch_pretraining.to(made, self.device)
        self.run = torch.compile(self.model) if compiled else self.model
        self.low = False
        self.adam = torch.optim.Adam(self.model.parameters(), RATE, weight_decay=DECAY, fused=True)

    def loss(self):
        with self.torch.autocast(self.device, self.torch.bfloat16, enabled=self.low):
            return self.run(self.batch)

    def check(self, reference):
        """The largest difference of the loss and any gradient from ours."""
        loss = self.loss()
        loss.backward()
        found = [furthest(np.array(loss.item()), np.array(reference[0]))]
        for name, value in self.model.named_parameters():
            want = self.twins.ours(name, reference[1], self.words)
            found.append(furthest(value.grad.cpu().numpy(), want))
        self.adam.zero_grad(set_to_none=True)
        return max(found)

    def __call__(self):
        self.adam.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        self.adam.step()
        loss.item()


def matmul_peak(device, dtype) -> float:
    """FLOP a second of a large product, measured."""
    if device == "cpu":
        return clock.peak()
    n = 8192
    x = jax.numpy.ones((n, n), dtype)
    product = jax.jit(lambda x: x @ x)
    product(x).block_until_ready()
    began = time.perf_counter()
    y = x
    for _ in range(20):
        y = product(y)
    y.block_until_ready()
    return 20 * 2 * n**3 / (time.perf_counter() - began)


def adam_seconds(params, device) -> float:
    """What Adam's memory traffic alone takes at the rate of a measured copy: p, m, v there and
    back, and the gradient."""
    count = sum(x.size for x in jax.tree.leaves(params))
    x = jax.numpy.ones(2**26 if device == "cpu" else 2**29)
    copy = jax.jit(lambda x: x + 1.0)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        copy(x).block_until_ready()
        times.append(time.perf_counter() - began)
    return 7 * 4 * count / (2 * x.nbytes / min(times))


def main():
    a = arguments()
    with tempfile.TemporaryDirectory() as place:
        source, examples = dataset(a, place)
        with pipeline.train_batches(
            source, examples, batch=a.batch, seed=0, rows=np.arange(a.batch)
        ) as stream:
            batch = next(stream).arrays
        mine = Ours(a, batch)
        with exactly(a.device, a.dtype):
            reference = mine.check()
        params = jax.device_get(mine.state["params"])
        flops = 3 * mine.model.flops(batch)
        if a.dtype != "float32":
            mine = Ours(a, batch, a.dtype, params)
        teams = {"ours": mine}
        worst = 0.0
        if a.twins:
            import torch

            torch.set_num_threads(a.threads)
        for kind in a.twins:
            for compiled in (False,) if a.no_compile else (False, True):
                twin = Torch(a, kind, params, batch, compiled)
                name = f"torch {kind}, {'compiled' if compiled else 'eager'}"
                found = twin.check(reference)
                if found > 1e-3:
                    raise SystemExit(f"{name} differs from ours by {found:.1e}")
                worst, teams[name] = max(worst, found), twin
                twin.low = a.dtype != "float32"
        print(f"{machine()}; {a}")
        print(f"loss and gradients agree within {worst:.1e}; {flops / 1e9:,.0f} GFLOP a step of "
              "real tokens")  # fmt: skip
        if a.rounds:
            alternate(a, teams, flops)
            print(f"Adam's memory traffic alone: {adam_seconds(params, a.device):.3f} s")
        if a.input_steps:
            share = mine.input_share(source, examples, a.input_steps)
            print(f"waiting for input: {share:.2%} of the step")


def alternate(a, teams, flops):
    times = {name: [] for name in teams}
    for round_ in range(a.rounds + 2):
        for name, team in teams.items():
            start = time.perf_counter()
            team()
            if round_ > 1:  # the first rounds compile and warm up
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, value in medians.items():
        spread = f"{min(times[name]):.3f} to {max(times[name]):.3f}"
        print(f"{name:26s} {value:7.3f} s   ({spread})")
    for kind in a.twins:
        rivals = [t for name, t in medians.items() if name.startswith(f"torch {kind}")]
        print(f"torch {kind}, the faster / ours: {min(rivals) / medians['ours']:.2f}")
    peak = matmul_peak(a.device, a.dtype)
    print(f"model FLOP utilisation of ours: {flops / medians['ours'] / peak:.0%} of "
          f"{peak / 1e12:.3g} TFLOP/s of a measured product")  # fmt: skip


if __name__ == "__main__":
    main()
