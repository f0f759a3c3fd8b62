"""Floors: what is reached without a model of time, on the same clips and the same splits.

A probe sees a clip as the mean and the standard deviation over time of each modality, and is a
kernel ridge regression, linear or with a Gaussian kernel, on the classes as 0 and 1 or on the
values. Its width and its ridge are chosen on the training clips alone, by the squared error over
folds that keep groups whole: hits are too few to choose by. All is closed form: no seed, no epochs,
no test clip looked at.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from affectjax.data import splits

FOLDS = 4
CHOOSE_ON = 2000  # clips at most that width and ridge are chosen on; the last fit has them all
WIDTHS = (0.25, 1.0, 4.0)  # of the Gaussian, in units of 1 / number of columns
RIDGES = tuple(10.0 ** (i / 2) for i in range(-4, 7))

Pooled = Mapping[str, np.ndarray]  # modality -> [n, 2 D], rows of NaN where a clip lacks it


def pooled(part, modalities: Sequence[str]) -> dict[str, np.ndarray]:
    """Mean and standard deviation over time of every clip of a part, by modality."""
    rows = {name: [] for name in modalities}
    for record in (part[i] for i in range(len(part))):
        for name in modalities:
            steps = record["features"][name].astype(np.float64)  # [T, D]
            if len(steps):
                rows[name].append(np.concatenate([steps.mean(0), steps.std(0)]))
            else:
                rows[name].append(np.full(2 * steps.shape[1], np.nan))
    return {name: np.stack(found) for name, found in rows.items()}


def of_classes(
    train: Pooled, label: np.ndarray, groups: Sequence[str], test: Pooled, classes: int
) -> dict[str, np.ndarray]:
    """{floor: scores [n_test, K]} from training labels [n], -1 where unknown."""
    known = np.flatnonzero(np.asarray(label) >= 0)
    targets = np.eye(classes)[np.asarray(label)[known]]
    return _all(train, known, targets, groups, test, "majority class")


def of_values(
    train: Pooled, truth: np.ndarray, groups: Sequence[str], test: Pooled
) -> dict[str, np.ndarray]:
    """{floor: predictions [n_test, V]} from training truths [n, V], NaN where masked."""
    truth = np.asarray(truth, np.float64)
    columns = []
    for column in truth.T:
        known = np.flatnonzero(~np.isnan(column))
        columns.append(_all(train, known, column[known, None], groups, test, "training mean"))
    return {name: np.concatenate([c[name] for c in columns], 1) for name in columns[0]}


def _all(train, known, targets, groups, test, constant) -> dict[str, np.ndarray]:
    """Every floor: targets [n, K] of the training rows `known` -> predictions [n_test, K]."""
    groups = np.asarray(groups)[known]
    count = len(next(iter(test.values())))
    found = {constant: np.repeat(targets.mean(0, keepdims=True), count, 0)}
    scaled = {name: _standardised(train[name][known], test[name]) for name in train}
    both = [np.concatenate(sides, 1) for sides in zip(*scaled.values())]
    found["linear probe"] = _probe(*both, targets, groups, (0.0,))
    found["RBF probe"] = _probe(*both, targets, groups, WIDTHS)
    if len(scaled) > 1:
        votes = [_probe(*pair, targets, groups, WIDTHS) for pair in scaled.values()]
        found["late fusion of RBF probes"] = np.mean(votes, 0)
    return found


def _probe(x, z, targets, groups, widths) -> np.ndarray:
    """Predictions [n_test, K] for z, by the width and ridge that do best within x."""
    width, ridge = _chosen(x, targets, groups, widths)
    middle = targets.mean(0)
    inner = kernel(x, x, width)
    inner[np.diag_indices_from(inner)] += ridge
    return kernel(z, x, width) @ np.linalg.solve(inner, targets - middle) + middle


def _chosen(x, targets, groups, widths) -> tuple[float, float]:
    """(width, ridge) by folds over groups; the middle of both where there are too few groups."""
    every = min(-(-len(x) // CHOOSE_ON), len(set(groups.tolist())))
    if every > 1:  # whole groups are left out, the same ones every time
        part = splits.by_group(groups, (1.0,) * every, 0)[0]
        x, targets, groups = x[part], targets[part], groups[part]
    folds = min(FOLDS, len(set(groups.tolist())))
    if folds < 2:
        return widths[len(widths) // 2], RIDGES[len(RIDGES) // 2]
    held = splits.by_group(groups, (1.0,) * folds, 0)
    guesses = {choice: np.zeros(targets.shape) for choice in itertools.product(widths, RIDGES)}
    for width in widths:
        inner = kernel(x, x, width)
        for out in held:
            kept = np.setdiff1d(np.arange(len(x)), out)
            middle = targets[kept].mean(0)
            roots, vectors = np.linalg.eigh(inner[np.ix_(kept, kept)])
            turned = vectors.T @ (targets[kept] - middle)
            across = inner[np.ix_(out, kept)] @ vectors
            for ridge in RIDGES:
                weights = turned / (np.maximum(roots, 0) + ridge)[:, None]
                guesses[width, ridge][out] = across @ weights + middle
    return min(guesses, key=lambda choice: np.square(guesses[choice] - targets).mean())


def kernel(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """[n, m]: Gaussian of the squared distance by column times `width`; 0: the inner product."""
    inner = a @ b.T / a.shape[1]
    if not width:
        return inner
    apart = np.square(a).mean(1)[:, None] + np.square(b).mean(1) - 2 * inner
    return np.exp(-width * np.maximum(apart, 0))


def _standardised(x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sides by the training clips' mean and deviation; what is missing is the mean."""
    there = ~np.isnan(x).all(1)
    middle = x[there].mean(0) if there.any() else np.zeros(x.shape[1])
    spread = x[there].std(0) if there.any() else np.ones(x.shape[1])
    spread = np.where(spread > 1e-12, spread, 1.0)
    return tuple(np.nan_to_num((side - middle) / spread) for side in (x, z))
