"""Gates of the space stories: an ideal observer and linear probes, against which they were set.

The observer knows the noise, where the emotion and what misleads stand and when, but not which
emotions they are. Probes see each modality's mean and deviation over time, the picture's cells
pooled, as whoever has no attention over space does. There one cell of sixteen is nearly lost: the
gate of that probe is to be above chance at all.
"""

import numpy as np

from affectjax.data import sample_space as stories
from affectjax.data.sample_keyframes_gates import RIDGE
from affectjax.data.sample_space import CELLS, CONSTANTS, WIDTHS, Clip, Dials, K


def gates(splits: dict[str, list[Clip]], dials: Dials | None = None) -> dict:
    """Scores on `test`: the observer's, the probes', and which gates hold."""
    train, test = splits["train"], splits["test"]
    ceiling = float(np.mean(ideal(test, dials or Dials()) == [clip.label for clip in test]))
    probes = {}
    for name in WIDTHS:
        fit = [clip for clip in train if len(clip.features[name])]
        held = [clip for clip in test if len(clip.features[name])]
        guess = probe(fit, held, name).argmax(1)
        probes[name] = float(np.mean(guess == [clip.label for clip in held]))
    holds = {"ceiling": 0.80 <= ceiling <= 0.92}
    least = {"motion": 1 / K + 0.03, "audio": 1 / K + 0.10}
    holds |= {name: least[name] <= p <= ceiling - 0.15 for name, p in probes.items()}
    return {"ceiling": ceiling, "probes": probes, "holds": holds}


def ideal(clips: list[Clip], dials: Dials) -> np.ndarray:
    """int64 [N]: the likeliest emotion of each clip; codes of different emotions are orthogonal."""
    code, found = stories.codes(), []
    for clip in clips:
        segment = np.repeat(np.arange(CONSTANTS["segments"]), CONSTANTS["rows"])
        shown = ((segment >= clip.start) & (segment < clip.stop)).astype(np.float64)
        apart = np.abs(np.arange(len(shown))[:, None] - np.arange(len(shown)))
        noise, style = CONSTANTS["noise_ar"] ** apart, (dials.style * CONSTANTS["style"]) ** 2
        maps = clip.features["motion"].astype(np.float64).reshape(len(shown), CELLS, -1)
        if clip.cell >= 0:
            seen, loud = maps[:, clip.cell], CONSTANTS["amplitude"]
        else:  # all cells but the one that misleads, each a quarter as loud
            kept = [c for c in range(CELLS) if c != clip.distractor]
            seen = maps[:, kept].mean(1) * len(kept) ** 0.5
            loud = CONSTANTS["amplitude"] * (len(kept) / CELLS) ** 0.5
            style *= len(kept)
        score = loud * code["emotion"] @ (seen.T @ np.linalg.inv(noise + style) @ shown)
        if len(clip.features["audio"]):
            heard = clip.features["audio"].astype(np.float64)
            own = np.linalg.inv(noise + (dials.style * CONSTANTS["style"]) ** 2)
            score = score + CONSTANTS["audio"] * code["audio"] @ (heard.T @ own @ shown)
        found.append(int(score.argmax()))
    return np.array(found)


def probe(fit: list[Clip], held: list[Clip], name: str) -> np.ndarray:
    """float64 [held, K]: ridge regression on what a modality shows, the cells of a map pooled."""

    def pooled(clips):
        rows = [clip.features[name].astype(np.float64) for clip in clips]
        if name == "motion":
            rows = [x.reshape(len(x), CELLS, -1).mean(1) for x in rows]
        return np.array([np.concatenate([x.mean(0), x.std(0)]) for x in rows])

    x, labels = pooled(fit), np.array([clip.label for clip in fit])
    middle, scale = x.mean(0), x.std(0) + 1e-9

    def prepared(values):
        return np.concatenate([(values - middle) / scale, np.ones((len(values), 1))], axis=1)

    x = prepared(x)
    penalty = RIDGE * len(labels) * np.eye(x.shape[1])
    slopes = np.linalg.solve(x.T @ x + penalty, x.T @ np.eye(K)[labels])
    return prepared(pooled(held)) @ slopes
