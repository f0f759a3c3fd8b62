"""The backbones as extractors: windows prepared with NumPy, embedded by a network on the device.

`weights` names a folder that `python -m affectjax.convert` wrote, or is "random" to try the way
without any. Made and pickled without jax, which starts at the first `embed`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from affectjax.backbones import catalogue, vggish_sound
from affectjax.backbones import weights as stored
from affectjax.errors import UserError
from affectjax.media.extractor import Frames, Sound, check_count, check_rate

RANDOM = "random"
SEGMENT = 30 / 16  # rows a second: 16 pictures of 30 a second
DTYPES = ("float32", "bfloat16")
POSTS = ("none", "pca", "quantised")


@dataclasses.dataclass
class Backbone:
    """One modality from one network; see the contract of an extractor."""

    name: str
    settings: Mapping[str, Any]
    weights: str  # digest
    trained: bool
    modalities: Mapping[str, int]
    wants: Mapping[str, Frames | Sound]
    network: str  # in the catalogue
    folder: str  # of the weights, or RANDOM
    shape: Callable[[np.ndarray], np.ndarray]  # window [n, ...] -> rows [n, ...]
    batch: int
    detector: str = ""  # folder of the weights that find faces, or RANDOM
    program: Any = None  # the compiled network, once there is one

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """Windows of pictures or sound as the network takes them."""
        return self.shape(window)

    def embed(self, modality: str, rows: np.ndarray) -> np.ndarray:
        """rows [n, ...] as `prepare` gave them -> float32 [n, D]."""
        if self.program is None:
            from affectjax.backbones import embedding

            self.program = embedding.program(self)
        return self.program(rows)

    def __getstate__(self) -> dict[str, Any]:
        """Workers prepare and never embed: arrays and compiled programs stay here."""
        return {**self.__dict__, "program": None}

    def read(self) -> stored.Weights:
        """The network with its arrays."""
        if self.folder != RANDOM:
            return stored.load(self.folder, self.network)
        return stored.random(self.network, **self.settings["network"])

    def read_detector(self) -> stored.Weights | None:
        """The networks that find faces, if this one looks at faces."""
        if self.detector in ("", RANDOM):
            return stored.random("mtcnn") if self.detector else None
        return stored.load(self.detector, "mtcnn")


def clip(weights: str = "", rate: float = SEGMENT, **options: Any) -> Backbone:
    """The middle picture of every segment, as CLIP sees it."""
    about = described("clip", weights, options)
    size = about["settings"].get("size", 224)
    wants = Frames(rate, (size, size), scaling="bicubic")
    width = about["settings"].get("projection", 512)
    return made("clip", about, "image", width, wants, only_picture, options)


def resnet3d(weights: str = "", rate: float = SEGMENT, **options: Any) -> Backbone:
    """16 pictures of every segment through a 3-D residual network, pooled."""
    about = described("resnet3d", weights, options)
    options = {"batch": 16, **options}
    wants = Frames(rate, (112, 112), count=16, scaling="bilinear")
    return made("resnet3d", about, "motion", residual_width(about, 101), wants, as_it_is, options)


def resnet50(weights: str = "", rate: float = SEGMENT, **options: Any) -> Backbone:
    """What an ImageNet network makes of the middle picture: its objects."""
    about = described("resnet", weights, options)
    wants = Frames(rate, (224, 224), scaling="bilinear")
    width = residual_width(about, 50)
    return made("resnet", about, "object", width, wants, only_picture, options, name="resnet50")


def places365(weights: str = "", rate: float = 1.0, **options: Any) -> Backbone:
    """The scene of one picture a second."""
    about = described("places365", weights, options)
    options = {"batch": 16, **options}
    wants = Frames(rate, (224, 224), fit="stretch", scaling="bilinear")
    width = about["settings"].get("widths", [512])[-1]
    return made("places365", about, "scene", width, wants, only_picture, options)


def openpose(weights: str = "", rate: float = 1.0, **options: Any) -> Backbone:
    """The trunk of a body network on one picture a second, through added layers if it has any."""
    about = described("openpose", weights, options)
    options = {"batch": 8, **options}
    size = tuple(about["settings"].get("size", (368, 368)))
    wants = Frames(rate, size, fit="stretch", scaling="bilinear")
    narrow = about["settings"].get("narrow", (256, 128))
    width = (about["settings"].get("added") or narrow)[-1]
    return made("openpose", about, "action", width, wants, only_picture, options)


def efficientnet(weights: str = "", rate: float = 1.0, **options: Any) -> Backbone:
    """What EfficientNet makes of one picture a second, before any classifier."""
    about = described("efficientnet", weights, options)
    wants = Frames(rate, (224, 224), scaling="bicubic")
    width = about["settings"].get("features", 1280)
    return made("efficientnet", about, "visual", width, wants, only_picture, options)


def xception(weights: str = "", faces: str = "", rate: float = 1.0, **options: Any) -> Backbone:
    """The largest face of one picture a second; zeros where there is none, as no face gives.

    `faces` names the weights of MTCNN, which finds them; "random" where `weights` is.
    """
    about = described("xception", weights, options)
    found = described("mtcnn", faces or (RANDOM if weights == RANDOM else ""), {}, "faces")
    options = {"batch": 16, **options}
    wants = Frames(rate, (360, 640), scaling="bilinear")
    s = about["settings"]
    width = s.get("face", 3072) or s.get("leave", (2048,))[-1]
    how = {"detector": dict(found["settings"])}
    one = made("xception", about, "expression", width, wants, only_picture, options, how)
    return dataclasses.replace(
        one,
        weights=f"{about['weights']}, {found['weights']}",
        trained=about["trained"] and found["trained"],
        detector=found["folder"],
    )


def vggish(
    weights: str = "", rate: float = SEGMENT, post: str = "none", **options: Any
) -> Backbone:
    """The 0.96 s of sound around every row; `post` "pca" or "quantised" as AudioSet's release."""
    about = described("vggish", weights, options)
    if post not in POSTS:
        raise UserError(f"post = {post!r} is unknown", "vggish", f"Choose from {', '.join(POSTS)}.")
    if post != "none" and not about["settings"].get("pca"):
        mend = "Convert vggish_pca_params-970ea276.pth together with the weights."
        raise UserError("These weights hold no principal components", weights, mend)
    seconds = vggish_sound.SAMPLES / vggish_sound.RATE
    wants = Sound(rate, seconds, vggish_sound.RATE)
    width = about["settings"].get("width", 128)
    how = {"post": post}
    return made("vggish", about, "audio", width, wants, vggish_sound.log_mel, options, how)


