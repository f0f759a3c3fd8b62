"""Peak memory of paper-size pre-training on this machine, in steps and while a save is under way.

    python -m tests.benchmarks.paper_size [--steps=3] [any flag of affectjax.main]

d 768, 12 fusion layers, 8 decoder layers, T 64, batch 8, 55 comments a clip, 30,000 words, through
the real command on records of random features; memory is that of the training process alone.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from affectjax.data import records

ROOT = pathlib.Path(__file__).parents[2]
WIDTHS = {"image": 512, "motion": 2048, "audio": 128}
CLIPS, COMMENTS, WORDS = 24, 55, 30_000


def clips(rng: np.random.Generator, number: int, prefix: str):
    """Records of the paper's proportions: 27.6 s, 52 segments, 55 comments of 3 to 15 words."""
    for i in range(number):
        length = rng.integers(3, 16, COMMENTS)
        emotional = np.zeros(length.sum(), np.uint8)
        emotional[np.cumsum(length) - 1] = 1
        # every word stands somewhere, so that the vocabulary has its full size
        words = rng.integers(0, WORDS, length.sum()) if i else np.arange(length.sum())
        yield {
            "id": f"{prefix}-{i}", "group": f"{prefix}-{i}", "start": 0.0, "duration": 27.6,
            "features": {m: rng.normal(size=(52, d)).astype(np.float16) for m, d in WIDTHS.items()},
            "rate": {m: 30 / 16 for m in WIDTHS},
            "comments": {
                "word": [f"w{w}" for w in words], "length": length.astype(np.int32),
                "time": np.sort(rng.uniform(0, 27.6, COMMENTS)).astype(np.float32),
                "emotional": emotional,
            },
        }  # fmt: skip


def vocabulary_clip(rng: np.random.Generator):
    """One clip more whose comments hold every word, so that the head has all 30,000."""
    clip = next(clips(rng, 1, "words"))
    count = -(-WORDS // 10)
    clip["comments"] = {
        "word": [f"w{i % WORDS}" for i in range(10 * count)],
        "length": np.full(count, 10, np.int32),
        "time": np.full(count, 1.0, np.float32),
        "emotional": (np.arange(10 * count) % 10 == 0).astype(np.uint8),
    }
    return clip


class Memory(threading.Thread):
    """Peak resident GiB of a process, apart for the time in which a checkpoint is being written."""

    def __init__(self, pid: int, checkpoints: pathlib.Path):
        super().__init__(daemon=True)
        self.status, self.checkpoints = pathlib.Path(f"/proc/{pid}/status"), checkpoints
        self.steps = self.saving = 0.0

    def run(self):
        try:
            while True:
                rows = dict(line.split(":", 1) for line in self.status.read_text().splitlines())
                now = int(rows["VmRSS"].split()[0]) / 2**20
                if any("tmp" in path.name for path in self.checkpoints.glob("*")):
                    self.saving = max(self.saving, now)
                else:
                    self.steps = max(self.steps, now)
                time.sleep(0.05)
        except (OSError, KeyError):  # the process is gone
            return


def main(words: list[str]) -> None:
    steps = next((int(w.split("=")[1]) for w in words if w.startswith("--steps=")), 3)
    words = [w for w in words if not w.startswith("--steps=")]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        train = [*clips(rng, CLIPS, "train"), vocabulary_clip(rng)]
        spec = records.Spec(modalities=WIDTHS, comments=True)
        records.write(place / "data", "random", spec,
                      {"train": train, "test": clips(rng, 2, "test")})  # fmt: skip
        command = [
            sys.executable, "-m", "affectjax.main", f"--config={ROOT}/configs/tam_pretrain.py",
            f"--config.data.dir={place / 'data'}", f"--workdir={place / 'run'}",
            "--config.words.min_count=1", f"--config.train.steps={steps}",
            "--config.train.log_every=1", "--config.train.checkpoint_every=2", *words,
        ]  # fmt: skip
        job = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        memory = Memory(job.pid, place / "run" / "checkpoints")
        memory.start()
        code = job.wait()
    print(f"peak resident memory: {memory.steps:.2f} GiB in steps, "
          f"{memory.saving:.2f} GiB while a save is under way")  # fmt: skip
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
