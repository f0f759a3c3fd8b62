"""How nearly a clip of one part is repeated in another, by the means of its features.

Public splits hold videos that differ in little but their name on both sides. Means over time are
brought to unit deviation, modalities weigh alike, and two clips are as alike as their cosine says.
"""

import numpy as np

from affectjax.data import sources
from affectjax.errors import UserError

CHUNK = 1024  # clips compared at once


def likeness(part, other) -> np.ndarray:
    """float64 [n]: for every clip of `part` the cosine to the one of `other` that is most alike."""
    own, others = _means(part), _means(other)
    both = {m: np.concatenate([own[m], others[m]]) for m in own if m in others}
    if not len(part) or not len(other):
        return np.full(len(part), -1.0)
    if not both:
        raise UserError(
            "clips are compared by their features, and these have none",
            "data.apart",
            "Build the dataset with an extractor of features as well, such as lowlevel.",
        )
    unit = np.concatenate([_standardised(rows) for rows in both.values()], 1)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    unit, beside = unit[: len(part)], unit[len(part) :]
    found = [
        (unit[i : i + CHUNK] @ beside[j : j + CHUNK].T).max(1)
        for i in range(0, len(unit), CHUNK)
        for j in range(0, len(beside), CHUNK)
    ]
    columns = -(-len(beside) // CHUNK)
    rows = [np.max(found[k : k + columns], axis=0) for k in range(0, len(found), columns)]
    return np.concatenate(rows)


def _means(part) -> dict[str, np.ndarray]:
    """{modality: float64 [n, D]}, NaN where a clip has no row of it or cannot be read."""
    found: dict[str, np.ndarray] = {}
    for row, record in sources.readable(part):
        for name, steps in record["features"].items():
            table = found.setdefault(name, np.full((len(part), steps.shape[1]), np.nan))
            if len(steps):
                table[row] = steps.astype(np.float64).mean(0)
    return found


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Unit deviation, a square sum of about one a clip; what is absent is as the mean."""
    known = np.isfinite(rows).all(1)
    if not known.any():
        return np.zeros_like(rows)
    spread = rows[known].std(0)
    scaled = (rows - rows[known].mean(0)) / np.where(spread > 0, spread, 1.0)
    return np.where(known[:, None], scaled, 0.0) / np.sqrt(rows.shape[1])
