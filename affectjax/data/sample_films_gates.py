"""Gates of the films: an ideal observer and linear probes of a clip, against which they were set.

The observer reads every clip's cues without the noise of the rows that show them, knows the laws,
the cuts and where faces are, and looks back along the film, never ahead. Scores are correlations
over all clips of the test films, whose chance is 0.
"""

import numpy as np

from affectjax import metrics
from affectjax.data import sample_films as films
from affectjax.data.sample_films import CONSTANTS, NAMES, VALUES, Dials, Film

RIDGE = 1.0  # of the number of training clips, on standardised statistics
INFORMS = {
    "valence": tuple(CONSTANTS["valence_error"]),
    "arousal": tuple(CONSTANTS["arousal_error"]),
}


def gates(splits: dict[str, list[Film]], dials: Dials | None = None) -> dict:
    """Ceilings (along the film, and of a clip by itself), probes, and which gates hold."""
    dials = dials or Dials()
    test = splits["test"]
    truth = np.concatenate([targets(one) for one in test])
    whole = np.concatenate([ideal(one, dials) for one in test])
    alone = np.concatenate([ideal(one, dials, alone=True) for one in test])
    ceiling, single, probes, holds = {}, {}, {}, {}
    for column, value in enumerate(VALUES):
        ceiling[value] = metrics.pcc(whole[:, column], truth[:, column])
        single[value] = metrics.pcc(alone[:, column], truth[:, column])
        holds[f"ceiling of {value}"] = 0.80 <= ceiling[value] <= 0.92
        holds[f"the film tells of {value}"] = ceiling[value] - single[value] >= 0.15
    for name in NAMES:
        guess = probe(splits["train"], test, name)
        for column, value in enumerate(VALUES):
            found = metrics.pcc(guess[:, column], truth[:, column])
            probes[f"{value}/{name}"] = found
            told = name in INFORMS[value]
            holds[f"{value}/{name}"] = (
                0.10 <= found <= ceiling[value] - 0.15 if told else abs(found) < 0.10
            )
    return {"ceiling": ceiling, "clip": single, "probes": probes, "holds": holds}


def targets(one: Film) -> np.ndarray:
    """[N, 2], the values of each clip without what annotators add."""
    return np.tanh(CONSTANTS["spread"] * np.stack([one.valence, one.arousal], 1))


def ideal(one: Film, dials: Dials, alone: bool = False) -> np.ndarray:
    """[N, 2]: latent valence and arousal to expect of each clip; `alone`: by itself."""
    count, rows = one.clips, CONSTANTS["rows"]
    face = one.face.reshape(count, rows).any(1)
    local, _ = _posterior(one, 0, face, dials)
    half = 0.5 * dials.context
    context = np.zeros(count) if alone else films.before(local, one.cut)
    valence = np.sqrt(1 - half) * local + np.sqrt(half) * local * context
    seen, error = _posterior(one, 1, face, dials)
    if not alone:
        seen = _along(seen, error, CONSTANTS["arousal_ar"] * dials.slow)
    return np.stack([valence, seen], 1)


def _posterior(one: Film, column: int, face: np.ndarray, dials: Dials):
    """Mean and variance [N] of a cue of deviation 1, given what every modality shows of it."""
    errors = CONSTANTS[f"{VALUES[column]}_error"]
    names = [name for name in NAMES if name in errors]
    shared = dials.shared * CONSTANTS["shared"]
    covariance = np.diag([errors[name] for name in names])
    both = [names.index("audio"), names.index("scene")]
    covariance[both[0], both[1]] = covariance[both[1], both[0]] = shared * np.sqrt(
        errors["audio"] * errors["scene"]
    )
    mean, variance = np.zeros(one.clips), np.zeros(one.clips)
    for k in range(one.clips):
        use = [i for i, name in enumerate(names) if name != "expression" or face[k]]
        shown = np.array([one.shown[names[i]][k, column] for i in use])
        weights = np.linalg.solve(covariance[np.ix_(use, use)], np.ones(len(use)))
        variance[k] = 1 / (1 + weights.sum())
        mean[k] = variance[k] * (weights @ shown)
    return mean, variance


def _along(mean: np.ndarray, variance: np.ndarray, keep: float) -> np.ndarray:
    """[N]: the Kalman filter of an AR(1) of deviation 1 whose clips alone have these posteriors."""
    found, expected, doubt = np.zeros(len(mean)), 0.0, 1.0
    for k in range(len(mean)):
        # A posterior under a prior of variance 1 speaks as an observation of this one.
        error = variance[k] / (1 - variance[k])
        observed = mean[k] / (1 - variance[k])
        gain = doubt / (doubt + error)
        found[k] = expected + gain * (observed - expected)
        left = (1 - gain) * doubt
        expected, doubt = keep * found[k], keep**2 * left + 1 - keep**2
    return found


def probe(train: list[Film], test: list[Film], name: str) -> np.ndarray:
    """[N, 2]: ridge regression on mean and deviation over the rows of a clip, one modality."""

    def pooled(some: list[Film]) -> np.ndarray:
        rows = [one.features[name].astype(np.float32) for one in some]
        clips = np.concatenate([r.reshape(-1, CONSTANTS["rows"], r.shape[1]) for r in rows])
        return np.concatenate([clips.mean(1), clips.std(1)], 1)

    y = np.concatenate([targets(one) for one in train])
    return ridge(pooled(train), y, pooled(test))


def ridge(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """x [n, F], y [n, V], z [m, F] -> [m, V]; made for fewer clips than features."""
    middle, scale = x.mean(0), x.std(0) + 1e-6
    x, z = (x - middle) / scale, (z - middle) / scale
    inner = x @ x.T
    inner[np.diag_indices_from(inner)] += RIDGE * len(x)
    return z @ (x.T @ np.linalg.solve(inner, y - y.mean(0))) + y.mean(0)
