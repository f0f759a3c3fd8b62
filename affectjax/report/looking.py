"""Pictures for which a model looks at its dataset again: frames, faithfulness, places of clips.

Frames need a dataset that holds them; the map over a frame needs a model that sees maps. Deletion
and insertion ask a model hundreds of times a video, so they are for models that read features.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from affectjax import configlib, export, faithful, gradcam
from affectjax.data import load
from affectjax.data.snippets import SnippetExamples
from affectjax.report import clip_pictures, pictures
from affectjax.report.runs import Run

MEASURED = 30  # videos that deletion and insertion are averaged over
DRAWS = 10  # random orders a video
SIZE = 112  # of a frame that is shown
FEWEST = 3  # clips, with which there is no neighbourhood
MOST = 1000  # clips in a picture, evenly over the films; t-SNE compares all with all


def figures(
    models: Sequence[tuple[str, Run]], folder: str, videos: int
) -> Iterator[tuple[str, object]]:
    """(name, figure) of every model's first videos with frames; last how faithful they all are."""
    held = {}
    for name, run in models:
        found = export.load(run.folder / "export")
        data = load.load(**configlib.arguments(found.config.data) | {"dir": folder})
        test, model = data.parts["test"], found.config.model
        if data.dataset.spec.frames:
            look = jax.jit(functools.partial(gradcam.grad_cam, found.model, found.variables))
            for record in _first(test, videos):
                yield f"frames {name} {record['id']}", of_frames(found, record, look)
        if not model.get("sight") and not model.get("sound"):
            each = [faithfulness(found, record) for record in _first(test, MEASURED)]
            if each := [curves for curves in each if curves is not None]:
                held[name] = faithful.mean_curves(each)
    if held:
        yield "faithfulness", pictures.faithfulness(held, f"up to {MEASURED} videos of the test")


def planes(run: Run, folder: str, value: str) -> Iterator[tuple[str, object]]:
    """(name, figure) of where each modality of a model of films puts the clips of the test part.

    By the model of that modality alone, where training it was a stage of the run.
    """
    found = export.load(run.folder / "export")
    if value != found.config.model.outputs[0]:  # whose truth the clips are told apart by
        return
    data = load.load(**configlib.arguments(found.config.data) | {"dir": folder})
    test = data.parts["test"]
    together = None
    for name in sorted(found.config.model.modalities):
        alone = run.folder / "stages" / f"alone-{name}" / "export"
        if alone.is_dir():
            vectors, truth = clip_pictures.vectors(export.load(alone), _first(test, len(test)))
        else:
            together = together or clip_pictures.vectors(found, _first(test, len(test)))
            vectors, truth = together
        if len(truth) > FEWEST:
            some = np.linspace(0, len(truth) - 1, min(len(truth), MOST)).astype(int)
            points = clip_pictures.tsne(vectors[name][some])
            yield f"clips {value} {name}", clip_pictures.plane(points, truth[some], value, name)


def _first(test, count: int) -> Iterator[dict]:
    return (test[i] for i in range(min(count, len(test))))


def of_frames(found: export.Export, record: dict, look: Callable):
    """One video's frames, what in them speaks for the predicted emotion, and the attention.

    `look` is `grad_cam` of the model, a function of a batch and its labels.
    """
    example = found.examples.evaluate(record, 0)
    batch = {key: np.asarray(value)[None] for key, value in example.items()}
    predicted = found.apply(batch)
    chances = predicted["probability"][0]
    label = int(np.argmax(chances))
    settings = found.config.model
    division = found.config.examples.division
    plain = SnippetExamples({}, (), settings.segments, frames=1, frame_size=SIZE, division=division)
    shown = plain.evaluate(record, 0)
    heat = None
    if settings.get("sight") or settings.get("cells", 1) > 1:
        cells = np.asarray(look(batch, jnp.array([label])))[0]
        side = math.isqrt(cells.shape[-1])
        heat = cells if side * side == cells.shape[-1] else None  # a map that is no square
    title = f"{record['id']}: {settings.outputs[label]} {chances[label]:.2f}"
    if record.get("label", -1) >= 0:
        title += f", labelled {settings.outputs[record['label']]}"
    return pictures.attention_frames(
        shown["frames"][:, 0], heat, predicted["curve"][0], shown["present/frames"], title
    )


def faithfulness(found: export.Export, record: dict) -> faithful.Curves | None:
    """A video's deletion and insertion curves for the emotion that the model predicts."""
    example = found.examples.evaluate(record, 0)
    predicted = found.apply({key: np.asarray(x)[None] for key, x in example.items()})
    label, curve = int(np.argmax(predicted["probability"][0])), predicted["curve"][0]
    marks = [x for key, x in example.items() if key.startswith("present/")]
    there = np.any([x for x in marks if len(x) == len(curve)], axis=0)
    most = 2 * (1 + DRAWS) * (len(curve) + 1)  # all segments there: one shape for every video

    def chances(batch: dict) -> np.ndarray:
        rows = len(batch["weight"])
        full = {key: np.resize(x, (most, *x.shape[1:])) for key, x in batch.items()}
        return found.apply(full)["probability"][:rows]

    predict = faithful.of_model(chances, example, label)
    return faithful.curves(predict, curve, there, DRAWS)
