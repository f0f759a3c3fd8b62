"""Exported comment classifiers applied to texts, in batches of one shape."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from affectjax.data import comment_targets
from affectjax.errors import UserError

BATCH = 256


def load(folders: Iterable[str]) -> list[Any]:
    """The exports, which together name every emotion once."""
    from affectjax import export

    found = [export.load(folder) for folder in folders]
    if not found:
        raise UserError("no classifier is named", mend="Say the folder of an export.")
    seen: dict[str, str] = {}
    for one in found:
        if one.config.model.name != "danmaku_comments":
            mend = "Name exports of configs/danmaku_comments.py."
            what = f"the export is of the model {one.config.model.name}"
            raise UserError(what, str(one.folder), mend)
        if not one.config.model.get("outputs"):
            mend = "Train from it with --config.train.init_from first."
            raise UserError("the export has no heads for emotions yet", str(one.folder), mend)
        for name in one.config.model.outputs:
            if name in seen:
                what = f"two classifiers are of {name!r}, the other is {seen[name]}"
                raise UserError(what, str(one.folder), "Name one for each emotion.")
            seen[name] = str(one.folder)
    return found


def emotions(exports: Iterable[Any]) -> tuple[str, ...]:
    """The names that the classifiers are of, in their order."""
    return tuple(name for one in exports for name in one.config.model.outputs)


def scores(exports: Iterable[Any]) -> dict[str, tuple[float, int]]:
    """{emotion: (balanced accuracy, of how many held-out comments)} where it is defined."""
    found = {}
    for one in exports:
        told = one.about.get("metrics", {})
        for name in one.config.model.outputs:
            if (score := told.get(f"balanced_accuracy/{name}")) is not None:
                found[name] = score, int(told[f"count/{name}"])
    return found


def digest(exports: Iterable[Any]) -> str:
    """Names the classifiers: of all their files."""
    files = sorted(str(sorted(one.about["files"].items())) for one in exports)
    return hashlib.sha256("\n".join(files).encode()).hexdigest()


def probabilities(exports: Sequence[Any], texts: Sequence[str]) -> np.ndarray:
    """float32 [C, K]: how sure each classifier is of each text; equal texts are read once."""
    different = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(different)}
    table = np.concatenate([_one(export, different) for export in exports], axis=1)
    return table[np.array([place[text] for text in texts], np.int64)]


def _one(export: Any, texts: Sequence[str]) -> np.ndarray:
    kinds = len(export.config.model.outputs)
    found = [np.zeros((0, kinds), np.float32)]
    unknown = [float("nan")] * len(export.examples.values)
    for first in range(0, len(texts), BATCH):
        some = texts[first : first + BATCH]
        rows = [
            export.examples.evaluate(comment_targets.record("c", "c", text, unknown), 0)
            for text in some
        ]
        rows += [export.examples.empty()] * (BATCH - len(some))  # one shape, one program
        batch = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        predicted = export.apply(batch)["probability"]
        found.append(np.asarray(predicted)[: len(some)])
    return np.concatenate(found)
