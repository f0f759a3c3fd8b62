"""Gates of the sample: what simple probes and an ideal observer make of a clip's features.

A probe is a linear classifier on the mean and deviation of each feature over the clip. Its scores
are means over the six classes, so chance is 1/6 whatever the imbalance; the ceiling is the share
of clips, and its mean over the classes stands beside it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from affectjax.data import sample_world as world
from affectjax.data.sample_story import Timeline, loudness, signal
from affectjax.data.sample_world import CONSTANTS, EMOTIONS, POLARITY, WIDTHS, Dials

if TYPE_CHECKING:
    from affectjax.data.sample import Clip, Stories

K = len(EMOTIONS)
RIDGE = 0.01  # of the number of training clips, on standardised statistics


def gates(stories: Stories) -> dict:
    """Scores on `test` of probes fitted on `train`, the ceiling, and which gates hold.

    `probes` see plain clips; `binding` is the class within the true polarity on binding clips,
    where chance is 1/3. The gates are meant for the size `study`: `quick` has few clips.
    """
    train, test = stories.splits["train"], stories.splits["test"]
    views = {**{name: (name,) for name in WIDTHS}, "pooled": tuple(WIDTHS)}
    probes, hidden = {}, {}
    slack = 0.0
    for name, modalities in views.items():
        for binding, found in ((False, probes), (True, hidden)):
            fit = [clip for clip in train if clip.timeline.binding == binding]
            held = [clip for clip in test if clip.timeline.binding == binding]
            if not fit or not held:
                continue
            scores = _probe(fit, held, modalities)
            labels = np.array([clip.label for clip in held])
            if binding:  # the polarity is given; what is left is the class within it
                scores = np.where(_same_polarity()[labels], scores, -np.inf)
                slack = 3 * _deviation(labels, 1 / 3)
            found[name] = balanced(scores.argmax(1), labels)
    labels = np.array([clip.label for clip in test])
    guess = ideal(stories, "test")
    plain = np.array([not clip.timeline.binding for clip in test])
    ceiling = float((guess == labels).mean())
    chance, best = 1 / K, balanced(guess, labels)
    return {
        "probes": probes,
        "binding": hidden,
        "ceiling": ceiling,
        "ceiling_balanced": best,
        "ceiling_plain": float((guess == labels)[plain].mean()),
        "ceiling_binding": float((guess == labels)[~plain].mean()) if (~plain).any() else None,
        "chance": chance,
        "majority": float(np.bincount(labels, minlength=K).max() / len(labels)),
        "clips": {"train": len(train), "test": len(test), "binding": int((~plain).sum())},
        "holds": {
            "ceiling": 0.80 <= ceiling <= 0.92,
            **{m: chance + 0.10 <= probes[m] <= best - 0.15 for m in WIDTHS},
            "binding": all(score <= 1 / 3 + slack for score in hidden.values()),
        },
    }


def balanced(guess: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes present of the share found."""
    return float(np.mean([(guess[labels == k] == k).mean() for k in np.unique(labels)]))


def _deviation(labels: np.ndarray, chance: float) -> float:
    """Standard deviation of `balanced` for guesses that are right by chance."""
    _, sizes = np.unique(labels, return_counts=True)
    return float(np.sqrt((chance * (1 - chance) / sizes).sum()) / len(sizes))


def _same_polarity() -> np.ndarray:
    polarity = np.array(POLARITY)
    return polarity[:, None] == polarity


def pooled(clips: list[Clip], modalities: tuple[str, ...]) -> np.ndarray:
    """float64[N, 2 D]: mean and deviation over time."""
    rows = []
    for clip in clips:
        shown = [clip.features[name].astype(np.float64) for name in modalities]
        rows.append(np.concatenate([f(x, axis=0) for x in shown for f in (np.mean, np.std)]))
    return np.stack(rows)


def _probe(fit: list[Clip], held: list[Clip], modalities: tuple[str, ...]) -> np.ndarray:
    """float64[held, K]: class-weighted ridge regression on one-hot labels."""
    x, labels = pooled(fit, modalities), np.array([clip.label for clip in fit])
    middle, scale = x.mean(0), x.std(0) + 1e-9

    def prepared(values: np.ndarray) -> np.ndarray:
        values = (values - middle) / scale
        return np.concatenate([values, np.ones((len(values), 1))], axis=1)

    x = prepared(x)
    weight = (1 / np.maximum(np.bincount(labels, minlength=K), 1))[labels]
    weight = weight * len(labels) / weight.sum()
    penalty = RIDGE * len(labels) * np.eye(x.shape[1])
    penalty[-1, -1] = 0
    slopes = np.linalg.solve((x.T * weight) @ x + penalty, (x.T * weight) @ np.eye(K)[labels])
    return prepared(pooled(held, modalities)) @ slopes


