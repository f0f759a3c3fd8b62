"""Rows of many videos through the model together, each batch of one and the same size.

What a row becomes does not depend on its neighbours: a batch that is not full is filled with empty
rows, so that one compiled program serves all.
"""

import collections
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np

PATIENCE = 2.0  # seconds that a row waits for others

Arrays = dict[str, np.ndarray]


class Batches:
    """Rows go in under a key; (key, predictions of the row) come out, in the same order."""

    def __init__(self, predict: Callable[[Arrays], Arrays], empty: Mapping[str, Any], size: int):
        self.predict, self.empty, self.size = predict, dict(empty), size
        self.waiting: collections.deque[tuple[Hashable, Arrays]] = collections.deque()
        self.since = time.monotonic()

    def push(self, key: Hashable, row: Arrays) -> Iterator[tuple[Hashable, Arrays]]:
        """A row; gives what is predicted once a batch is full."""
        if not self.waiting:
            self.since = time.monotonic()
        self.waiting.append((key, row))
        if len(self.waiting) >= self.size:
            yield from self.flush()

    def ripe(self) -> Iterator[tuple[Hashable, Arrays]]:
        """What has waited long enough, though the batch is not full."""
        if self.waiting and time.monotonic() - self.since > PATIENCE:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[Hashable, Arrays]]:
        """Everything that waits."""
        while self.waiting:
            some = [self.waiting.popleft() for _ in range(min(self.size, len(self.waiting)))]
            rows = [row for _, row in some] + [self.empty] * (self.size - len(some))
            found = self.predict({key: np.stack([row[key] for row in rows]) for key in self.empty})
            for place, (key, _) in enumerate(some):
                yield key, {name: values[place] for name, values in found.items()}
