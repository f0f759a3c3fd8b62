"""Times the backbones against their torch twins: equal weights, equal input, turn by turn.

python -m tests.benchmarks.backbones --networks clip vggish --rounds=7

Each side answers one batch of full-size input that lies on its device already; the rounds
alternate, so a busy machine slows both. Answers are compared before anything is timed. On a
machine with a GPU that both know, both use it; `--dtype=bfloat16` narrows both. `--decoding` adds
how fast pictures and sound come out of a video, and how fast both steps go together: on a CPU they
share its cores.
"""

import argparse
import contextlib
import dataclasses
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from affectjax import compiling, convert
from affectjax.backbones.embedding import narrowed, widest
from affectjax.media.extract import Chunk, extract_safely
from affectjax.media.extractor import resolve
from affectjax.media.features import Features
from affectjax.media.workers import Failure
from tests.backbones import networks, residual_cases, separable_cases
from tests.backbones.parity import drawn, further, load, shapes_of
from tests.benchmarks.fusion import machine
from tests.media import films


@dataclasses.dataclass(frozen=True)
class Contest:
    """One network at full size: what a row of its input is called, and the case of a batch."""

    unit: str
    batch: int
    case: Callable[[int], networks.Case]


CONTESTS = {
    "clip": Contest("frames", 16, lambda n: networks.clip_case(networks.CLIP_B32, n)),
    "vggish": Contest("examples", 16, networks.vggish_case),
    "places365": Contest("frames", 4, lambda n: networks.vgg16_case(n, (224, 224))),
    "resnet3d": Contest(
        "clips", 2, lambda n: residual_cases.case_3d((n, 16, 112, 112, 3), depth=101)
    ),
    "resnet": Contest("frames", 8, lambda n: residual_cases.case_2d((n, 224, 224, 3), depth=50)),
    "efficientnet": Contest(
        "frames", 8, lambda n: separable_cases.efficientnet_case((n, 224, 224, 3), False, 1000)
    ),
    "xception": Contest(
        "faces", 8, lambda n: separable_cases.xception_case((n, 160, 160, 3), 3072, 7)
    ),
}
# The extractors that go with them, for --decoding.
EXTRACTORS = {"resnet": "resnet50"} | {
    name: name for name in ("clip", "vggish", "places365", "resnet3d", "efficientnet")
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(CONTESTS), choices=list(CONTESTS))
    parser.add_argument("--batch", type=int, default=0, help="0: of the network's own")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="of torch, on a CPU")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--seconds", type=int, default=20, help="of the video, with --decoding")
    parser.add_argument("--workers", type=int, default=1, help="that decode, with --decoding")
    parser.add_argument("--decoding", action="store_true", help="time a video's way as well")
    parser.add_argument("--tf32", action="store_true", help="shorter products on GPUs, both sides")
    parser.add_argument("--ours-alone", action="store_true", help="without torch")
    return parser.parse_args()


class Ours:
    """Our network, compiled, its arrays and input on the device."""

    def __init__(self, case, arrays, dtype):
        found = convert.from_torch(case.name, arrays, case.config, **case.arguments)
        self.variables = jax.tree.map(lambda x: narrowed(x, dtype), found.variables)
        self.fed = [jnp.asarray(x, dtype) if x.dtype.kind == "f" else x for x in case.feed()]
        self.run = jax.jit(
            lambda v, *fed: case.ours(found.module, v, found.settings, *fed),
            compiler_options=compiling.options(widest(self.variables)),
        )

    def __call__(self):
        return jax.block_until_ready(self.run(self.variables, *self.fed))


class Torch:
    """The twin in inference mode, eager, on the same kind of device."""

    def __init__(self, case, twin, arrays, dtype):
        import torch

        self.torch, self.case = torch, case
        gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
        self.device = torch.device("cuda" if gpu else "cpu")
        self.twin = load(twin, arrays).to(self.device, getattr(torch, dtype))
        self.fed = [torch.tensor(x, device=self.device) for x in case.feed()]
        self.fed = [x.to(getattr(torch, dtype)) if x.is_floating_point() else x for x in self.fed]

    def __call__(self):
        with self.torch.inference_mode():
            found = self.case.theirs(self.twin, *self.fed)
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()
        return found


