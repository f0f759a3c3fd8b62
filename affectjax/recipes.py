"""Runs that follow from runs: which one is next, given the results of those that are finished.

A recipe is a function of the config and of the finished results, and nothing else; so a job that
stopped anywhere goes on where it stopped.
"""

import copy
import dataclasses
import statistics

from ml_collections import config_dict

from affectjax import configlib
from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: its config, where its parameters start, and its folder under the workdir."""

    name: str
    config: config_dict.ConfigDict
    init_from: str | None = None


def of(config: config_dict.ConfigDict):
    """The recipe that a config names."""
    if config.recipe.name not in RECIPES:
        raise UserError(
            f"unknown recipe '{config.recipe.name}'", "recipe.name", f"Use {' or '.join(RECIPES)}."
        )
    return RECIPES[config.recipe.name](**configlib.arguments(config.recipe))


class single:
    """The config, once, in the workdir itself."""

    def __init__(self):
        pass

    def next_run(self, config: config_dict.ConfigDict, finished: dict[str, dict]) -> Run | None:
        return None if "" in finished else Run("", config, config.train.init_from)

    def summary(self, finished: dict[str, dict]) -> dict:
        return finished[""].get("metrics", {})


class repeat:
    """The config with `times` seeds, each in a folder of its own; mean and deviation at the end."""

    word = "seed"

    def __init__(self, times: int = 5, first: int = 0):
        self.times, self.first = times, first

    def next_run(self, config: config_dict.ConfigDict, finished: dict[str, dict]) -> Run | None:
        for number in range(self.first, self.first + self.times):
            name = f"{self.word}-{number}"
            if name not in finished:
                own = copy.deepcopy(config)
                self.change(own, number)
                return Run(name, own, config.train.init_from)
        return None

    def change(self, config: config_dict.ConfigDict, number: int) -> None:
        config.train.seed = number

    def summary(self, finished: dict[str, dict]) -> dict:
        columns: dict[str, list[float]] = {}
        for result in finished.values():
            for key, value in result.get("metrics", {}).items():
                if value is not None:  # undefined in that run
                    columns.setdefault(key, []).append(value)
        summary = {}
        for key, values in columns.items():
            summary[key] = statistics.fmean(values)
            if len(values) > 1:
                summary[f"{key}/deviation"] = statistics.stdev(values)
        return summary


class splits(repeat):
    """The config on each of the dataset's partitions 0, 1, ..., with the same seed for each."""

    word = "split"

    def __init__(self, times: int = 10, first: int = 0):
        super().__init__(times, first)

    def change(self, config: config_dict.ConfigDict, number: int) -> None:
        config.data.partition = str(number)


RECIPES = {"single": single, "repeat": repeat, "splits": splits}
