"""How far predicted distributions lie from true ones: six measures, each by its definition.

t is the true and p the predicted distribution of a window, arrays [..., K] that are not negative
and sum to one. A term 0 / 0 counts as 0. Per window first, then the mean over the windows of each
video, then over videos, so that a long video weighs as much as a short one.
"""

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray


def chebyshev(t: Array, p: Array) -> Array:
    """max |t_k - p_k|."""
    return np.abs(t - p).max(-1)


def clark(t: Array, p: Array) -> Array:
    """sqrt(sum (t_k - p_k)^2 / (t_k + p_k)^2)."""
    return np.sqrt(np.square(_over(t - p, t + p)).sum(-1))


def canberra(t: Array, p: Array) -> Array:
    """sum |t_k - p_k| / (t_k + p_k)."""
    return _over(np.abs(t - p), t + p).sum(-1)


def cosine(t: Array, p: Array) -> Array:
    """sum t_k p_k / (|t| |p|)."""
    return _over((t * p).sum(-1), np.linalg.norm(t, axis=-1) * np.linalg.norm(p, axis=-1))


def intersection(t: Array, p: Array) -> Array:
    """sum min(t_k, p_k)."""
    return np.minimum(t, p).sum(-1)


def kl(t: Array, p: Array) -> Array:
    """sum t_k ln(t_k / p_k), 0 ln 0 = 0; infinite where something true was held impossible."""
    with np.errstate(divide="ignore"):
        terms = t * (np.log(np.where(t > 0, t, 1)) - np.log(np.where(t > 0, p, 1)))
    return terms.sum(-1)


MEASURES: dict[str, Callable[[Array, Array], Array]] = {
    "chebyshev": chebyshev,
    "clark": clark,
    "canberra": canberra,
    "cosine": cosine,
    "intersection": intersection,
    "kl": kl,
}


def per_window(t: Array, p: Array) -> dict[str, Array]:
    """Truth and prediction [n, K] -> {measure: [n]}, NaN where the truth is."""
    t, p = np.asarray(t, np.float64), np.asarray(p, np.float64)
    known = np.isfinite(t).all(-1)
    found = {}
    for name, measure in MEASURES.items():
        values = np.full(len(t), np.nan)
        values[known] = measure(t[known], p[known])
        found[name] = values
    return found


def averaged(t: Array, p: Array, videos: Sequence[str]) -> dict[str, float]:
    """As `per_window`, averaged over the known windows of each video [n], then over videos."""
    rows = per_window(t, p)
    known = np.isfinite(np.asarray(t, np.float64)).all(-1)
    _, video = np.unique(np.asarray(videos)[known], return_inverse=True)
    count = np.bincount(video) if len(video) else np.zeros(0)
    found = {}
    for name, values in rows.items():
        means = np.bincount(video, values[known], len(count)) / count if len(count) else count
        found[name] = float(means.mean()) if len(means) else float("nan")
    return found


def _over(part: Array, whole: Array) -> Array:
    """part / whole, 0 where the whole is."""
    return np.divide(part, whole, out=np.zeros_like(part, np.float64), where=whole > 0)
