"""How a checkpoint wants its pictures: channel order, scale, mean and deviation. No jax here.

The normalisation belongs to the checkpoint, not to the network: two files of one network differ
in it. A converted folder keeps the name of its own.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """(pixel / divide - mean) / deviation per channel, after the channels are put in `order`."""

    order: str = "RGB"
    divide: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)


NORMALISATIONS = {
    "clip": Normalisation(
        mean=(0.48145466, 0.4578275, 0.40821073),
        deviation=(0.26862954, 0.26130258, 0.27577711),
    ),
    "imagenet": Normalisation(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    # Caffe's networks read blue first, 0..255, less the mean picture's colour.
    "caffe": Normalisation("BGR", 1.0, mean=(104.006, 116.669, 122.679)),
    "openpose": Normalisation("BGR", 256.0, mean=(0.5, 0.5, 0.5)),
    "kinetics-0-255": Normalisation(divide=1.0, mean=(114.7748, 107.7354, 99.4750)),
    "kinetics-0-1": Normalisation(
        mean=(0.4345, 0.4051, 0.3775), deviation=(0.2768, 0.2713, 0.2737)
    ),
    # What the released VAANet gives its network, whatever its checkpoint was trained on.
    "less-100": Normalisation(mean=(100 / 255, 100 / 255, 100 / 255)),
    "symmetric": Normalisation(mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5)),
    "none": Normalisation(divide=1.0),
}


def named(name: str) -> Normalisation:
    """A normalisation by its name; an unknown one is an error that lists them."""
    if name not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise UserError(f"There is no normalisation {name!r}", mend=f"Choose from {known}.")
    return NORMALISATIONS[name]


def matching(mean: Sequence[float], deviation: Sequence[float], where: str = "") -> str:
    """The name of what a hub's preprocessor_config.json says of its pictures, 0..1."""
    for name, how in NORMALISATIONS.items():
        known = (how.order, how.divide) == ("RGB", 255.0)
        if known and np.allclose([*how.mean, *how.deviation], [*mean, *deviation], atol=1e-6):
            return name
    what = f"No normalisation is known with mean {list(mean)} and deviation {list(deviation)}"
    raise UserError(what, where, "Say --normalisation if one of ours is meant all the same.")


def normalise(frames: Any, name: str) -> Any:
    """RGB [..., 3], 0..255 -> float32 [..., 3]; of NumPy or of jax, as the frames are."""
    how = named(name)
    if how.order == "BGR":
        frames = frames[..., ::-1]
    scale = 1.0 / (how.divide * np.asarray(how.deviation))
    shift = -np.asarray(how.mean) / np.asarray(how.deviation)
    return frames.astype(np.float32) * scale.astype(np.float32) + shift.astype(np.float32)
