"""Configs as documents: every default filled in, every key known, variants by name.

A config is a dictionary of sections. Each section is the keyword arguments of one constructor,
and the constructor's signature holds the defaults; `build` copies them in, so that a flag can
override each one and a run's `config.json` says everything.
"""

import importlib
import inspect
import operator
import pathlib
import typing

from absl import flags
from ml_collections import config_dict, config_flags

from affectjax.errors import UserError, nearest

# Section -> the constructor that it feeds. {name} is the section's own `name`.
CONSTRUCTORS = {
    "model": "affectjax.models.{name}:Model",
    "examples": "affectjax.data.{name}:Examples",
    "data": "affectjax.data.load:load",
    "optim": "affectjax.optim:build",
    "train": "affectjax.settings:Settings",
    "mesh": "affectjax.sharding:make_mesh",
    "checkpoint": "affectjax.checkpoint:Checkpoints",
    "recipe": "affectjax.recipes:{name}",
    "words": "affectjax.data.vocabulary:Vocabulary.build",
}
OPTIONAL = ("words",)  # only configs that read comments have them
FREE = ("loss",)  # sections whose keys the model's own losses name
REMOVED = object()  # what a variant sets a key to that is to be gone, whatever is laid over it


def build(base: dict, variants: dict[str, dict], arg: str | None = "") -> config_dict.ConfigDict:
    """The config of `base` with the comma-separated variants of `arg` laid over it, filled."""
    plain = _nested_copy(base)
    names = [name for name in (arg or "").split(",") if name]
    for name in dict.fromkeys(names):
        if name not in variants:
            raise UserError(f"unknown variant '{name}'", mend=nearest(name, variants))
        _lay_over(plain, variants[name])
    return fill(_without_removed(plain))


def fill(plain: dict) -> config_dict.ConfigDict:
    """Every constructor's defaults copied into its section; a key no signature has is an error."""
    for section in plain:
        if section not in CONSTRUCTORS and section not in FREE:
            raise UserError(
                f"unknown section '{section}'", "config", nearest(section, CONSTRUCTORS)
            )
    config = config_dict.ConfigDict()
    for section, path in CONSTRUCTORS.items():
        if section in OPTIONAL and section not in plain:
            continue
        given = dict(plain.get(section, {}))
        name = given.pop("name", None)
        if "{name}" in path and name is None:
            raise UserError(f"the config's section '{section}' has no name")
        defaults, hints = signature_of(path.format(name=name))
        for key in given:
            if key not in defaults:
                raise UserError(
                    f"unknown config key '{section}.{key}'",
                    mend=nearest(key, defaults),
                )
        filled = config_dict.ConfigDict({} if name is None else {"name": name})
        for key, default in defaults.items():
            value = given.get(key, default)
            if value is inspect.Parameter.empty:  # the run supplies it, unless the config does
                continue
            if isinstance(value, dict):
                value = config_dict.ConfigDict(value)
            if value is None:
                value = config_dict.placeholder(_type_of(hints.get(key)))
            filled[key] = value
        config[section] = filled
    for section in FREE:
        config[section] = config_dict.ConfigDict(plain.get(section, {}))
    return config


def defaults(config: config_dict.ConfigDict) -> config_dict.ConfigDict:
    """The config of the same names that says nothing else."""
    named = {s: {"name": config[s].name} if "name" in config[s] else {} for s in config}
    return fill(named)


