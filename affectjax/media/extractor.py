"""What an extractor is: the windows of picture and sound that it wants, and what it makes of them.

A modality has `rate` rows a second; row i is centred on (i + 0.5) / rate seconds from the video's
start and depends on its own window alone, so a film of any length streams through in chunks.
An extractor works in two steps: `prepare` in the process that decodes, with NumPy, and `embed`, if
it has one, in the main process, on rows of many videos at once and on whatever device is there.
"""

import dataclasses
import importlib
import inspect
import math
import numbers
import pathlib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Frames:
    """F pictures, `step` seconds apart, around each row's centre: uint8 [n, F, H, W, 3]."""

    rate: float
    size: tuple[int, int]  # H, W
    count: int = 1  # F
    step: float = 1 / 30
    # "crop": short side to the size, then the centre; "stretch": both sides; "short": short side
    # to the size, nothing cut, so that H or W is the video's own
    fit: str = "crop"
    scaling: str = "area"  # "area" | "bilinear" | "bicubic"


@dataclasses.dataclass(frozen=True)
class Sound:
    """`seconds` of mono sound around each row's centre: float32 [n, S] in -1..1."""

    rate: float
    seconds: float
    samples: int = 16_000  # a second


@runtime_checkable
class Extractor(Protocol):
    """Features of some modalities. `settings` and `weights` are part of the key of what it made."""

    name: str
    settings: Mapping[str, Any]  # as JSON holds it
    weights: str  # digest of the weights, "" where there are none
    trained: bool  # False: weights drawn at random, to try the way
    modalities: Mapping[str, int]  # name -> D
    wants: Mapping[str, Frames | Sound]  # of each modality

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """[n, window] -> [n, ...]: the features, or what `embed` makes them of. No jax here."""

    # def embed(self, modality: str, rows: np.ndarray) -> np.ndarray: [n, ...] -> float32 [n, D]

    # With `entry = True` its one modality is no feature but the record's own entry of that name,
    # `frames` or `mfcc`, made of all rows of a source at once:
    # def gather(self, modality: str, rows: np.ndarray) -> dict[str, np.ndarray]


BUILT_IN = {
    "lowlevel": "affectjax.media.lowlevel:Lowlevel",
    "frames": "affectjax.media.pictures:Pictures",
    "mfcc": "affectjax.media.spectra:Mfcc",
    "filterbanks": "affectjax.media.filterbanks:FilterBanks",
    "clip": "affectjax.backbones.extractors:clip",
    "resnet3d": "affectjax.backbones.extractors:resnet3d",
    "resnet50": "affectjax.backbones.extractors:resnet50",
    "vggish": "affectjax.backbones.extractors:vggish",
    "places365": "affectjax.backbones.extractors:places365",
    "openpose": "affectjax.backbones.extractors:openpose",
    "efficientnet": "affectjax.backbones.extractors:efficientnet",
    "xception": "affectjax.backbones.extractors:xception",
}


def resolve(name: str, options: Mapping[str, Any] | None = None) -> Extractor:
    """The extractor of that name: one of ours, or `package.module:Class` of the user's own."""
    path = BUILT_IN.get(name, name)
    module, _, attribute = path.partition(":")
    if not attribute:
        known = ", ".join(BUILT_IN)
        mend = f"Choose from {known}, or name your own as package.module:Class."
        raise UserError(f"There is no extractor {name!r}", mend=mend)
    try:
        made = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        mend = "Write it as package.module:Class, importable from where the command runs."
        raise UserError(f"The extractor {name!r} cannot be imported: {error}", mend=mend) from error
    options = dict(options or {})
    try:
        found = made(**options)
    except (TypeError, ValueError) as error:
        what = f"The extractor {name!r} refuses its options {options}: {error}"
        raise UserError(what, "--extractor-options") from error
    if not isinstance(found, Extractor):
        wanted = "name, settings, weights, trained, modalities, wants and prepare"
        raise UserError(f"{path} is no extractor", name, f"It must have {wanted}.")
    return found


def options_of(name: str) -> tuple[str, ...]:
    """The options that the extractor of that name takes."""
    module, _, attribute = BUILT_IN.get(name, name).partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)
        return tuple(inspect.signature(made).parameters)
    except (ImportError, AttributeError, TypeError, ValueError):
        return ()  # making it says what is wrong


def takes_weights(name: str) -> bool:
    """Whether the extractor of that name has an option `weights`."""
    return "weights" in options_of(name)


def weights_of(name: str, folder: str) -> dict[str, str]:
    """The options that name an extractor's weights: DIR/<extractor>, else DIR, and DIR/mtcnn."""
    taken, found = options_of(name), {}
    if "weights" in taken:
        own = pathlib.Path(folder, name)
        found["weights"] = str(own.absolute() if own.is_dir() else folder)
    faces = pathlib.Path(folder, "mtcnn")
    if "faces" in taken and faces.is_dir():
        found["faces"] = str(faces.absolute())
    return found


def check_count(
    extractor: str, option: str, value: Any, least: int = 1, most: float = math.inf
) -> None:
    """Refuses an option that is no whole number from `least` to `most`."""
    fits = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (fits and least <= value <= most):
        what = f"{extractor} cannot have the option {option} = {value!r}"
        span = f"at least {least}" if most == math.inf else f"from {least} to {most}"
        raise UserError(what, "--extractor-options", f"It is a whole number, {span}.")


def check_rate(extractor: str, value: Any) -> None:
    """Refuses a rate that is no number above 0."""
    fits = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (fits and 0 < value < math.inf):
        what = f"{extractor} cannot have the option rate = {value!r}"
        raise UserError(what, "--extractor-options", "It is a number above 0, of rows a second.")