def ideal(stories: Stories, split: str) -> np.ndarray:
    """int64[N]: the likeliest label given the features, the time line and the generator.

    The observer knows when episodes and events happen, how intense they are, what the weaker
    episodes are and the law of noise and style; the strongest emotion, keys and symbols it infers,
    and which episode decides it guesses.
    """
    return np.array(
        [_posterior(clip, stories.dials).argmax() for clip in stories.splits[split]], np.int64
    )


def _posterior(clip: Clip, dials: Dials) -> np.ndarray:
    """float64[K], posterior of the label."""
    line, bases = clip.timeline, world.bases()
    others = np.delete(line.emotion, line.strongest)
    views = {name: _View(clip, name, bases[name], dials) for name in WIDTHS}
    if line.binding:
        polarity = views["motion"].code["polarity"][list(POLARITY)]
        found = views["motion"].fits(polarity)
        found = found + _classes(views["image"].events(), views["audio"].events())
    else:
        found = sum(view.fits(view.code["emotion"]) for view in views.values())
        repeat = CONSTANTS["repeat"] * dials.repeats
        for other in others:
            drawn = (1 - repeat) * world.prior()[other]
            found = found + np.log(repeat * (other == np.arange(K)) + drawn)
    chances = np.exp(found - found.max()) * world.prior()
    chances = chances / chances.sum()
    sure = 1.0 if line.binding else CONSTANTS["strongest_decides"]
    return sure * chances + (1 - sure) * np.bincount(others, minlength=K) / len(others)


class _View:
    """One modality of a clip, whitened: its noise is an AR(1) plus a constant style."""

    def __init__(self, clip: Clip, name: str, basis: np.ndarray, dials: Dials):
        self.line, self.name, self.dials = clip.timeline, name, dials
        self.code = world.codes(basis)
        others = _without_strongest(clip.timeline)
        self.rest = clip.features[name].astype(np.float64) - signal(others, name, basis, dials)
        power = (signal(clip.timeline, name, basis, dials) ** 2).sum() / clip.timeline.segments
        self.inverse = _precision(
            clip.timeline.segments,
            dials.style * float(np.mean(CONSTANTS["style"])) * power / basis.shape[1],
        )

    def fits(self, codes: np.ndarray) -> np.ndarray:
        """float64[K]: log likelihood of each code [K, D] shown through the strongest episode."""
        shown = self.line.shown == self.line.strongest
        loud = np.where(shown, loudness(self.line, self.name, self.dials), 0.0)
        lens = self.inverse @ loud
        return codes @ (self.rest.T @ lens) - 0.5 * (lens @ loud) * (codes * codes).sum(1)

    def events(self) -> np.ndarray:
        """float64[keys, 3, keys, 3]: log likelihood of both events' keys and symbols."""
        places = self.line.events[self.name][:, 0]
        loud = self.dials.signal * CONSTANTS["event_amplitude"]
        lens = loud * self.inverse[places]  # [2, T]
        seen = lens @ self.rest  # [2, D]
        key, symbol = seen @ self.code["key"].T, seen @ self.code["symbol"].T
        each = key[:, :, None] + symbol[:, None, :]
        gram = loud * lens[:, places]
        each = each - np.diag(gram)[:, None, None]  # both codes have length 1
        alike = np.eye(CONSTANTS["keys"])[:, None, :, None] + np.eye(3)[None, :, None, :]
        return each[0][:, :, None, None] + each[1][None, None] - gram[0, 1] * alike


def _without_strongest(line: Timeline) -> Timeline:
    shown = np.where(line.shown == line.strongest, -1, line.shown)
    return dataclasses.replace(line, shown=shown, events={})


def _precision(segments: int, style: float) -> np.ndarray:
    """float64[T, T], inverse covariance of unit AR(1) noise plus a constant of variance `style`."""
    apart = np.abs(np.arange(segments)[:, None] - np.arange(segments))
    return np.linalg.inv(CONSTANTS["noise_ar"] ** apart + style)


def _classes(image: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """float64[K]: log likelihood of each label, summed over all keys and symbols that allow it."""
    keys = CONSTANTS["keys"]
    found = np.zeros(3)
    image, audio = np.exp(image - image.max()), np.exp(audio - audio.max())
    for k in range(keys):  # the matched key; the others differ from it and from each other
        for a in range(keys):
            for b in range(keys):
                if len({k, a, b}) < 3:
                    continue
                i = (image[k, :, a, :] + image[a, :, k, :].T).sum(1)  # [3], matched symbol
                j = (audio[k, :, b, :] + audio[b, :, k, :].T).sum(1)
                for c in range(3):
                    found[c] += (i * j[(c - np.arange(3)) % 3]).sum()
    return np.log(np.maximum(found, 1e-300))[np.arange(K) % 3]
