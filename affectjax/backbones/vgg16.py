"""VGG16 without its classifier: the last pooling, averaged over the picture, describes a scene."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from affectjax.backbones.torch_state import State
from affectjax.backbones.vgg import POOL, Plan, stack, stack_from_torch, stack_tree, torch_indices


@dataclasses.dataclass(frozen=True)
class Settings:
    """Widths and depths of the five groups."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    repeats: tuple[int, ...] = (2, 2, 3, 3, 3)
    normalisation: str = "caffe"

    @property
    def plan(self) -> Plan:
        """All layers: (name, width) of convolutions, and poolings."""
        steps: list[tuple[str, int] | str] = []
        for i, (width, repeats) in enumerate(zip(self.widths, self.repeats, strict=True), 1):
            steps += [(f"conv{i}_{j + 1}", width) for j in range(repeats)] + [POOL]
        return tuple(steps)


def tree(s: Settings) -> dict[str, Any]:
    """Shapes and initialisers of all parameters."""
    return {"params": stack_tree(s.plan, 3)}


def apply(variables: Mapping[str, Any], x: jax.Array, s: Settings) -> jax.Array:
    """Normalised pictures x [B, H, W, 3] -> [B, last width]."""
    return stack(variables["params"], x, s.plan).mean((1, 2))


def read_settings(state: State, config: Mapping[str, Any]) -> dict[str, Any]:
    """Caffe's names come with Caffe's colours; torchvision's with those of ImageNet."""
    return {"normalisation": "imagenet" if _torchvision(state) else "caffe"}


def from_torch(state: State, s: Settings) -> dict[str, Any]:
    """torchvision's layout (features.0, ...) or Caffe's (conv1_1, ...)."""
    state.ignore(r"(classifier\.|fc\d+\w*\.).*", "the classifier")
    names = [step[0] for step in s.plan if step != POOL]
    if _torchvision(state):
        names = [f"features.{i}" for i in torch_indices(s.plan)]
    return {"params": stack_from_torch(state, s.plan, 3, names)}


def _torchvision(state: State) -> bool:
    return bool(state.keys(r"features\."))