def signature_of(path: str) -> tuple[dict, dict]:
    """({argument: default or empty}, {argument: type}) of the constructor at 'module:name'."""
    module, name = path.split(":")
    try:
        constructor = operator.attrgetter(name)(importlib.import_module(module))
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != module:
            raise
        raise UserError(f"the config names {path}, which does not exist") from error
    target = constructor.__init__ if inspect.isclass(constructor) else constructor
    parameters = inspect.signature(constructor).parameters
    skip = ("self", "parent", "name")
    defaults = {
        key: parameter.default
        for key, parameter in parameters.items()
        if key not in skip and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    for key, field in getattr(constructor, "__dataclass_fields__", {}).items():
        if key in defaults and callable(getattr(field, "default_factory", None)):
            defaults[key] = field.default_factory()
    return defaults, typing.get_type_hints(target)


def parse(argv: list[str], values: flags.FlagValues) -> tuple[config_dict.ConfigDict, dict]:
    """Parse the command line; gives the config and the overrides among its flags."""
    path = config_path(argv)
    file = pathlib.Path(path.partition(":")[0])
    if not file.is_file():
        beside = [str(one) for one in file.parent.glob("*.py")]
        mend = nearest(str(file), beside) if beside else "The project's own are in configs/."
        raise UserError(f"there is no config {file}", mend=mend)
    try:
        config_flags.DEFINE_config_file("config", None, flag_values=values, sys_argv=argv)
        stray = values(argv)[1:]
        config = values.config
        overrides = config_flags.get_override_values(values["config"])
        # A file that did not load says so at the first look into it.
        missing = [section for section in ("model", "data", "train") if section not in config]
    except UserError:
        raise
    except OSError as error:
        cause = error.__cause__ or error.__context__
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, UserError):
            raise cause from error
        raise UserError(f"the config file {path} cannot be loaded", mend=str(error)) from error
    except (AttributeError, KeyError) as error:
        raise _unknown_key(argv, path, error) from error
    except flags.Error as error:
        raise UserError(str(error)) from error
    if stray:
        raise UserError(f"stray word '{stray[0]}'", mend="Options begin with --.")
    if missing:
        raise UserError(f"{path} holds no section '{missing[0]}'", mend="See configs/.")
    return config, overrides


def with_variant(argv: list[str], variant: str) -> list[str]:
    """The same command line with one variant more after the config's path."""
    path = config_path(argv)
    joined = f"{path},{variant}" if ":" in path else f"{path}:{variant}"
    return [
        joined if word == path else word.replace(f"--config={path}", f"--config={joined}")
        for word in argv
    ]


def flatten(config: config_dict.ConfigDict | dict, prefix: str = "") -> dict:
    """{'section.key': value} with plain values (tuples become lists), sorted by key."""
    flat = {}
    for key, value in sorted(config.items()):
        if isinstance(value, (dict, config_dict.ConfigDict)) and len(value):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = _plain(value)
    return flat


def to_plain(config: config_dict.ConfigDict) -> dict:
    """The config as JSON-able dictionaries."""
    return {
        key: to_plain(value) if isinstance(value, (dict, config_dict.ConfigDict)) else _plain(value)
        for key, value in config.items()
    }


def arguments(section: config_dict.ConfigDict) -> dict:
    """A section as keyword arguments: no name, dictionaries plain, lists as tuples."""
    return {
        key: to_plain(value) if isinstance(value, config_dict.ConfigDict) else _frozen(value)
        for key, value in section.items()
        if key != "name"
    }


def config_path(argv: list[str]) -> str:
    """What --config says on a command line, with its variants."""
    for word, following in zip(argv, argv[1:] + [""]):
        if word.startswith("--config="):
            return word.split("=", 1)[1]
        if word == "--config":
            return following
    raise UserError("no config given", mend="Say --config=configs/tam_pretrain.py, for example.")


def _unknown_key(argv: list[str], path: str, error: Exception) -> UserError:
    """The error for the first override whose key the config does not hold."""
    probe = flags.FlagValues()
    plain = [argv[0], f"--config={path}"]
    config_flags.DEFINE_config_file("config", None, flag_values=probe, sys_argv=plain)
    probe(plain)
    known = flatten(probe.config)
    for word in argv:
        key = word.removeprefix("--config.").split("=", 1)[0]
        if word.startswith("--config.") and key not in known:
            return UserError(f"unknown config key '{key}'", mend=nearest(key, known))
    return UserError(f"the config cannot be read: {error}")


def _type_of(hint) -> type:
    choices = [t for t in typing.get_args(hint) if t is not type(None)] or [hint or str]
    return choices[0] if isinstance(choices[0], type) else str


def _nested_copy(tree: dict) -> dict:
    return {k: _nested_copy(v) if isinstance(v, dict) else v for k, v in tree.items()}


def _lay_over(under: dict, over: dict) -> None:
    for key, value in over.items():
        if under.get(key) is REMOVED:
            continue
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _lay_over(under[key], value)
        else:
            under[key] = _nested_copy(value) if isinstance(value, dict) else value


def _without_removed(tree: dict) -> dict:
    return {
        k: _without_removed(v) if isinstance(v, dict) else v
        for k, v in tree.items()
        if v is not REMOVED
    }


def _plain(value):
    if isinstance(value, (dict, config_dict.ConfigDict)):  # an empty one: others are walked into
        return dict(value)
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, (tuple, list)) else value
