"""What an export of `lstc` predicts along a film: all in one call, or clip by clip as it plays.

Both give the same numbers. However long the film, a call holds `rows` runs of clips at once beside
the film's own features and what it gives back; a stream holds one run. Where the model looks
across N clips, a stream gives N predictions with every N-th clip, and the rest at the end, from the
film's last N clips. The moving average goes on from clip to clip.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from affectjax import films
from affectjax.data.films import FilmClips, FilmExamples, clip_count
from affectjax.data.sources import One
from affectjax.errors import UserError
from affectjax.export import Export


def forward(export: Export):
    """Jitted: a batch of runs -> float32 [B, N, K], before the moving average."""
    if not isinstance(export.examples, FilmExamples):
        raise UserError(
            "the model was not trained along films", str(export.folder), "Take an export of lstc."
        )
    variables = {"params": export.params, **export.model_state}
    run = jax.jit(lambda v, batch: export.model.apply(v, batch)["prediction"])
    return lambda batch: np.asarray(run(variables, batch))


def film(export: Export, record: Mapping[str, Any], rows: int = 8, run=None) -> dict:
    """{start float64 [C], prediction float32 [C, K]} of all clips of a film's record.

    `run` is what `forward` gave, for those who predict many films.
    """
    run, rule = run or forward(export), export.examples
    count = clip_count(record["duration"], rule.segments, rule.segment_seconds)
    length, last = rule.clips, max(0, count - rule.clips)
    found = np.empty((count, len(export.model.outputs)), np.float32)
    for first in range(0, count, rows * length):
        new = range(first, min(first + rows * length, count), length)
        examples = [rule.window(record, min(clip, last), clip) for clip in new]
        examples += [rule.empty()] * (rows - len(new))
        batch = {key: np.stack([one[key] for one in examples]) for key in examples[0]}
        found[first : first + rows * length] = run(batch)[batch["new"]]  # in the order of time
    found = films.moving_average(found, export.model.beta)
    seconds = rule.segments * rule.segment_seconds
    return {"start": np.arange(count) * seconds, "prediction": found}


def clips(rule: FilmExamples, record: Mapping[str, Any]) -> Iterator[dict]:
    """The clips of a film's record one by one, as a stream takes them."""
    source = FilmClips(One(record), rule.segments, rule.segment_seconds)
    for one in (source[i] for i in range(len(source))):
        yield {key: one[key] for key in ("id", "start", "duration", "features", "rate")}


def begin() -> dict[str, Any]:
    """The state of a stream before the first clip."""
    return {"run": [], "fresh": 0, "clip": 0, "average": None}


def feed(export: Export, run, state: dict, clip: Mapping[str, Any]) -> tuple[dict, np.ndarray]:
    """(state, predictions [n, K]) after one more clip; n is 0 until there is a run of N of them.

    `clip` is a record of one clip: features, rate, duration. `run` is what `forward` gave.
    """
    example = export.examples.single().window(clip, 0, 0)
    example["clip"] = example["clip"] + np.int32(state["clip"])
    length = export.examples.clips
    state = state | {
        "run": [*state["run"], example][-length:],
        "fresh": state["fresh"] + 1,
        "clip": state["clip"] + 1,
    }
    return _give(export, run, state) if state["fresh"] == length else (state, _none(export))


def end(export: Export, run, state: dict) -> np.ndarray:
    """The predictions [n, K] of the clips that the last run did not give."""
    return _give(export, run, state)[1] if state["fresh"] else _none(export)


def _give(export: Export, run, state: dict) -> tuple[dict, np.ndarray]:
    """Predict the run that ends with the newest clip; what is new of it."""
    length, held = export.examples.clips, state["run"]
    held = held + [export.examples.single().empty()] * (length - len(held))
    batch = {
        key: np.concatenate([one[key] for one in held])[None]
        if held[0][key].ndim
        else held[0][key][None]
        for key in held[0]
    }
    count = len(state["run"])
    found = run(batch)[0, count - state["fresh"] : count]
    found = films.moving_average(found, export.model.beta, state["average"])
    return state | {"fresh": 0, "average": found[-1]}, found


def _none(export: Export) -> np.ndarray:
    return np.zeros((0, len(export.model.outputs)), np.float32)
