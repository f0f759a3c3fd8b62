"""What any workdir holds, finished or not, of any recipe: configs, curves, results, predictions.

An experiment is a run, or its repetitions with other seeds or on other splits (`seed-0`, `split-3`
somewhere in their folders); a stage of a chain is an experiment of its own.
"""

import dataclasses
import functools
import json
import math
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from ml_collections import config_dict

from affectjax import configlib
from affectjax.errors import UserError
from affectjax.report.measure import Runs
from affectjax.report.runs import Run, read_json, read_result

REPEAT = re.compile(r"(seed|split)-\d+")
NO_RUNS = ("checkpoints", "export", "events", "data")  # folders of a workdir that hold no run

Curve = tuple[np.ndarray, np.ndarray]  # steps [n], values [n], NaN where undefined
Curves = dict[str, dict[str, Curve]]  # part of the data -> metric -> curve


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """One run as far as it has come."""

    name: str  # the folder below the workdir, "" for the workdir itself
    folder: pathlib.Path
    curves: Curves
    result: dict | None  # None while it is not finished

    @property
    def step(self) -> int:
        """The last step that it has logged, or has finished with."""
        logged = [int(steps[-1]) for part in self.curves.values() for steps, _ in part.values()]
        return max([(self.result or {}).get("steps", 0), *logged])

    @property
    def chosen(self) -> int | None:
        """The step whose weights were exported."""
        return (self.result or {}).get("exported_step")


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """One thing that was tried; `number` is its place in the report."""

    number: int
    name: str  # the config's name with its variants, and more where two would be alike
    family: str  # the config's name
    folder: pathlib.Path
    config: dict  # flat
    trainings: tuple[Training, ...]
    expected: int  # how many trainings there are when all is done

    @property
    def total(self) -> int | None:
        """The steps of one training; None where nothing has said it yet."""
        if self.config.get("train.steps"):
            return int(self.config["train.steps"])
        planned = self.config.get("train.epochs")
        for training in self.trainings:
            steps, epochs = training.curves.get("train", {}).get("epoch", ((), ()))
            if planned and len(steps) and epochs[-1] > 0:
                return math.ceil(round(planned * steps[-1] / epochs[-1], 6))
        return None

    @functools.cached_property
    def runs(self) -> Runs:
        """Its finished runs, as the papers' tables know them."""
        found = {t.name: Run(t.result["metrics"], t.folder) for t in self.trainings if t.result}
        return {
            (run.export.get("dataset", {}).get("digest", ""), _apart(name)[1]): run
            for name, run in found.items()
        }

    @property
    def dataset(self) -> tuple[str, str] | None:
        """Name and digest of what it was trained on; None while no run of it is finished."""
        for run in self.runs.values():
            about = run.export.get("dataset", {})
            return about.get("name", "unknown"), about.get("digest", "")
        return None

    @property
    def state(self) -> str:
        """How far it has come, in words."""
        done = [training for training in self.trainings if training.result is not None]
        if len(done) == self.expected:
            return "complete"
        if self.expected > 1:
            return f"{len(done)} of {self.expected} runs finished"
        step = max((training.step for training in self.trainings), default=0)
        return f"step {step}" + (f" of {self.total}" if self.total else "")


def read(folders: Sequence[pathlib.Path]) -> list[Experiment]:
    """The experiments of some workdirs, numbered from 1."""
    found = [each for folder in folders for each in _of_workdir(folder)]
    names = [each.name for each in found]
    for i, each in enumerate(found):
        name = each.name
        if names.count(name) > 1:
            name = f"{name} ({each.folder})"
        found[i] = dataclasses.replace(each, number=i + 1, name=name)
    return found


def _of_workdir(folder: pathlib.Path) -> Iterator[Experiment]:
    config = read_json(folder / "config.json")
    if (folder / "model.safetensors").exists() or "format" in config:
        raise UserError("not a workdir", str(folder), "Name what --workdir named in training.")
    name = _name(folder)
    family = name.partition(":")[0]
    trainings: dict[str, list[Training]] = {}
    for place in _runs(folder):
        training = _training(folder, place)
        trainings.setdefault(_apart(training.name)[0], []).append(training)
    if not trainings:
        yield Experiment(0, name, family, folder, config, (), config.get("recipe.times", 1))
    for stage, each in trainings.items():
        own = each[0].folder if len(each) == 1 else folder
        repeated = any(_apart(training.name)[1] for training in each)
        expected = max(config.get("recipe.times", 1), len(each)) if repeated else 1
        settings = _own_config(config, each[0]) if stage else config
        label = f"{name} {stage}".strip()
        yield Experiment(0, label, family, own, settings, tuple(each), expected)


def _name(folder: pathlib.Path) -> str:
    """The config's name and variants, from the command that began the run."""
    if not (folder / "command.json").is_file():
        return folder.name
    path, _, variants = str(read_json(folder / "command.json").get("config")).partition(":")
    return pathlib.Path(path).stem + (f":{variants}" if variants else "")


def _runs(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders of runs, at any depth, in the order of their numbers."""
    if (folder / "metrics.jsonl").exists() or (folder / "result.json").exists():
        yield folder
    inside = [path for path in folder.iterdir() if path.is_dir() and path.name not in NO_RUNS]
    for path in sorted(inside, key=lambda path: _by_number(path.name)):
        if not path.name.startswith("."):
            yield from _runs(path)


def _by_number(name: str) -> list:
    """seed-2 stands before seed-10."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", name)]


def _apart(name: str) -> tuple[str, str]:
    """(what is done, which repetition of it) of a run's name: seed-0/stages/alone-audio."""
    words = [word for word in name.split("/") if word]
    rest = [word for word in words if not REPEAT.fullmatch(word)]
    return "/".join(rest), "/".join(word for word in words if REPEAT.fullmatch(word))


def _own_config(config: dict, training: Training) -> dict:
    """The workdir's config, with what a stage has changed in it."""
    path = training.folder / "export" / "config.json"
    if not path.is_file():
        return config
    own = configlib.flatten(config_dict.ConfigDict(read_json(path).get("config", {})))
    return {key: own.get(key, value) for key, value in config.items()}


def _training(workdir: pathlib.Path, folder: pathlib.Path) -> Training:
    name = "" if folder == workdir else folder.relative_to(workdir).as_posix()
    result = None
    if (folder / "result.json").exists():
        result = read_result(folder / "result.json")
    path = folder / "metrics.jsonl"
    return Training(name, folder, curves(path) if path.exists() else {}, result)


def curves(path: pathlib.Path) -> Curves:
    """The curves in a metrics.jsonl; a last line that is not whole is still being written."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read: {error}", str(path)) from error
    points: dict[str, dict[str, dict[int, float]]] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            step, part = int(row.pop("step")), str(row.pop("split"))
            values = {key: math.nan if v is None else float(v) for key, v in row.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines) and not text.endswith("\n"):
                break
            raise UserError(
                "a line of the log is damaged", f"{path}, line {number}",
                "Remove that line, or leave the run out.",
            ) from error  # fmt: skip
        for key, value in values.items():
            points.setdefault(part, {}).setdefault(key, {})[step] = value
    return {
        part: {
            key: (np.array(list(found)), np.array(list(found.values())))
            for key, found in each.items()
        }
        for part, each in points.items()
    }
