"""A trained model as a folder that stands alone: parameters, config, vocabulary, labels, card.

model.safetensors   parameters and statistics, named by their paths
config.json         the run's config, its label names, its modalities and their extractors
vocabulary.txt      a word a line, where the model reads words
README.md           the model card: what it was trained on, and its metrics
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil

import jax
import numpy as np
import safetensors.numpy
from jax.experimental import multihost_utils
from ml_collections import config_dict
from safetensors import SafetensorError

from affectjax import assemble, configlib, hosts
from affectjax.data.vocabulary import Vocabulary
from affectjax.errors import UserError

FORMAT = 1


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
        return assemble.examples(self.config, self.vocabulary)

    def predict(self, record: dict) -> dict[str, np.ndarray]:
        """The module's predictions for one record; a value for each of the record's rows."""
        rows = [self.examples.evaluate(record, part) for part in range(self.examples.parts(record))]
        batch = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        variables = {"params": self.params, **self.model_state}
        found = jax.device_get(self._apply(variables, batch))
        if hasattr(self.model, "combine"):
            found, _ = self.model.combine(found, [record["id"]] * len(rows))
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
            "modalities": dataset.metadata.get("modalities", {}),
            "lexicon": dataset.metadata.get("lexicon", ""),
            "metrics": metrics,
        }
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            safetensors.numpy.save_file(arrays, partial / "model.safetensors")
            if words is not None:
                words.save(partial / "vocabulary.txt")
            about["files"] = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
            (partial / "config.json").write_text(json.dumps(about, indent=1, sort_keys=True))
            (partial / "README.md").write_text(_card(about, arrays))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(partial, folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise UserError("the export cannot be written", str(folder), str(error)) from error
    hosts.barrier("export written")


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
    if not isinstance(about, dict) or "config" not in about:
        raise UserError("not an export", str(folder), "Its config.json holds something else.")
    for name, digest in about.get("files", {}).items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
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


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _gathered(value) -> np.ndarray:
    """The whole array on this host, wherever its parts are."""
    if jax.process_count() > 1:
        value = multihost_utils.process_allgather(value, tiled=True)
    return np.asarray(value, order="C")  # ascontiguousarray would make a number a row of one


def _card(about: dict, arrays: dict) -> str:
    config = about["config"]
    count = sum(v.size for k, v in arrays.items() if k.startswith("params/"))
    untrained = [m for m, s in about["modalities"].items() if not s.get("trained", True)]
    lines = [
        f"# {config['model']['name']}, trained by affectjax",
        "",
        f"{count:,} parameters, trained on `{about['dataset']['name']}` "
        f"(digest `{about['dataset']['digest'][:16]}`).",
        "",
        "| modality | width | extractor |",
        "|---|---|---|",
        *(
            f"| {m} | {width} | {about['modalities'].get(m, {}).get('extractor', 'unknown')} |"
            for m, width in config["model"]["modalities"].items()
        ),
        "",
        "| metric on the test part | value |",
        "|---|---|",
        *(
            f"| {key} | {'undefined' if value is None else format(value, '.4f')} |"
            for key, value in about["metrics"].items()
        ),
        "",
    ]
    if untrained:
        lines.insert(
            2, f"**Untrained extractors ({', '.join(untrained)}): a trial, not a model.**\n"
        )
    return "\n".join(lines)
