"""What a run says while it works: plain lines or a bar, metrics.jsonl, TensorBoard events.

Every field that depends on the clock is named `time/...`; all others are the same in a run that
was stopped and resumed as in one that never was.
"""

import json
import math
import pathlib
import struct
import sys
import time

from affectjax import files
from affectjax.data import tfrecord

LARGEST = (2 - 2**-23) * 2.0**127  # of the finite float32


class Log:
    """Writes on the first process; on the others every call does nothing."""

    def __init__(self, workdir: pathlib.Path, first: bool, total: int, tensorboard: bool = True):
        self.first, self.total = first, total
        self.started = time.time()
        self.started_at = None
        self.bar = first and sys.stdout.isatty()
        if not first:
            return
        self.path = workdir / "metrics.jsonl"
        self.events = Events(workdir / "events") if tensorboard else None

    def cut(self, step: int) -> None:
        """Forget every line after `step`: the run goes on from there."""
        if not self.first or not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                row = json.loads(line)
                # The test scores follow from the last state, and are written again with it.
                if row["step"] > step or row["split"] == "test":
                    break
            except (ValueError, KeyError, TypeError):  # the line a kill cut in the middle
                break
            kept.append(line + "\n")
        files.put(self.path, "".join(kept))

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """One line of metrics; a number that is not finite is written as null."""
        if not self.first:
            return
        row = {"step": step, "split": split}
        row |= {k: v if math.isfinite(v) else None for k, v in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if self.events:
            self.events.scalars(step, {f"{split}/{k}": v for k, v in values.items()})
        if self.bar:
            print("\r\033[K", end="")
        shown = "  ".join(f"{k} {_short(v)}" for k, v in values.items())
        print(f"{split} step {step}/{self.total}  {shown}", flush=True)

    def tick(self, step: int) -> None:
        """Move the bar, where there is a terminal to show it on."""
        if not self.bar:
            return
        if self.started_at is None:
            self.started_at, self.started = step, time.time()
        done = step - self.started_at
        left = (time.time() - self.started) / done * (self.total - step) if done > 0 else 0
        width = 30
        filled = width * step // max(self.total, 1)
        eta = time.strftime("%H:%M:%S", time.gmtime(left)) if done > 0 else "--:--:--"
        print(f"\r[{'#' * filled}{'.' * (width - filled)}] {step}/{self.total} left {eta}", end="")
        sys.stdout.flush()

    def close(self) -> None:
        """Clear the bar away."""
        if self.bar:
            print("\r\033[K", end="", flush=True)


class Events:
    """A TensorBoard event file of scalars, framed as TFRecords; needs neither library."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{time.time_ns()}.affectjax"
        self._append(_field(3, b"brain.Event:2"))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Append the values of one step."""
        summary = b"".join(
            _field(1, _field(1, tag.encode()) + b"\x15" + struct.pack("<f", _float32(value)))
            for tag, value in values.items()
        )
        self._append(b"\x10" + _varint(step) + _field(5, summary))

    def _append(self, body: bytes) -> None:
        event = b"\x09" + struct.pack("<d", time.time()) + body
        with self.path.open("ab") as file:
            file.write(tfrecord.frame(event))


def _float32(value: float) -> float:
    """The nearest that a float32 can hold of a finite number; others stay as they are."""
    return max(-LARGEST, min(LARGEST, value)) if math.isfinite(value) else value


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _short(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return f"{value:.2e}"
