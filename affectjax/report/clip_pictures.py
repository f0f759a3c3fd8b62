"""Where a modality puts clips of films: its LSTMs' last states, brought to a plane by t-SNE.

t-SNE is written out (van der Maaten and Hinton, 2008) in its exact form, for some thousand points;
it starts from the two main directions, so the same points give the same picture.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from affectjax.data.films import clip_count
from affectjax.export import Export
from affectjax.report import palette, pictures

STEPS, EARLY = 500, 120  # of the descent; of those the first, in which likeness counts more
EXAGGERATION = 12.0
MOMENTUM = (0.5, 0.8)  # early and later


def vectors(
    export: Export, records: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """({modality: [n, 2 hidden]}, truth [n]) of all labelled clips of films' records."""
    rule = export.examples.single()
    variables = {"params": export.params, **export.model_state}
    run = jax.jit(lambda batch: export.model.apply(variables, batch, method="vectors"))
    found: dict[str, list[np.ndarray]] = {m: [] for m in sorted(rule.modalities)}
    truth = []
    for record in records:
        for clip in range(clip_count(record["duration"], rule.segments, rule.segment_seconds)):
            example = rule.window(record, clip, clip)
            if not np.isfinite(example["values"][0, 0]):
                continue
            told = run({key: array[None] for key, array in example.items()})
            for m, rows in found.items():
                rows.append(np.asarray(told[m])[0, 0])
            truth.append(example["values"][0, 0])
    return {m: np.array(rows) for m, rows in found.items()}, np.array(truth)


def tsne(x: np.ndarray, perplexity: float = 30.0, steps: int = STEPS) -> np.ndarray:
    """x [n, D] -> [n, 2]; points that are near each other stay so."""
    x = np.asarray(x, np.float64)
    chances = likeness(x, min(perplexity, (len(x) - 1) / 3))
    middle = x - x.mean(0)
    _, _, directions = np.linalg.svd(middle, full_matrices=False)
    y = middle @ directions[:2].T
    y = 1e-4 * y / max(y.std(), 1e-12)
    rate, speed = max(len(x) / EXAGGERATION, 50.0), np.zeros_like(y)
    for step in range(steps):
        early = step < EARLY
        apart = y[:, None] - y[None]
        near = 1 / (1 + np.square(apart).sum(-1))
        np.fill_diagonal(near, 0)
        pull = (EXAGGERATION if early else 1.0) * chances - near / near.sum()
        slope = 4 * ((pull * near)[..., None] * apart).sum(1)
        speed = MOMENTUM[not early] * speed - rate * slope
        y = y + speed
    return y - y.mean(0)


def likeness(x: np.ndarray, perplexity: float) -> np.ndarray:
    """[n, n], symmetric, of sum 1: Gaussian neighbours of every point, as many as `perplexity`."""
    square = squares(x)
    np.fill_diagonal(square, np.inf)  # nobody is a neighbour of itself
    square = square - square.min(1, keepdims=True)  # which keeps the exponents small
    low, high = np.full(len(x), 1e-12), np.full(len(x), 1e12)  # bounds of each row's precision
    for _ in range(100):
        own = np.sqrt(low * high)
        weight = np.exp(-own[:, None] * square)
        row = weight / weight.sum(1, keepdims=True)
        entropy = -(row * np.log(np.maximum(row, 1e-300))).sum(1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, own, low), np.where(wide, high, own)
    return (row + row.T) / (2 * len(x))


def squares(x: np.ndarray) -> np.ndarray:
    """[n, n] squared distances, without an array of all differences."""
    length = np.square(x).sum(1)
    return np.maximum(length[:, None] + length - 2 * x @ x.T, 0)


def plane(points: np.ndarray, truth: np.ndarray, value: str, title: str = ""):
    """Clips [n, 2] where t-SNE puts them, told apart by whether their truth lies below 0."""
    fig = pictures.figure(3.4, 3.2)
    axes = fig.subplots()
    kinds = {f"{value} below 0": truth < 0, f"{value} above 0": truth >= 0}
    for (name, own), look in zip(kinds.items(), palette.styles([*kinds]).values()):
        axes.scatter(*points[own].T, s=9, marker=look.marker, color=look.colour, label=name)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=7)
    if title:
        axes.set_title(title, loc="left", fontsize=9)
    return fig
