"""A trained model as a folder that stands alone: parameters, config, vocabulary, labels, card.

model.safetensors   parameters and statistics, named by their paths
config.json         the run's config, its label names, its modalities and their extractors
vocabulary.txt      a word a line, where the model reads words
README.md           the model card: what it was trained on, and its metrics
"""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import jax
import numpy as np
import safetensors.numpy
from jax.experimental import multihost_utils
from ml_collections import config_dict
from safetensors import SafetensorError

from affectjax import assemble, card, configlib, files, hosts
from affectjax.data import sources
from affectjax.data.films import reads_films
from affectjax.data.vocabulary import Vocabulary
from affectjax.errors import UserError

if TYPE_CHECKING:
    from affectjax.predicting.timeline import Timeline

FORMAT = 1
KINDS = {"config": dict, "files": dict, "dataset": dict, "modalities": dict, "label_names": list}


@dataclasses.dataclass(frozen=True)
class Export:
    """A loaded export: plain parameters, and what is needed to feed and to read the model."""

    folder: pathlib.Path
    config: config_dict.ConfigDict
    about: dict
    params: dict
    model_state: dict
    vocabulary: Vocabulary | None

    @functools.cached_property
    def model(self):
        """The Linen module that the parameters belong to."""
        return assemble.model(self.config, self.vocabulary)

    @functools.cached_property
    def examples(self):
        """The rule that turns a record into the module's input."""
        if "examples" not in self.config:
            mend = "Train from it with --config.train.init_from first."
            raise UserError("the export is a start of training", str(self.folder), mend)
        return assemble.examples(self.config, self.vocabulary)

    @functools.cached_property
    def variables(self) -> dict:
        """Parameters and statistics on the device, as the module takes them."""
        return jax.device_put({"params": self.params, **self.model_state})

    def apply(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The module's predictions for a batch of rows [B, ...] that `examples` made."""
        from flax import errors  # heavy, and needed for what goes wrong alone

        try:
            return jax.device_get(self._apply(self.variables, dict(batch)))
        except errors.FlaxError as error:
            what = f"the parameters are not those of its config ({error})"
            raise UserError(what, str(self.folder), "Export it anew.") from error

    @overload
    def predict(self, what: Mapping[str, Any]) -> dict[str, np.ndarray]: ...

    @overload
    def predict(self, what: str | os.PathLike, **settings: Any) -> "Timeline": ...

    @overload
    def predict(self, what: Sequence[str | os.PathLike], **settings: Any) -> "list[Timeline]": ...

    def predict(self, what, **settings):
        """Predictions for a record, for a video file, or for several: files, or folders of them.

        Of a record: the module's own, a value for each of the record's rows. Of a video: its
        `affectjax.predicting.timeline.Timeline`, as `python -m affectjax.predict` makes it and
        writes nothing; `settings` are those of `affectjax.predicting.run.Settings`, as
        `window=20.0` or `weights="weights"`. A file that cannot be read raises a `UserError`.
        """
        if isinstance(what, Mapping):
            if settings:
                raise TypeError(f"a record is predicted whole: {', '.join(settings)} says nothing")
            return self._of_record(what)
        from affectjax.predicting import memory  # reads videos, and needs nothing of that before

        if isinstance(what, str | os.PathLike):
            if os.path.isdir(what):
                raise UserError("this is a folder", str(what), "Name the folder in a list.")
            return memory.timelines(self, [what], settings)[0]
        return memory.timelines(self, what, settings)

    def _of_record(self, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
        records = [record]
        if reads_films(self.examples) and "film" not in record:
            records = self.examples.into_clips(sources.One(record))  # a film in the clips it reads
        chosen = [(one, part) for one in records for part in range(self.examples.parts(one))]
        rows = [self.examples.evaluate(*each) for each in chosen]
        found = self.apply({key: np.stack([row[key] for row in rows]) for key in rows[0]})
        if hasattr(self.model, "combine"):
            found, _ = self.model.combine(found, [one["id"] for one, _ in chosen])
        return found

    @functools.cached_property
    def _apply(self):
        return jax.jit(
            lambda variables, batch: self.model.apply(variables, batch, train=False, method="loss")[
                1
            ]
        )


def save(folder, config, params, model_state, words, dataset, metrics) -> None:
    """Write the folder, replacing an older export as a whole; every process must call it."""
    folder = pathlib.Path(folder)
    arrays = {f"params/{k}": v for k, v in paths(params).items()}
    arrays |= {f"state/{k}": v for k, v in paths(model_state).items()}
    arrays = {key: _gathered(value) for key, value in arrays.items()}
    if hosts.is_first():
        about = {
            "format": FORMAT,
            "config": configlib.to_plain(config),
            "dataset": {"name": dataset.name, "digest": dataset.digest},
            "label_names": list(dataset.spec.label_names),
            "value_names": list(dataset.spec.value_names),
            "clip_seconds": clip_seconds(dataset),
            "modalities": dataset.metadata.get("modalities", {}),
            "lexicon": dataset.metadata.get("lexicon", ""),
            "metrics": metrics,
        }
        try:
            with files.folder(folder) as made:
                safetensors.numpy.save_file(arrays, made / "model.safetensors")
                if words is not None:
                    words.save(made / "vocabulary.txt")
                about["files"] = {path.name: files.sha256(path) for path in sorted(made.iterdir())}
                (made / "config.json").write_text(json.dumps(about, indent=1, sort_keys=True))
                count = sum(v.size for k, v in arrays.items() if k.startswith("params/"))
                (made / "README.md").write_text(card.text(about, count))
        except (OSError, SafetensorError) as error:
            raise UserError("the export cannot be written", str(folder), str(error)) from error
    hosts.barrier("export written")


def clip_seconds(dataset) -> float | None:
    """How long the dataset's clips are, as a rule: what a model learned to look at."""
    durations = [dataset.split(name).durations for name in getattr(dataset, "splits", ())]
    return float(np.median(np.concatenate(durations))) if durations else None


def digest(folder) -> str:
    """Of the weights, without reading them where config.json tells it."""
    folder = pathlib.Path(folder)
    try:
        about = json.loads((folder / "config.json").read_text())
        told = about.get("files", {}).get("model.safetensors")
        return told or files.sha256(folder / "model.safetensors")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError("not an export", str(folder), "Name one that training left.") from error


def load(folder) -> Export:
    """Read an export; needs no dataset."""
    folder = pathlib.Path(folder)
    try:
        about = json.loads((folder / "config.json").read_text())
        arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise UserError(
            "not an export",
            str(folder),
            "Name a folder that holds config.json and model.safetensors; training leaves one, "
            "`export`, in its workdir.",
        ) from error
    except (SafetensorError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError("the export cannot be read", str(folder), str(error)) from error
    if not _is_export(about):
        raise UserError("not an export", str(folder), "Its config.json holds something else.")
    for name, digest in about.get("files", {}).items():
        if not (folder / name).is_file() or files.sha256(folder / name) != digest:
            raise UserError(f"the export is damaged: {name} is not as it was written", str(folder),
                            "Copy it again, or export it anew.")  # fmt: skip
    if about.get("format") != FORMAT:
        raise UserError(
            f"the export has format {about.get('format')}, this version reads {FORMAT}", str(folder)
        )
    words = folder / "vocabulary.txt"
    return Export(
        folder,
        config_dict.ConfigDict(about["config"]),
        about,
        nested(
            {k.removeprefix("params/"): v for k, v in arrays.items() if k.startswith("params/")}
        ),
        nested({k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}),
        Vocabulary.load(words) if words.exists() else None,
    )


def stands(folder: pathlib.Path) -> bool:
    """Whether an export lies there, sound or not, so that a new one may replace it."""
    try:
        about = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return False
    whole = (folder / "model.safetensors").is_file()
    return whole and _is_export(about) and "format" in about and "config" in about


def _is_export(about: Any) -> bool:
    """Whether a config.json is one of ours, as far as its outline tells."""
    if not isinstance(about, dict):
        return False
    fits = all(isinstance(about.get(key, kind()), kind) for key, kind in KINDS.items())
    seconds = about.get("clip_seconds")
    model = about["config"].get("model") if fits and "config" in about else None
    return isinstance(model, dict) and "name" in model and isinstance(seconds, int | float | None)


def paths(tree: dict, prefix: str = "") -> dict:
    """{'a/b/c': leaf} of nested dictionaries."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= paths(value, f"{prefix}{key}/")
        else:
            flat[prefix + key] = value
    return flat


def nested(flat: dict) -> dict:
    """The inverse of `paths`."""
    tree: dict = {}
    for path, value in flat.items():
        *parents, last = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return tree


def _gathered(value) -> np.ndarray:
    """The whole array on this host, wherever its parts are."""
    if jax.process_count() > 1:
        value = multihost_utils.process_allgather(value, tiled=True)
    return np.asarray(value, order="C")  # ascontiguousarray would make a number a row of one
