"""Grad-CAM at a few moments of a video: the frame the model saw, and what in it speaks there.

Only models that read frames have a map over them. The moments lie all over the video: of equal
stretches each gives the step that the model looked at most. Nothing of this changes a prediction.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from affectjax import gradcam
from affectjax.export import Export
from affectjax.predicting import timeline
from affectjax.predicting.timeline import Map, Timeline

MOST = 6  # moments, where nobody says otherwise
Row = Mapping[str, np.ndarray]


def looker(export: Export) -> Callable[[Row, int], np.ndarray] | None:
    """(example, label) -> what speaks for the label, [T, m]; None where the model sees no frames.

    One video at a time, so that a map does not depend on others.
    """
    if not export.config.model.get("sight"):
        return None
    compiled = jax.jit(
        lambda variables, batch, label: gradcam.grad_cam(export.model, variables, batch, label)
    )

    def look(example: Row, label: int) -> np.ndarray:
        batch = {key: np.asarray(value)[None] for key, value in example.items()}
        return np.asarray(compiled(export.variables, batch, jnp.array([label], jnp.int32)))[0]

    return look


def spread(attention: np.ndarray, count: int) -> list[int]:
    """attention [n] -> up to `count` steps, the most attended of each of as many equal stretches.

    Where several are, the one nearest to the stretch's middle. Two are half a stretch apart, or
    more: neighbours look alike.
    """
    found = []
    for part in np.array_split(np.arange(len(attention)), min(count, len(attention))):
        part = part[part - found[-1] >= len(part) / 2] if found else part
        best = part[attention[part] == attention[part].max()]
        found.append(int(best[np.abs(best - part.mean()).argmin()]))
    return found


def of(
    made: Timeline,
    starts: Sequence[float],
    length: float,
    examples: Any,
    record: Callable[[int], Mapping[str, Any]],
    look: Callable[[Row, int], np.ndarray],
    count: int,
) -> tuple[Map, ...]:
    """The maps of up to `count` moments; `record` gives a window's record again.

    A moment's window is the one whose chances the timeline shows there, its label leads there.
    """
    track = made.emotions
    if track is None or not count:
        return ()
    attention = np.ones(len(track.scores)) if made.attention is None else made.attention
    near = timeline.nearest(made.edges, starts, length)
    label, centre = track.scores.argmax(1), (made.edges[1:] + made.edges[:-1]) / 2
    steps = spread(attention, count)
    found = []
    for (window, k), some in itertools.groupby(steps, lambda step: (near[step], label[step])):
        one = record(int(window))
        example, cells = examples.evaluate(one, 0), None
        chosen, there = examples.runs(one)
        seconds = np.minimum(starts[window] + one["frames_time"], made.edges[-1])
        for step in some:
            share = (centre[step] - starts[window]) / length
            t = min(int(share * len(there)), len(there) - 1)
            if not there[t]:
                continue
            cells = look(example, int(k)) if cells is None else cells
            middle = chosen.shape[1] // 2
            found.append(
                Map(
                    at=float(seconds[chosen[t, middle]]),
                    label=track.names[k],
                    score=float(track.scores[step, k]),
                    frame=example["frames"][t, middle].copy(),
                    cells=cells[t].copy(),
                )
            )
    return tuple(sorted(found, key=lambda one: one.at))
