"""Decoding plus `lowlevel` beside `ffmpeg -f null` on 640 x 360 H.264, and memory over many videos.

`python -m tests.benchmarks.decoding` times both in turn, with the same threads, scaler, size and
pixel format, sound included, and prints every time and the median ratio; above 1 ours is faster.
`--videos 1000` reads so many videos instead and prints the memory that is held. Run it on a quiet
machine.
"""

import argparse
import gc
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from affectjax.media import lowlevel
from affectjax.media.extract import Chunk, extract, extract_safely
from affectjax.media.extractor import resolve
from affectjax.media.facts import Facts

WIDTH, HEIGHT, RATE = 640, 360, 30
SAMPLES = 44_100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", help="a file of your own; else one is made")
    parser.add_argument("--seconds", type=int, default=60, help="of the video that is made")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--videos", type=int, default=0, help="read so many and watch the memory")
    parser.add_argument("--workers", type=int, default=0, help="read them in worker processes")
    return parser.parse_args()


def scene(seed: int = 0) -> np.ndarray:
    """uint8 [540, 960]: noise with the spectrum of a photograph."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.fft.fftfreq(540), np.fft.rfftfreq(960), indexing="ij")
    spectrum = np.fft.rfft2(rng.standard_normal((540, 960))) / (np.hypot(x, y) + 2e-3) ** 1.2
    picture = np.fft.irfft2(spectrum)
    return np.clip(126 + 45 * (picture - picture.mean()) / picture.std(), 16, 235).astype(np.uint8)


def film(path: pathlib.Path, seconds: float, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """A camera that wanders over scenes with something that moves in front of it, and sound."""
    import av

    scenes = [scene(seed) for seed in range(3)]
    width, height = size
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=RATE, options={"preset": "fast"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=SAMPLES, layout="stereo")
        for place in range(round(seconds * RATE)):
            shot = scenes[place // (5 * RATE) % len(scenes)]
            top, left = (round(40 + 40 * np.sin(place / 50 + i)) for i in range(2))
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = shot[top : top + height, left : left + width]
            at = place * 4 % (width - width // 6)
            planes[height // 3 : height * 2 // 3, at : at + width // 6] = shot[
                : height * 2 // 3 - height // 3, : width // 6
            ]
            container.mux(picture.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
            if place % RATE == 0:
                wave = (0.1 * rng.standard_normal((2, SAMPLES))).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = SAMPLES, place // RATE * SAMPLES
                container.mux(sound.encode(frame))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))


def ours(path: pathlib.Path, threads: int) -> tuple[float, int]:
    """(seconds, frames)"""
    extractor = resolve("lowlevel")
    begun = time.perf_counter()
    *chunks, facts = extract(path, [extractor], threads=threads)
    spent = time.perf_counter() - begun
    assert all(isinstance(chunk, Chunk) for chunk in chunks) and facts.has_sound is not None
    return spent, facts.frames


def theirs(path: pathlib.Path, threads: int) -> float:
    height, width = lowlevel.SIZE
    scale = f"scale={width}:{height}:flags=area+accurate_rnd+bitexact,format=rgb24"
    words = ["ffmpeg", "-nostdin", "-v", "error", "-threads", str(threads), "-i", str(path)]
    words += ["-vf", scale, "-filter_threads", str(threads), "-fps_mode", "passthrough"]
    words += ["-f", "null", "-"]
    begun = time.perf_counter()
    subprocess.run(words, check=True)
    return time.perf_counter() - begun


def speed(path: pathlib.Path, a) -> None:
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg is not installed: there is nothing to compare with")
    _, frames = ours(path, a.threads)
    theirs(path, a.threads)  # both warm
    ratios = []
    for turn in range(a.rounds):
        if turn % 2:
            other, (mine, _) = theirs(path, a.threads), ours(path, a.threads)
        else:
            (mine, _), other = ours(path, a.threads), theirs(path, a.threads)
        ratios.append(other / mine)
        print(f"ours {frames / mine:7.0f} frames/s   ffmpeg {frames / other:7.0f}   "
              f"ratio {ratios[-1]:.2f}", flush=True)  # fmt: skip
    print(f"median ratio {statistics.median(ratios):.2f} (must be 0.6, goal 0.9)")


def resident() -> float:
    """MiB that this process and its children hold."""
    total = 0
    me = pathlib.Path("/proc/self")
    children = (me / "task" / me.resolve().name / "children").read_text().split()
    for process in ["self", *children]:
        total += int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
    return total * 4096 / 2**20


def memory(folder: pathlib.Path, a) -> None:
    """Reads short videos of several sizes again and again."""
    paths = []
    for place, size in enumerate([(320, 180), (640, 360), (480, 270)]):
        paths.append(folder / f"{place}.mp4")
        film(paths[-1], 2.0, size)
    wanted = (paths[place % len(paths)] for place in range(a.videos))
    if a.workers:
        pieces = (p for _, p in extract_safely(wanted, [("lowlevel", {})], a.workers))
    else:
        pieces = (p for path in wanted for p in extract(path, [resolve("lowlevel")]))
    held, read = [], 0
    for piece in pieces:
        if isinstance(piece, Facts):
            read += 1
            if read % max(1, a.videos // 20) == 0:
                gc.collect()
                held.append(resident())
                print(f"{read:6} videos  {held[-1]:7.1f} MiB", flush=True)
    half = len(held) // 2
    growth = statistics.mean(held[half:]) - statistics.mean(held[max(1, half // 2) : half])
    print(f"{read} videos; the second half holds {growth:+.1f} MiB more than the quarter before")


def main() -> None:
    a = arguments()
    print(f"{platform.processor() or platform.machine()}, {a.threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        if a.videos:
            memory(pathlib.Path(folder), a)
            return
        path = pathlib.Path(a.video or pathlib.Path(folder) / "film.mp4")
        if not a.video:
            film(path, a.seconds)
            print(f"{path.stat().st_size * 8 / a.seconds / 1e6:.2f} Mbit/s")
        speed(path, a)


if __name__ == "__main__":
    main()
