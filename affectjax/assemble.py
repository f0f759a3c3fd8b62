"""The parts of a run built from its config: data, vocabulary, model, examples."""

import dataclasses
import importlib
import inspect

from ml_collections import config_dict

from affectjax import configlib
from affectjax.data import films, load
from affectjax.data.vocabulary import Vocabulary
from affectjax.errors import UserError


def data(config: config_dict.ConfigDict) -> load.Data:
    """The dataset that the config names, checked against what the model expects of it."""
    found = load.load(**configlib.arguments(config.data))
    spec, where = found.dataset.spec, str(found.dataset.folder)
    for name, width in config.model.modalities.items():
        if name not in spec.modalities:
            raise UserError(
                f"the dataset has no modality '{name}' (it has {', '.join(spec.modalities)})",
                where,
                f'Say "--config.model.modalities={dict(spec.modalities)}", or build it with that.',
            )
        if spec.modalities[name] != width:
            raise UserError(
                f"'{name}' features are {spec.modalities[name]} wide, model.modalities.{name} says "
                f"{width}",
                where,
                f"Say --config.model.modalities.{name}={spec.modalities[name]}.",
            )
    if reads_comments(config) and not spec.comments:
        raise UserError(
            "the dataset holds no comments, and pre-training reads them",
            where,
            "`python -m data_prep.build video_tsc` makes one of videos and comment files; "
            "`python -m data_prep.sample --records --out=DIR` writes one to look at.",
        )
    rule = examples(config, None)
    if hasattr(rule, "check"):
        rule.check(spec, where)
    if films.reads_films(rule):
        parts = {n: rule.into_clips(part, n == "train") for n, part in found.parts.items()}
        found = dataclasses.replace(found, parts=parts)
    return found


def vocabulary(config: config_dict.ConfigDict, found: load.Data) -> Vocabulary | None:
    """The words of the dataset's training split, where the examples need any."""
    if not reads_comments(config):
        return None
    return Vocabulary.build(found.dataset.words(), config.words.min_count, config.words.cap)


def reads_comments(config: config_dict.ConfigDict) -> bool:
    """True where the examples are made of comments."""
    return "vocabulary" in configlib.signature_of(_examples(config))[0]


def model(config: config_dict.ConfigDict, words: Vocabulary | None):
    """The Linen module; what the config cannot know is supplied from the data."""
    path = configlib.CONSTRUCTORS["model"].format(name=config.model.name)
    return _construct(path, configlib.arguments(config.model), {"vocabulary": len(words or ())})


def examples(config: config_dict.ConfigDict, words: Vocabulary | None):
    """The rule that turns a record into arrays of fixed shape."""
    supplied = configlib.arguments(config.model) | {"vocabulary": words}
    return _construct(_examples(config), configlib.arguments(config.examples), supplied)


def _examples(config) -> str:
    return configlib.CONSTRUCTORS["examples"].format(name=config.examples.name)


def _construct(path: str, arguments: dict, supplied: dict):
    """Call the constructor; arguments it requires and the config leaves out come from the run."""
    module, name = path.split(":")
    required = {
        key
        for key, default in configlib.signature_of(path)[0].items()
        if default is inspect.Parameter.empty and key not in arguments
    }
    missing = required - supplied.keys()
    if missing:
        raise UserError(f"{path} needs {', '.join(sorted(missing))}", mend="Set it in the config.")
    constructor = getattr(importlib.import_module(module), name)
    given = {**arguments, **{key: supplied[key] for key in required}}
    try:
        inspect.signature(constructor).bind(**given)
    except TypeError as error:
        mend = "If the config is an export's, another version made it: export it anew."
        raise UserError(f"{path} cannot be made from the config: {error}", mend=mend) from error
    return constructor(**given)