def contest(name, a):
    """Times both sides of one network and prints a line."""
    rules = CONTESTS[name]
    batch = a.batch or rules.batch
    case = rules.case(batch)
    twin = case.twin()
    arrays = drawn(shapes_of(twin))
    teams = {"ours": Ours(case, arrays, a.dtype)}
    worst = float("nan")
    if not a.ours_alone:
        teams["torch"] = Torch(case, twin, arrays, a.dtype)
        worst = max(
            further(np.asarray(teams["ours"]()[key], np.float32), value.float().cpu().numpy())
            for key, value in teams["torch"]().items()
        )
        exact = a.dtype == "float32" and not a.tf32
        if worst > (1e-4 if exact else 0.2):
            raise SystemExit(f"{name}: the two sides differ by {worst:.1e}")
    times = {team: [] for team in teams}
    for round_ in range(a.rounds + 2):
        for team, run in teams.items():
            start = time.perf_counter()
            run()
            if round_ > 1:  # the first rounds compile and warm up
                times[team].append(time.perf_counter() - start)
    rates = {team: batch / statistics.median(t) for team, t in times.items()}
    told = ", ".join(f"{team} {rate:.1f}" for team, rate in rates.items())
    ratio = f", ours / torch {rates['ours'] / rates['torch']:.2f}" if "torch" in rates else ""
    spread = "; ".join(f"{team} {min(t):.3f} to {max(t):.3f} s" for team, t in times.items())
    print(f"{name:12s} batch {batch}: {told} {rules.unit}/s{ratio} ({spread}; differ {worst:.0e})")


def video(folder, seconds):
    """A film of 640 x 360 at 30 pictures a second that never stands still, with sound."""
    rng = np.random.default_rng(0)
    texture = rng.integers(40, 200, (90, 160), np.uint8).repeat(4, 0).repeat(4, 1)

    def planes(place):
        chroma = np.full((180, 640), 128, np.uint8)
        return np.concatenate([np.roll(texture, 3 * place, 1), chroma])

    times = [round(i * 1000 / 30) for i in range(30 * seconds)]
    wave = rng.normal(0, 0.1, 16_000 * seconds).astype(np.float32)
    return films.write(folder / "film.mp4", times, sound=[(0, wave)], planes=planes)


def decoding(name, path, a):
    """Rows a second of decoding alone, of embedding alone, and of both as a build runs them."""
    named = (EXTRACTORS[name], {"weights": "random", "dtype": a.dtype})
    extractor = resolve(*named)

    def decoded():
        for _, piece in extract_safely([path], [named], workers=a.workers):
            if isinstance(piece, Failure):
                raise SystemExit(f"{path}: {piece}")
            if isinstance(piece, Chunk):
                yield piece

    def embedded(pieces):
        features = Features([extractor])
        for piece in pieces:
            features.push(piece)
        return len(next(iter(features.finish(0).values())))

    kept = list(decoded())
    embedded(kept)  # compiles
    ways = {
        "decoding": lambda: sum(len(piece.rows) for piece in decoded()),
        "embedding": lambda: embedded(kept),
        "both": lambda: embedded(decoded()),
    }
    times = {way: [] for way in ways}
    for _ in range(a.rounds):
        for way, run in ways.items():
            start = time.perf_counter()
            rows = run()
            times[way].append(time.perf_counter() - start)
    rates = {way: rows / statistics.median(t) for way, t in times.items()}
    told = ", ".join(f"{way} {rate:.1f}" for way, rate in rates.items())
    slower = min(rates["decoding"], rates["embedding"])
    print(f"{name:12s} {told} rows/s, both / the slower one {rates['both'] / slower:.2f}")


def main():
    a = arguments()
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(a.threads)
        torch.backends.cuda.matmul.allow_tf32 = a.tf32
        torch.backends.cudnn.allow_tf32 = a.tf32
    jax.config.update("jax_default_matmul_precision", "default" if a.tf32 else "highest")
    print(f"{machine()}, {jax.devices()[0].device_kind}; {a}")
    for name in a.networks:
        contest(name, a)
    if a.decoding:
        with tempfile.TemporaryDirectory() as folder:
            path = video(pathlib.Path(folder), a.seconds)
            for name in (name for name in a.networks if name in EXTRACTORS):
                decoding(name, path, a)


if __name__ == "__main__":
    main()
