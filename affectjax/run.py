"""One training among those of a recipe: what it is called, its config, where it starts."""

import dataclasses

from ml_collections import config_dict


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: its config, where its parameters start, and its folder under the workdir."""

    name: str
    config: config_dict.ConfigDict
    init_from: str | None = None
