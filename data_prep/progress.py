"""How far a long command is: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from typing import TextIO

WIDTH = 30
EVERY = 30.0  # seconds between lines where nobody watches


class Progress:
    """Counts up to `total`; `known` are those that took no time and say nothing of the rest."""

    def __init__(self, what: str, total: int, stream: TextIO | None = None):
        self.what, self.total, self.stream = what, total, stream or sys.stderr
        self.count = self.known = 0
        self.begun = self.said = time.monotonic()
        self.live = self.stream.isatty()

    def step(self, known: bool = False) -> None:
        self.count += 1
        self.known += known
        now = time.monotonic()
        if self.live and (now - self.said > 0.1 or self.count == self.total):
            self._say("\r", "", now)
        elif not self.live and (now - self.said > EVERY or self.count == self.total):
            self._say("", "\n", now)

    def _say(self, before: str, after: str, now: float) -> None:
        self.said = now
        made = self.count - self.known
        left = (now - self.begun) / made * (self.total - self.count) if made else 0.0
        bar = ""
        if self.live:
            full = WIDTH * self.count // max(self.total, 1)
            bar = f"[{'#' * full}{' ' * (WIDTH - full)}] "
        known = f", {self.known} of them before" if self.known else ""
        rest = f", about {duration(left)} left" if self.count < self.total and made else ""
        print(
            f"{before}{self.what} {bar}{self.count} of {self.total}{known}{rest}   ".rstrip("\n"),
            end=after,
            file=self.stream,
            flush=True,
        )

    def close(self) -> None:
        if self.live and self.count:
            print(file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """In the two largest units: 3 h 20 min, 5 min 2 s, 9 s."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
