"""A soak: N processes are killed at random for an hour, and end with the undisturbed weights.

    python -m tests.soak [--minutes=60] [--processes=4] [--every=180] [--step=2] [--seed=0]
                         [--out=DIR]

One undisturbed run, then the same run under kills: after a random time of about `--every` seconds a
random process gets SIGKILL, SIGTERM or SIGSTOP (which the watchdog finds), and the job is started
again, as a launcher does. Each of its steps is made to last `--step` seconds, so that they cannot
all be made in `--minutes`; after these the rest is made in peace and at full speed. Prints one line
an event, and at the end whether every leaf of the state is the same, bit for bit; exit status 0 if
so. An undisturbed run that stands in `--out` already is not made again.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from affectjax import checkpoint
from affectjax.data import sample
from tests import injected
from tests.test_processes import TINY, state_of

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
STUCK = 60  # seconds after which a stopped process is found
# What the launcher may end with: 75 after SIGTERM, 137 for a killed process, 134 where jax ended
# one, 1 where one found that another had gone or stood still.
EXPECTED = (0, 1, 75, 134, 137)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--every", type=float, default=180, help="seconds between faults, about")
    parser.add_argument("--step", type=float, default=2.0, help="seconds that a step lasts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, help="a temporary folder if unset")
    return parser.parse_args()


def start(a, folder, data, steps, slow: float) -> subprocess.Popen:
    command = [
        "bash", str(injected.ROOT / "launch/processes.sh"), str(a.processes), *TINY,
        f"--config.data.dir={data}", f"--workdir={folder}", f"--config.train.steps={steps}",
        "--config.train.checkpoint_every=20", f"--config.train.stuck_after={STUCK}",
        "--config.train.log_every=10",
    ]  # fmt: skip
    environment = os.environ | {
        "PYTHON": injected.interpreter(folder.parent), "PYTHONPATH": str(injected.ROOT),
        "GRACE": "40", "AFFECTJAX_SLOW": str(slow),
    }  # fmt: skip
    out = open(f"{folder}.log", "a")
    return subprocess.Popen(command, env=environment, stdout=out, stderr=out,
                            start_new_session=True)  # fmt: skip


def members(job: subprocess.Popen) -> list[int]:
    """The job's Python processes."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "-g", str(job.pid)], capture_output=True,
                            text=True).stdout  # fmt: skip
    return [int(row.split()[0]) for row in listed.splitlines() if "injected.py" in row]


def wait(job: subprocess.Popen, seconds: float) -> int | None:
    try:
        return job.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def main() -> int:
    a = arguments()
    rng = random.Random(a.seed)
    place = (a.out or pathlib.Path(tempfile.mkdtemp(prefix="soak-"))).absolute()
    data = sample.prepare(place / "sample", "quick", 0)
    shutil.rmtree(place / "soaked", ignore_errors=True)
    steps = max(40, round(a.minutes * 60 / a.step))
    print(f"{steps} steps of {a.processes} processes, in {place}", flush=True)
    if start(a, place / "whole", data, steps, 0.0).wait() != 0:
        print((place / "whole.log").read_text()[-3000:])
        return 1
    began, counts = time.time(), dict.fromkeys((s.name for s in SIGNALS), 0)
    while True:
        left = a.minutes * 60 - (time.time() - began)
        job = start(a, place / "soaked", data, steps, a.step if left > 0 else 0.0)
        code = wait(job, max(1.0, min(left, rng.uniform(0.3, 1.7) * a.every)) if left > 0 else 1e9)
        if code is None:
            last = time.time() - began >= a.minutes * 60  # then it ends in good order
            number = signal.SIGTERM if last else rng.choice(SIGNALS)
            while not (victims := members(job)) and job.poll() is None:
                time.sleep(0.2)  # they are still starting
            if victims:
                os.kill(victim := rng.choice(victims), number)
                counts[number.name] += 1
                done = checkpoint.steps(place / "soaked" / "checkpoints")[-1:]
                print(f"{time.time() - began:6.0f} s  {number.name} to one of {len(victims)} "
                      f"(pid {victim}), checkpoints up to {done}", flush=True)  # fmt: skip
            code = wait(job, 600)
        if code is None or code not in EXPECTED:
            print(f"the job hangs, or ended with {code}")
            os.killpg(job.pid, signal.SIGKILL)
            return 1
        if code == 0:
            break
    same = state_of(place / "soaked", steps) == state_of(place / "whole", steps)
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{(time.time() - began) / 60:.0f} minutes, {told}; {steps} steps; "
          f"the final state is {'the same, bit for bit' if same else 'ANOTHER'}")  # fmt: skip
    return 0 if same and any(counts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
