"""Is attention faithful? What a prediction loses when segments go, and gains when they come.

Deletion takes segments away, those with most attention first; insertion starts with none and adds
them in the same order. Faithful attention makes the first curve fall and the second one rise faster
than an order drawn at random, which is what both are measured against.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Predictor = Callable[[np.ndarray], np.ndarray]  # kept segments bool [S, T] -> chance of a class [S]


class Curves(NamedTuple):
    """Chances after 0, 1, ... T segments were taken or put, [T + 1] each."""

    deletion: np.ndarray
    insertion: np.ndarray
    deletion_by_chance: np.ndarray
    insertion_by_chance: np.ndarray

    @property
    def leads(self) -> tuple[float, float]:
        """How far the areas under deletion and insertion beat random orders; above 0 is better."""
        deleted, inserted = (
            area(by_chance) - area(own) for own, by_chance in zip(self[:2], self[2:])
        )
        return deleted, -inserted


def area(curve: np.ndarray) -> float:
    """Under a curve over the share of segments, from 0 to 1."""
    return float(np.trapezoid(curve, dx=1 / max(len(curve) - 1, 1)))


def curves(
    predict: Predictor, attention: np.ndarray, there: np.ndarray, draws: int = 20, seed: int = 0
) -> Curves | None:
    """One video's curves: attention [T] and which segments are there; None where there are none.

    Equal attention is taken in order of time. Only segments that are there are moved, so the curves
    have one point more than there are of them.
    """
    present = np.flatnonzero(there)
    if not len(present):
        return None
    attention = np.asarray(attention, np.float64)
    own = present[np.argsort(-attention[present], kind="stable")]
    rng = np.random.default_rng(seed)
    orders = [own, *(rng.permutation(present) for _ in range(draws))]
    masks = np.stack([kept(order, len(attention)) for order in orders])  # [orders, 2, n + 1, T]
    found = predict(masks.reshape(-1, len(attention))).reshape(masks.shape[:3])
    return Curves(*found[0], *found[1:].mean(0))


def kept(order: np.ndarray, segments: int) -> np.ndarray:
    """bool [2, n + 1, T]: what deletion leaves and insertion has put after each step."""
    put = np.zeros((len(order) + 1, segments), bool)
    for step, segment in enumerate(order):
        put[step + 1 :, segment] = True
    return np.stack([put[-1] & ~put, put])


def resampled(curve: np.ndarray, points: int = 11) -> np.ndarray:
    """The curve at equally spaced shares of the segments, so that videos can be averaged."""
    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(curve)), curve)


def mean_curves(each: list[Curves], points: int = 11) -> Curves:
    """The mean over videos."""
    return Curves(*(np.mean([resampled(c, points) for c in part], 0) for part in zip(*each)))


def of_model(chances: Callable[[Mapping], np.ndarray], example: Mapping, label: int) -> Predictor:
    """A predictor over one example [T, ...] of a model whose `chances` are [S, K] of a batch.

    A segment is taken away by marking it as not there, in every stream that has T segments.
    """
    marks = [key for key in example if key.startswith("present/")]

    def predict(masks: np.ndarray) -> np.ndarray:
        batch = {key: np.repeat(np.asarray(x)[None], len(masks), 0) for key, x in example.items()}
        for key in marks:
            if batch[key].shape[1] == masks.shape[1]:
                batch[key] = batch[key] & masks
        return np.asarray(chances(batch))[:, label]

    return predict
