"""How long a run takes from the command to its first step, with an empty and with a warm cache.

    python -m tests.benchmarks.start [--rounds=3] [any flag of affectjax.main]

The real command at paper widths (d 768, batch 8, 55 comments a clip, 30,000 words; 2 fusion and 2
decoder layers unless flags say otherwise), on records of random features: from the start of the
process until the first step begins, which is when its line comes less what a step takes. Cold and
warm in turn, each cold start with a cache of its own. The ratio, warm to cold, should be at most
0.5. Processor time is steadier than time on a busy machine.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from affectjax.data import records
from tests.benchmarks.fusion import machine
from tests.benchmarks.paper_size import CLIPS, ROOT, WIDTHS, clips, vocabulary_clip


def first_step(place: pathlib.Path, cache: pathlib.Path, words: list[str]) -> np.ndarray:
    """[seconds, seconds of processor] until the first step begins; the run is ended soon after."""
    with tempfile.TemporaryDirectory(dir=place) as workdir:
        command = [
            sys.executable, "-m", "affectjax.main", f"--config={ROOT}/configs/tam_pretrain.py",
            f"--config.data.dir={place / 'data'}", f"--workdir={workdir}",
            "--config.words.min_count=1", "--config.train.steps=1000",
            "--config.train.log_every=1", "--config.model.layers=2",
            "--config.model.decoder_layers=2", "--config.train.tensorboard=False",
            f"--compile_cache={cache}", *words,
        ]  # fmt: skip
        began = time.perf_counter()
        job = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
        at = []
        for line in job.stdout:
            if line.startswith("train step "):
                at.append((time.perf_counter() - began, processor_time(job.pid)))
            if len(at) == 4:
                break
        else:
            raise SystemExit(f"too few steps were taken: exit status {job.wait()}")
        job.kill()
        job.communicate()
    return np.array(at[0]) - np.median(np.diff(at, axis=0), axis=0)


def processor_time(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def main(words: list[str]) -> None:
    rounds = next((int(w.split("=")[1]) for w in words if w.startswith("--rounds=")), 3)
    words = [w for w in words if not w.startswith("--rounds=")]
    rng = np.random.default_rng(0)
    times: dict[str, list] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        train = [*clips(rng, CLIPS, "train"), vocabulary_clip(rng)]
        spec = records.Spec(modalities=WIDTHS, comments=True)
        records.write(place / "data", "random", spec,
                      {"train": train, "test": clips(rng, 2, "test")})  # fmt: skip
        for round_ in range(rounds):
            for name in times:
                times[name].append(first_step(place, place / f"cache{round_}", words))
    print(machine())
    for name, found in times.items():
        shown = ", ".join(f"{took:.1f}" for took, _ in found)
        print(f"{name}: {shown} s ({statistics.median(busy for _, busy in found):.1f} s of "
              "processor time)")  # fmt: skip
    for what, place in (("time", 0), ("processor time", 1)):
        cold, warm = (statistics.median(one[place] for one in times[n]) for n in ("cold", "warm"))
        print(f"warm / cold, {what}: {warm / cold:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
