"""Mean and deviation of every feature over a split: what a model standardises its input by."""

import numpy as np

from affectjax.data import sources

DIGITS = 6  # the last bits of a long sum differ between processors


class Moments:
    """Running sums of rows, a modality each."""

    def __init__(self):
        self.sums: dict[str, tuple[int, np.ndarray, np.ndarray]] = {}

    def add(self, features: dict[str, np.ndarray]) -> None:
        """Count the rows [T, D] of one record."""
        for modality, rows in features.items():
            wide = rows.astype(np.float64)
            count, total, squares = self.sums.get(modality, (0, 0.0, 0.0))
            self.sums[modality] = (
                count + len(wide),
                total + wide.sum(0),
                squares + np.square(wide).sum(0),
            )

    def table(self) -> dict[str, dict]:
        """{modality: {rows, mean [D], deviation [D]}}; a feature that never varies has 0."""
        found = {}
        for modality, (count, total, squares) in sorted(self.sums.items()):
            mean = total / max(count, 1)
            spread = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0.0))
            spread[spread < 1e-4 * np.maximum(np.abs(mean), 1e-3)] = 0.0  # rounding, no variation
            found[modality] = {"rows": count, "mean": _rounded(mean), "deviation": _rounded(spread)}
        return found


def of_source(source) -> dict[str, dict]:
    """The table of a source's own clips, where no split `train` was there to be counted."""
    found = Moments()
    for _, record in sources.readable(source):
        found.add(record["features"])
    return found.table()


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in np.atleast_1d(values)]
