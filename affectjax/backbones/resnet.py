"""2-D residual networks with torchvision's names: pictures of ImageNet, or sound as one channel."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from affectjax.backbones import residual
from affectjax.backbones.residual import apply, from_torch, live, tree
from affectjax.backbones.torch_state import State

__all__ = ["Settings", "apply", "from_torch", "live", "read_settings", "tree"]


@dataclasses.dataclass(frozen=True)
class Settings(residual.Residual):
    """[B, 224, 224, 3] gives a map of [B, 7, 7, 2048]."""


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes; a stem one line high or wide does not stride across it."""
    found = residual.read_settings(state, 2)
    found["stem_stride"] = tuple(1 if size == 1 else 2 for size in found["stem"])
    found["normalisation"] = "imagenet" if found["channels"] == 3 else "none"
    return found
