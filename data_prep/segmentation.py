"""Cuts a long video into clips where its comments gather: K-means on their times (TAM 5.1).

K is the duration over the wanted seconds. Clips are contiguous, from 0 to the end; a cut lies in
the middle between two neighbouring centres, on the grid of the segments, so that no segment is
torn. Everything follows from the times alone: the centres start at quantiles, nothing is drawn.
"""

from collections.abc import Sequence

import numpy as np

ROUNDS = 300  # of Lloyd's iteration at most; ordinary videos need a few dozen


def clips(
    times: Sequence[float] | np.ndarray,
    duration: float,
    seconds: float = 30.0,
    grid: float = 16 / 30,
) -> list[tuple[float, float]]:
    """(start, end) of each clip. With fewer distinct times than clips, clips are of equal length.

    Cuts that fall on one point of the grid are one cut, so there may be fewer than K clips. Times
    outside the video take no part.
    """
    if not duration > 0:
        return []
    times = np.sort(np.asarray(times, np.float64))
    times = times[(times >= 0) & (times < duration)]
    count = max(1, round(duration / seconds))
    if len(np.unique(times)) < count:
        cuts = duration * np.arange(1, count) / count
    else:
        middle = centres(times, count)
        cuts = (middle[1:] + middle[:-1]) / 2
    last = np.ceil(duration / grid) - 1  # the point of the grid before the end
    points = np.unique(np.clip(np.rint(cuts / grid), 1, None)).astype(int)
    edges = [0.0, *(float(point * grid) for point in points if point <= last), float(duration)]
    return list(zip(edges[:-1], edges[1:]))


def centres(times: np.ndarray, count: int) -> np.ndarray:
    """float64[K], ascending: Lloyd's iteration on sorted times [C] from their quantiles.

    In one dimension a cluster is a run of the sorted times, so sums over prefixes give the means.
    A centre without times stays where it was.
    """
    total = np.concatenate([[0.0], np.cumsum(times)])
    found = np.quantile(times, (np.arange(count) + 0.5) / count)
    ends = None
    for _ in range(ROUNDS):
        cuts = (found[1:] + found[:-1]) / 2
        edges = np.concatenate([[0], np.searchsorted(times, cuts, side="right"), [len(times)]])
        if ends is not None and np.array_equal(edges, ends):
            break
        ends, size = edges, np.diff(edges)
        found = np.where(size > 0, np.diff(total[edges]) / np.maximum(size, 1), found)
    return found
