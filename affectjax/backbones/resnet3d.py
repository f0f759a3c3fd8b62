"""3-D residual networks over snippets of 16 frames, with the names of the Kinetics checkpoints."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from affectjax.backbones import residual
from affectjax.backbones.residual import apply, from_torch, live, tree
from affectjax.backbones.torch_state import State

__all__ = ["Settings", "apply", "from_torch", "live", "read_settings", "tree"]

FIRST_KINETICS = 400  # classes


@dataclasses.dataclass(frozen=True)
class Settings(residual.Residual):
    """[B, 16, 112, 112, 3] gives a map of [B, 1, 4, 4, 2048]."""

    depth: int = 101
    stem: tuple[int, ...] = (7, 7, 7)
    stem_stride: tuple[int, ...] = (1, 2, 2)
    normalisation: str = "kinetics-0-255"


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes; and the normalisation, which the checkpoint's number of classes gives away.

    The early checkpoints know 400 actions and took colours of 0..255 less their mean. The later
    ones know more and took 0..1, with a mean and a deviation.
    """
    found = residual.read_settings(state, 3)
    if "classes" in found:
        early = found["classes"] == FIRST_KINETICS
        found["normalisation"] = "kinetics-0-255" if early else "kinetics-0-1"
    return found
