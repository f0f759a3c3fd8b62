"""What stands in a workdir: the variants it was started with and its finished runs."""

import dataclasses
import functools
import json
import pathlib

from affectjax.errors import UserError
from affectjax.report import predictions

# Overrides in which repetitions of one experiment differ; every other one makes another method.
REPEATS = ("train.seed", "data.sample_seed", "data.per_class_seed", "data.validation_seed")
# What a recipe sets for each of its runs, whatever the command line said.
SET_BY = {"repeat": ("train.seed",), "progressive": ("train.seed",), "splits": ("data.partition",)}
REPEATED = (*REPEATS, "recipe.", "train.log_every", "train.tensorboard")


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One finished training, or one prediction of another system, on one test set."""

    metrics: dict[str, float | None]
    folder: pathlib.Path | None = None
    given: predictions.Scored | None = None

    @functools.cached_property
    def scored(self) -> predictions.Scored | None:
        """Its predictions clip by clip, where they are kept."""
        if self.given is not None or self.folder is None:
            return self.given
        path = self.folder / "predictions_test.csv"
        return predictions.of_run(path) if path.is_file() else None

    @functools.cached_property
    def export(self) -> dict:
        """What its export says of itself."""
        return {} if self.folder is None else read_json(self.folder / "export" / "config.json")


@dataclasses.dataclass(frozen=True)
class Workdir:
    """A workdir's experiment and its finished runs by name, '' where there is one alone."""

    folder: pathlib.Path
    config: str  # the config file's name without .py
    variants: frozenset[str]
    overrides: tuple[str, ...]  # key=value, those that make it another method
    repeat: str  # the overrides in which it repeats the same method
    runs: dict[str, Run]
    expected: int  # how many runs there are when all is done
    by_output: bool = False  # its runs are models of one output each, called like it

    def telling(self, metric: str) -> dict[str, Run]:
        """The runs that tell a metric; of models of one output each, that of `<metric>/<output>`.

        That one has no name: it stands where one model of all outputs would stand.
        """
        if not self.by_output:
            return self.runs
        own = [run for name, run in self.runs.items() if metric.endswith(f"/{name}")]
        return dict(zip([""], own))

    @property
    def dataset(self) -> tuple[str, str]:
        """Name and digest of what its runs were trained on."""
        about = next(iter(self.runs.values())).export.get("dataset", {})
        return about.get("name", "unknown"), about.get("digest", "")


def read(folder: pathlib.Path) -> Workdir:
    """One workdir; one without a finished run has none in `runs`."""
    if not (folder / "config.json").is_file() or (folder / "model.safetensors").exists():
        raise UserError("not a workdir", str(folder), "Name what --workdir named in training.")
    if not (folder / "command.json").is_file():
        raise UserError(
            "the workdir does not say which variants it was started with: command.json is missing",
            str(folder), "An older version trained it; train it again.",
        )  # fmt: skip
    command = read_json(folder / "command.json")
    try:
        path, _, words = command["config"].partition(":")
        overrides = {key: value for key, value in command["overrides"].items()}
    except (KeyError, AttributeError) as error:
        raise _damaged(folder / "command.json") from error
    runs = {}
    for result in sorted([*folder.glob("result.json"), *folder.glob("*/result.json")]):
        name = "" if result.parent == folder else result.parent.name
        runs[name] = Run(read_result(result)["metrics"], result.parent)
    config = read_json(folder / "config.json")
    for key in SET_BY.get(config.get("recipe.name"), ()):
        overrides.pop(key, None)
    by_output = config.get("recipe.name") == "each"
    expected = config.get("recipe.times", 1)
    return Workdir(
        folder,
        pathlib.Path(path).stem,
        frozenset(filter(None, words.split(","))),
        tuple(f"{k}={v}" for k, v in sorted(overrides.items()) if not k.startswith(REPEATED)),
        ",".join(f"{k}={v}" for k, v in sorted(overrides.items()) if k in REPEATS),
        runs,
        len(config.get("model.outputs", runs)) if by_output else expected,
        by_output,
    )


def read_json(path: pathlib.Path) -> dict:
    """What a file of a run holds; UserError where it cannot be read or is damaged."""
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(path)) from error
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def read_result(path: pathlib.Path) -> dict:
    """A run's result.json; its "metrics" are numbers, or null where one is undefined."""
    found = read_json(path)
    metrics = found.get("metrics")
    numbers = isinstance(metrics, dict) and all(
        value is None or isinstance(value, int | float) for value in metrics.values()
    )
    if not numbers or not isinstance(found.get("steps", 0), int):
        raise _damaged(path)
    return found


def _damaged(path: pathlib.Path) -> UserError:
    return UserError("a file of the run is damaged", str(path), "Train that run again.")
