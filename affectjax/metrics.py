"""Metrics: NumPy functions of whole arrays, one entry an example, after everything is gathered.

What is not defined (the correlation of a constant, the recall of a class nobody has) is NaN; who
writes JSON or a table says so there.
"""

from collections.abc import Sequence

import numpy as np

ERRORS = ("loss", "mse", "time_distance", "kl", "chebyshev", "clark", "canberra")


def is_error(name: str) -> bool:
    """Whether less of a metric is better; of an output's own, `mse/valence`, as of all."""
    return name.partition("/")[0] in ERRORS


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


# --- classes


def classification(scores: np.ndarray, label: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Scores [n, K] and labels [n], -1 where unknown -> metrics of the class scored highest."""
    if np.shape(scores) != (len(label), len(names)):
        raise ValueError(f"scores {np.shape(scores)}, {len(label)} labels, {len(names)} names")
    chosen = np.argmax(scores, axis=1) if len(label) else np.zeros(0, np.int64)
    return of_classes(chosen, label, names)


def of_classes(chosen: np.ndarray, label: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Chosen classes [n] and labels [n], -1 where unknown -> the metrics; `count` labels counted.

    `macro_f1` is over the classes that were chosen or that somebody has, `balanced_accuracy` over
    those that somebody has; `accuracy/<name>` is the recall of that class.
    """
    matrix = confusion(chosen, label, len(names))
    hits, have, got = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    recall, f1 = _over(hits, have), _over(2 * hits, have + got)
    return {
        "accuracy": ratio(hits, have),
        "balanced_accuracy": _mean(recall[have > 0]),
        "macro_f1": _mean(f1[have + got > 0]),
        **{f"accuracy/{name}": float(value) for name, value in zip(names, recall)},
        "count": float(have.sum()),
    }


def confusion(chosen: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """[K, K] counts: row the label, column the class chosen; labels of -1 are left out."""
    chosen, label = np.asarray(chosen, np.int64), np.asarray(label, np.int64)
    known = label >= 0
    cells = label[known] * classes + chosen[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


# --- values


def regression(prediction: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Predictions and truths [n, V], NaN where masked -> `mse/<name>`, `pcc/...`, `ccc/...`.

    `mse`, `pcc` and `ccc` are the means over the values, undefined where one of them is.
    """
    if not np.shape(prediction) == np.shape(truth) == (len(truth), len(names)):
        shapes = f"{np.shape(prediction)}, truths {np.shape(truth)}"
        raise ValueError(f"predictions {shapes}, {len(names)} names")
    table = {"mse": [], "pcc": [], "ccc": []}
    counted = 0
    for guess, fact in zip(np.transpose(prediction), np.transpose(truth)):
        known = ~np.isnan(fact)
        guess, fact = guess[known], fact[known]
        counted += len(fact)
        table["mse"].append(mse(guess, fact))
        table["pcc"].append(pcc(guess, fact))
        table["ccc"].append(ccc(guess, fact))
    found = {key: _mean(np.array(column)) for key, column in table.items()}
    for key, column in table.items():
        found |= {f"{key}/{name}": value for name, value in zip(names, column)}
    return found | {"count": float(counted)}


def mse(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared error of [n]."""
    return _mean(np.square(_double(prediction) - _double(truth)))


def pcc(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Pearson's correlation of [n]; NaN where either is constant."""
    prediction, truth = _double(prediction), _double(truth)
    if len(truth) < 2 or _constant(prediction) or _constant(truth):
        return float("nan")
    return float(np.clip(_direction(prediction) @ _direction(truth), -1, 1))


def ccc(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Lin's concordance of [n], by population variances; NaN where both are one constant."""
    prediction, truth = _double(prediction), _double(truth)
    if not len(truth) or (_constant(prediction) and _constant(truth) and prediction[0] == truth[0]):
        return float("nan")
    if _constant(prediction) or _constant(truth):
        return 0.0
    apart = prediction.mean() - truth.mean()
    shared = np.mean((prediction - prediction.mean()) * (truth - truth.mean()))
    return float(2 * shared / (prediction.var() + truth.var() + apart**2))


def _double(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64)


def _constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _direction(values: np.ndarray) -> np.ndarray:
    """The centred values at length one, scaled first so that squares neither vanish nor grow."""
    centred = values - values.mean()
    centred = centred / np.abs(centred).max()
    return centred / np.linalg.norm(centred)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
