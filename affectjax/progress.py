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
        """One more is done; `known`: it had been before."""
        self.count += 1
        self.known += known
        if self._due(0.1) or self.count == self.total:
            self._say()

    def within(self, name: str, seconds: float) -> None:
        """How far the one under way is, in seconds of its own."""
        if self._due(0.2):
            self._say(f"; {name} at {duration(seconds)}")

    def line(self, text: str) -> None:
        """A line of its own, above the bar."""
        print(f"\r\033[K{text}" if self.live else text, file=self.stream, flush=True)

    def _due(self, pause: float) -> bool:
        return time.monotonic() - self.said > (pause if self.live else EVERY)

    def _say(self, more: str = "") -> None:
        now = self.said = time.monotonic()
        made = self.count - self.known
        left = (now - self.begun) / made * (self.total - self.count) if made else 0.0
        bar = ""
        if self.live:
            full = WIDTH * self.count // max(self.total, 1)
            bar = f"[{'#' * full}{' ' * (WIDTH - full)}] "
        known = f", {self.known} of them before" if self.known else ""
        rest = f", about {duration(left)} left" if self.count < self.total and made else ""
        text = f"{self.what} {bar}{self.count} of {self.total}{known}{rest}{more}"
        # a terminal keeps one line, and what was longer before must not show
        before, after = ("\r\033[K", "") if self.live else ("", "\n")
        print(before + text, end=after, file=self.stream, flush=True)

    def close(self) -> None:
        """Leave the bar behind."""
        if self.live and self.count:
            print(file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """In the two largest units: 3 h 20 min, 5 min 2 s, 9 s."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