def described(
    network: str, folder: str, options: dict[str, Any], option: str = "weights"
) -> dict[str, Any]:
    """What is known of the weights; `options` lose `seed` and `sizes`, which random ones take."""
    seed, sizes = options.pop("seed", 0), options.pop("sizes", {})
    check_count(network, "seed", seed, 0)
    if folder == RANDOM:
        about = {"settings": dict(sizes), "weights": f"random {seed}", "trained": False}
        return about | {"folder": RANDOM, "seed": seed}
    if not folder:
        mend = catalogue.how_to_get(network, option)
        if option == "faces":
            mend += f" A command takes --weights=W with W/{network} beside the other networks."
        raise UserError(f"There are no weights of {network}", mend=mend)
    if sizes or seed:
        mend = "Leave seed and sizes out, or say weights=random."
        raise UserError("Only random weights take a seed and sizes", network, mend)
    return stored.describe(folder, network) | {"folder": str(folder)}


def made(
    network: str,
    about: Mapping[str, Any],
    modality: str,
    width: int,
    wants: Frames | Sound,
    shape: Callable[[np.ndarray], np.ndarray],
    options: Mapping[str, Any],
    how: Mapping[str, Any] | None = None,
    name: str = "",
) -> Backbone:
    """An extractor of one modality around a network, with its weights loaded."""
    known = {"dtype": "float32", "batch": 64}  # smaller where large pictures fill the memory
    for key in options:
        if key not in known:
            names = "weights, rate, dtype, batch, seed, sizes"
            raise UserError(f"The extractor {network} knows no {key!r}", mend=f"It knows {names}.")
    chosen = {**known, **options}
    if chosen["dtype"] not in DTYPES:
        what = f"dtype = {chosen['dtype']!r} is unknown"
        raise UserError(what, network, f"Choose from {', '.join(DTYPES)}.")
    check_count(network, "batch", chosen["batch"])
    check_rate(network, wants.rate)
    settings = {"network": dict(about["settings"]), "dtype": chosen["dtype"], **(how or {})}
    if about["folder"] == RANDOM:
        settings["network"]["seed"] = about["seed"]
    return Backbone(
        name=name or network,
        settings=settings,
        weights=about["weights"],
        trained=about["trained"],
        modalities={modality: width},
        wants={modality: wants},
        network=network,
        folder=about["folder"],
        shape=shape,
        batch=chosen["batch"],
    )


def residual_width(about: Mapping[str, Any], depth: int) -> int:
    """Channels of the last stage of a residual network of these settings."""
    s = {"depth": depth, "width": 64, **about["settings"]}
    basic = s.get("block") == "basic" or (not s.get("block") and s["depth"] < 50)
    return s["width"] * 2 ** (len(s.get("blocks") or "four") - 1) * (1 if basic else 4)


def only_picture(window: np.ndarray) -> np.ndarray:
    """[n, 1, H, W, 3] -> [n, H, W, 3]; colours are put right on the device, bytes travel."""
    return window[:, window.shape[1] // 2]


def as_it_is(window: np.ndarray) -> np.ndarray:
    """No change."""
    return window
