"""What torchvision and timm call the parts of an EfficientNet.

A part with a batch norm has two names, (convolution, norm); a gate's dense layer has one.
"""

from collections.abc import Callable, Iterable
from typing import Any

Names = dict[str, Any]


def torchvision_ends(stages: int) -> Names:
    """The first and last parts, in torchvision."""
    last = f"features.{stages + 1}"
    return {
        "stem": ("features.0.0", "features.0.1"),
        "last": (f"{last}.0", f"{last}.1"),
        "head": "classifier.1",
    }


def torchvision_block(stage: int, index: int, units: Iterable[str]) -> Names:
    """The block is a torch Sequential: its parts are counted, the gate before the last."""
    at = f"features.{stage + 1}.{index}.block"
    found = {name: i for i, name in enumerate(units)}
    squeeze = found["project"]
    found["project"] += 1
    names: Names = {name: (f"{at}.{i}.0", f"{at}.{i}.1") for name, i in found.items()}
    return names | {"reduce": f"{at}.{squeeze}.fc1", "widen": f"{at}.{squeeze}.fc2"}


def timm_ends(stages: int) -> Names:
    """The first and last parts, in timm."""
    return {"stem": ("conv_stem", "bn1"), "last": ("conv_head", "bn2"), "head": "classifier"}


def timm_block(stage: int, index: int, units: Iterable[str]) -> Names:
    """The last 1 x 1 convolution is `conv_pwl` in a block that has two of them."""
    at = f"blocks.{stage}.{index}"
    units = list(units)
    project = "conv_pwl" if "expand" in units else "conv_pw"
    convs = {"expand": "conv_pw", "depthwise": "conv_dw", "project": project}
    names: Names = {name: (f"{at}.{convs[name]}", f"{at}.bn{i}") for i, name in enumerate(units, 1)}
    return names | {"reduce": f"{at}.se.conv_reduce", "widen": f"{at}.se.conv_expand"}


def of(timm: bool) -> tuple[Callable[..., Names], Callable[..., Names]]:
    """(names of the ends, names of a block)."""
    return (timm_ends, timm_block) if timm else (torchvision_ends, torchvision_block)
