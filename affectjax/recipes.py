"""Runs that follow from runs: which one is next, given the results of those that are finished.

A recipe is a function of the config and of the finished results, and nothing else; so a job that
stopped anywhere goes on where it stopped.
"""

import copy

from ml_collections import config_dict

from affectjax import configlib
from affectjax.errors import UserError
from affectjax.progressive import progressive
from affectjax.run import Run, averages, own_seeds


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
        """The one run, unless it is finished."""
        return None if "" in finished else Run("", config, config.train.init_from)

    def summary(self, finished: dict[str, dict]) -> dict:
        """The run's own metrics."""
        return finished[""].get("metrics", {})


class repeat:
    """The config with `times` seeds, each in a folder of its own; mean and deviation at the end."""

    word = "seed"

    def __init__(self, times: int = 5, first: int = 0):
        self.times, self.first = times, first

    def next_run(self, config: config_dict.ConfigDict, finished: dict[str, dict]) -> Run | None:
        """The first repetition that is not finished."""
        self.check(config)
        for number in range(self.first, self.first + self.times):
            name = f"{self.word}-{number}"
            if name not in finished:
                own = copy.deepcopy(config)
                self.change(own, number)
                return Run(name, own, config.train.init_from)
        return None

    def check(self, config: config_dict.ConfigDict) -> None:
        """Raises where the config says what the recipe is to say."""
        own_seeds(config, self.first)

    def change(self, config: config_dict.ConfigDict, number: int) -> None:
        """Make the config that of one repetition."""
        config.train.seed = number

    def summary(self, finished: dict[str, dict]) -> dict:
        """Mean and deviation of every metric over the repetitions that have it."""
        return averages(finished.values())


class splits(repeat):
    """The config on each of the dataset's partitions 0, 1, ..., with the same seed for each."""

    word = "split"

    def __init__(self, times: int = 10, first: int = 0):
        super().__init__(times, first)

    def check(self, config: config_dict.ConfigDict) -> None:
        """Raises where the config says what the recipe is to say."""
        if config.data.partition is not None:
            raise UserError(
                "the recipe `splits` takes one partition after the other",
                "data.partition",
                "Say --config.recipe.first=N, or --config.recipe.name=single for one.",
            )

    def change(self, config: config_dict.ConfigDict, number: int) -> None:
        """Make the config that of one partition."""
        config.data.partition = str(number)


class each:
    """A model of its own for every one of `model.outputs`, all else equal: one network a name."""

    def __init__(self):
        pass

    def next_run(self, config: config_dict.ConfigDict, finished: dict[str, dict]) -> Run | None:
        """The first name without a finished model."""
        for name in config.model.outputs:
            if name not in finished:
                own = copy.deepcopy(config)
                own.model.outputs = (name,)
                return Run(name, own, config.train.init_from)
        return None

    def summary(self, finished: dict[str, dict]) -> dict:
        """The metrics of each name, and of those that every run has their means."""
        named, shared = {}, averages(finished.values())
        for name, result in finished.items():
            named |= {k: v for k, v in result.get("metrics", {}).items() if k.endswith(f"/{name}")}
        own = {key: value for key, value in shared.items() if "/" not in key or key[:5] == "loss/"}
        return own | named


RECIPES = {"single": single, "repeat": repeat, "splits": splits, "each": each,
           "progressive": progressive}  # fmt: skip
