"""One training among those of a recipe, where it starts, and what several of them came to."""

import dataclasses
import statistics
from collections.abc import Iterable

from ml_collections import config_dict

from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: its config, where its parameters start, and its folder under the workdir.

    Of several exports the first says what the others say too.
    """

    name: str
    config: config_dict.ConfigDict
    init_from: str | tuple[str, ...] | None = None


def own_seeds(config: config_dict.ConfigDict, first: int) -> None:
    """Raises where a seed is given to a recipe that sets it: `first`, `first` + 1, and so on."""
    if config.train.seed not in (0, first):
        raise UserError(
            f"the recipe `{config.recipe.name}` sets the seeds, from recipe.first on",
            "train.seed",
            f"Say --config.recipe.first={config.train.seed}.",
        )


def averages(results: Iterable[dict]) -> dict[str, float]:
    """Mean and deviation of every metric over the finished runs that have it."""
    columns: dict[str, list[float]] = {}
    for result in results:
        for key, value in result.get("metrics", {}).items():
            if value is not None:  # undefined in that run
                columns.setdefault(key, []).append(value)
    found = {}
    for key, values in columns.items():
        found[key] = statistics.fmean(values)
        if len(values) > 1:
            found[f"{key}/deviation"] = statistics.stdev(values)
    return found
