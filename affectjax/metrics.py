"""Metrics: NumPy functions of whole arrays, one entry an example, after everything is gathered."""

import numpy as np


def ratio(hits: np.ndarray, count: np.ndarray) -> float:
    """Sum of hits over sum of counts; NaN when nothing was counted."""
    total = float(np.sum(count, dtype=np.float64))
    return float(np.sum(hits, dtype=np.float64)) / total if total else float("nan")


def pretraining(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Hits and counts of both comment tasks, each [examples] -> accuracies, distance, counts."""
    words, times = arrays["word_count"], arrays["time_count"]
    return {
        "word_top1": ratio(arrays["word_top1"], words),
        "word_top5": ratio(arrays["word_top5"], words),
        "time_top1": ratio(arrays["time_top1"], times),
        "time_distance": ratio(arrays["time_distance"], times),
        "words": float(np.sum(words, dtype=np.float64)),
        "comments": float(np.sum(times, dtype=np.float64)),
    }
