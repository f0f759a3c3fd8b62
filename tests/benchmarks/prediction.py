"""A long video end to end: python -m tests.benchmarks.prediction [--seconds=600] [--export=DIR]

Makes the 640 x 360 film of `tests.benchmarks.decoding`, runs the command on it in a process of its
own, and tells how much faster than real time that was and how much memory all its processes held
together. Without --export the model is the sample's `tam_emotion`, untrained, which costs the same.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

from configs import tam_finetune
from tests.benchmarks import decoding
from tests.predicting import exports

LOOK = 0.2  # seconds between looks at the memory


def memory(process: int) -> int:
    """Bytes that a process and all below it hold now."""
    total = 0
    try:
        children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    except OSError:  # it has ended
        return 0
    return total + sum(memory(int(child)) for child in children)


def main(argv: list[str] | None = None) -> None:
    """Measure once; the first run of a model compiles it, and that counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--export")
    flags = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        export = flags.export
        if export is None:
            plain = tam_finetune.get_config("small,scratch").model.to_dict()
            plain.pop("name")
            export = exports.make(folder / "export", "tam_emotion", 27.7, **plain).folder
        decoding.film(folder / "film.mp4", flags.seconds)
        command = [sys.executable, "-m", "affectjax.predict", str(export), f"{folder}/film.mp4",
                   f"--out={folder}/out", "--compile_cache="]  # fmt: skip
        began, most = time.monotonic(), 0
        process = subprocess.Popen(command)
        while process.poll() is None:
            most = max(most, memory(process.pid))
            time.sleep(LOOK)
        took = time.monotonic() - began
        if process.returncode:
            raise SystemExit(process.returncode)
    times = flags.seconds / took
    print(f"{flags.seconds} s of video in {took:.1f} s, {times:.1f} times as fast as it plays")
    print(f"{most / 2**20:.0f} MiB at the most, all processes together")


if __name__ == "__main__":
    main()
