"""Where a run looked: attention over segments, as its predictions of the test part hold it."""

import dataclasses
import pathlib

import numpy as np

from affectjax import detection
from affectjax.report.predictions import Table


@dataclasses.dataclass(frozen=True, eq=False)
class Segments:
    """A row a video; T segments, K classes."""

    ids: tuple[str, ...]
    names: tuple[str, ...]  # of the classes
    curve: np.ndarray  # [n, T]
    probability: np.ndarray  # [n, K]
    duration: np.ndarray | None  # seconds [n]
    truth: np.ndarray | None  # [n, S, 3] start, end, label; NaN where there are fewer

    def intervals(self, row: int, threshold: float) -> list[detection.Interval]:
        """What a video's curve detects."""
        one = slice(row, row + 1)
        return detection.intervals(
            self.curve[one], self.probability[one], self.duration[one], threshold
        )

    def truths(self, row: int) -> list[detection.Interval]:
        """A video's annotated intervals."""
        return [] if self.truth is None else detection.truths(self.truth[row : row + 1])


def read(path: pathlib.Path) -> Segments | None:
    """What a run wrote down; None where that is no curve over segments, or not there."""
    if not path.is_file():
        return None
    table = Table(path)
    curve, chances, truth = (
        [name for name in table.columns if name.startswith(prefix)]
        for prefix in ("curve_", "probability_", "truth_")
    )
    if not curve or not chances:
        return None
    told = "duration" in table.columns and len(truth) % 3 == 0 and truth
    return Segments(
        table.texts("id"),
        table.after("probability_"),
        table.numbers(curve),
        table.numbers(chances),
        table.numbers(["duration"])[:, 0] if told else None,
        table.numbers(truth).reshape(len(table.rows), -1, 3) if told else None,
    )
