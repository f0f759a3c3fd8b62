"""Gates of the keyframe stories: an ideal observer and linear probes, against which they were set.

The observer knows the noise, and where keyframe, context and distractor lie, but neither what they
show nor which emotion is meant.
"""

import numpy as np

from affectjax.data import sample_keyframes as stories
from affectjax.data.sample_keyframes import CONSTANTS, WIDTHS, Clip, Dials, K

RIDGE = 0.01  # of the number of training clips, on standardised statistics


def gates(splits: dict[str, list[Clip]], dials: Dials | None = None) -> dict:
    """Scores on `test`: the observer's, probes' of each modality, and which gates hold."""
    dials = dials or Dials()
    train, test = splits["train"], splits["test"]
    labels = np.array([clip.label for clip in test])
    ceiling = float(np.mean(ideal(test, dials) == labels))
    key_only = float(np.mean(ideal(test, dials, context=False) == labels))
    probes = {}
    for name in WIDTHS:
        fit = [clip for clip in train if len(clip.features[name])]
        held = [clip for clip in test if len(clip.features[name])]
        guess = probe(fit, held, name).argmax(1)
        probes[name] = float(np.mean(guess == [clip.label for clip in held]))
    holds = {"ceiling": 0.80 <= ceiling <= 0.92, "context": ceiling - key_only >= 0.15}
    holds |= {name: 1 / K + 0.10 <= p <= ceiling - 0.15 for name, p in probes.items()}
    return {"ceiling": ceiling, "key_only": key_only, "probes": probes, "holds": holds}


def ideal(clips: list[Clip], dials: Dials, context: bool = True) -> np.ndarray:
    """int64 [N]: the likeliest emotion of each test clip; without `context` from the keyframe."""
    share = stories.first_share("test", dials)
    prior = np.zeros((K, K))  # [key, emotion]
    told = np.zeros((K, K, K))  # [key, emotion, told]
    for key in range(K):
        pair = (key, stories.second(key))
        for emotion, chance in zip(pair, (share, 1 - share)):
            prior[key, emotion] = chance / K
            for shown in pair:
                told[key, emotion, shown] = (1 - dials.context) / 2
            told[key, emotion, emotion] += dials.context
    found = []
    for clip in clips:
        key, seen = evidence(clip, dials)
        key, seen = np.exp(key - key.max()), np.exp(seen - seen.max())
        weight = prior * key[:, None]
        if context:
            weight = weight * (told @ seen)
        found.append(int(weight.sum(0).argmax()))
    return np.array(found)


def evidence(clip: Clip, dials: Dials) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihoods [K] of each keyframe code and of each context code; codes are orthonormal."""
    key, seen = np.zeros(K), np.zeros(K)
    for name, rows in clip.features.items():
        if not len(rows):
            continue
        code, loud = stories.codes(name), stories.loudness(clip, name)
        rest = rows.astype(np.float64)
        rest = rest - np.outer(loud["distractor"], code["distractor"][clip.direction])
        apart = np.abs(np.arange(len(rows))[:, None] - np.arange(len(rows)))
        style = dials.style * np.mean(CONSTANTS["style"]) * stories.style_unit(name)
        inverse = np.linalg.inv(CONSTANTS["noise_ar"] ** apart + style)
        key += code["key"] @ (rest.T @ (inverse @ loud["key"]))
        seen += code["context"] @ (rest.T @ (inverse @ loud["context"]))
    return key, seen


def probe(fit: list[Clip], held: list[Clip], name: str) -> np.ndarray:
    """float64 [held, K]: ridge regression on mean and deviation over time."""

    def pooled(clips):
        rows = [clip.features[name].astype(np.float64) for clip in clips]
        return np.array([np.concatenate([x.mean(0), x.std(0)]) for x in rows])

    x, labels = pooled(fit), np.array([clip.label for clip in fit])
    middle, scale = x.mean(0), x.std(0) + 1e-9

    def prepared(values):
        return np.concatenate([(values - middle) / scale, np.ones((len(values), 1))], axis=1)

    x = prepared(x)
    penalty = RIDGE * len(labels) * np.eye(x.shape[1])
    slopes = np.linalg.solve(x.T @ x + penalty, x.T @ np.eye(K)[labels])
    return prepared(pooled(held)) @ slopes
