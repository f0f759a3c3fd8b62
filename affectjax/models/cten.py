"""CTEN: segments enhanced by their correlation within and across sight and sound, and erased.

Temporal attention says which segments are key. Training looks at the video three times: whole, the
key segments alone, and what is left without them. Prediction looks at the whole.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices, detection, losses
from affectjax import metrics as metric
from affectjax.errors import UserError
from affectjax.layers.correlation import (
    Correlation,
    Streams,
    correlate,
    correlation_tree,
    enhance,
)
from affectjax.layers.dense import dense, dense_tree, last_dense
from affectjax.layers.erasing import (
    MODES,
    key_segments,
    left_segments,
    or_whole,
    strict_segments,
)
from affectjax.layers.inputs import projection_tree
from affectjax.layers.parameters import Parameters
from affectjax.layers.resampling import resample
from affectjax.layers.standardise import Standardise
from affectjax.layers.streams import streams
from affectjax.layers.temporal_attention import (
    mean_curve,
    temporal_attention,
    temporal_tree,
    weighted_sum,
)
from affectjax.models.cten_release import Release
from affectjax.models.video_streams import (
    Sight,
    Sound,
    check_networks,
    sight_flops,
    sight_width,
    sound_flops,
    sound_width,
)

Batch = Mapping[str, jax.Array]
Array = jax.Array

CHOICES = {
    "form": ("paper", "release"),
    "erase": ("none", *MODES),
    "pooling": ("mean", "sum"),
    "dtype": ("float32", "bfloat16"),
}
LOOKS = ("whole", "key", "left")


class Reading(NamedTuple):
    """One look at a set of segments."""

    attention: Streams  # {m: float32 [B, T]}
    logits: Array  # float32 [B, K]


class CTEN(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`.

    One modality or two. They are taken at their own common width, or projected to `projection`.
    With settings of a network in `sight` or `sound` the batch's frames or MFCC are a modality. With
    `resample` the batch has frames for every look, changed by draws of their own, and says where in
    a segment a snippet begins; sound is then never erased, as the released code has it.
    """

    modalities: Mapping[str, int]  # name -> feature width
    outputs: tuple[str, ...]  # names of the K classes, in order
    segments: int = 10
    projection: int = 0  # width that both are brought to; 0: their own, which must be the same
    visual: str = "motion"  # which modality is the picture; the release form tells them apart
    form: str = "paper"  # "release": as the authors' code has it; never erases sound
    intra: bool = True
    inter: bool = True
    erase: str = "joint"  # which segments are key: see `layers.erasing`
    threshold: float = 0.7  # theta
    iterations: int = 1  # erasings one after another, whose segments are united
    resample: int = 0  # erases by snippets of so many frames, taken anew of what is kept; 0: masks
    pooling: str = "mean"  # over the segments of a look; "sum" makes long videos loud
    standardise: bool = True  # features by the training split's mean and deviation
    curve_threshold: float = 0.5  # of the attention curve, for intervals
    sight: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of backbones.resnet3d
    sound: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of backbones.resnet
    sound_size: int = 224  # side that a stretch of MFCC is brought to
    frozen: tuple[str, ...] = ()  # which of the two is not trained
    norms: str = "stored"  # their batch norm: "live" normalises by the batch in training
    dtype: str = "float32"  # of products and activations; parameters stay float32

    def setup(self):
        check(self)
        if self.sight:
            still = "sight" in self.frozen
            self.sight_network = Sight(self.sight, self.norms, still, self.dtype, name="sight")
        if self.sound:
            still = "sound" in self.frozen
            self.sound_network = Sound(
                self.sound, self.norms, still, self.dtype, self.sound_size, name="sound"
            )
        widths = self._widths()
        self.to_unit = {
            m: Standardise(w, name=f"standardise_{m}")
            for m, w in self.modalities.items()
            if self.standardise
        }
        if self.form == "release":
            (sound,) = (w for m, w in widths.items() if m != self._visual)
            sizes = (widths[self._visual], self.segments, sound, len(self.outputs))
            self.release = Release(sizes, name="release")
            return
        names, width = sorted(widths), common_width(widths, self.projection)
        projections = projection_tree(widths, width) if self.projection else {}
        self.project_parameters = Parameters(projections, name="project")
        tree = correlation_tree(names, width, self.intra, self.inter)
        self.correlation_parameters = Parameters(tree, name="correlation")
        attention = {m: temporal_tree(width, self.segments) for m in names}
        self.attention_parameters = Parameters(attention, name="attention")
        head = dense_tree(len(names) * width, len(self.outputs))
        self.head_parameters = Parameters(head, name="head")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(self, batch: Batch, train: bool) -> tuple[dict[str, losses.Sum], dict[str, Array]]:
        """{look: (sum [B], weight [B])} of whole, key and left; predictions of the whole alone.

        Predictions: probability [B, K], label [B], curve [B, T], where `erase` is on whether the
        key or left set was empty [B] and the share of segments erased [B], and what `batch` tells
        of the truth.
        """
        features, there = self._streams(batch, train)
        read = self._reader(features, train)
        whole = read(there)
        looks, predictions = {"whole": whole}, {}
        if self.erase != "none":
            key, left, mode = self._sets(read, there, whole)
            for name, chosen in (("key", key), ("left", left)):
                chosen, empty = or_whole(chosen, {m: there[m] for m in chosen}, mode)
                if self.resample:  # the sound stays, as do the segments' places in it
                    again, seen = self._see(batch, train, name, chosen["frames"])
                    look = self._reader(features | {"frames": again}, train)
                    looks[name] = look(there | {"frames": seen})
                else:
                    looks[name] = read(there | chosen)
                predictions[f"empty_{name}"] = empty.astype(jnp.float32)
            predictions["erased"] = share(key, {m: there[m] for m in key})
        label, weight = batch["label"], batch["weight"]
        sums = {
            name: losses.cross_entropy(look.logits, label, weight) for name, look in looks.items()
        }
        predictions |= {
            "probability": jax.nn.softmax(whole.logits),
            "label": label,
            "curve": mean_curve(whole.attention, {m: there[m] for m in whole.attention}),
        }
        predictions |= {key: batch[key] for key in detection.FACTS if key in batch}
        return sums, jax.lax.stop_gradient(predictions)

    def _streams(self, batch: Batch, train: bool) -> tuple[Streams, Streams]:
        """{m: [B, T, C]} and {m: bool [B, T]} of features and of the networks, in sorted order."""
        names = sorted(self.modalities)
        features, there = streams(batch, names, self.segments, self.to_unit, self.dtype)
        if self.sound:
            features["mfcc"], there["mfcc"] = self.sound_network(batch, train)
        if self.projection:
            p = self.project_parameters()
            features = {m: dense(p[m], x) for m, x in features.items()}
        if self.sight:
            features["frames"], there["frames"] = self._see(batch, train)
        return dict(sorted(features.items())), dict(sorted(there.items()))

    def _see(
        self, batch: Batch, train: bool, look: str = "whole", kept: Array | None = None
    ) -> tuple[Array, Array]:
        """The stream of the frames [B, T, C], and bool [B, T], which are there.

        With `resample` they are drawn from the batch's frames: of every segment, or of `kept`.
        """
        frames = batch["frames" if look == "whole" else f"frames/{look}"]
        there = batch["present/frames"]
        if self.resample:
            if frames.shape[2] < self.resample:
                what = f"snippets of {self.resample} frames from {frames.shape[2]} a segment"
                raise UserError(what, "model.resample", "Raise examples.frames.")
            everything = jnp.ones(frames.shape[:2], bool)
            start = batch["frames_start"][:, LOOKS.index(look)]
            line = everything if kept is None else kept
            frames, seen = resample(frames, line, start, self.resample)
            there = there if kept is None else seen
        maps, there = self.sight_network({"frames": frames, "present/frames": there}, train)
        x = maps.mean(2)
        return (dense(self.project_parameters()["frames"], x) if self.projection else x), there

    def _reader(self, features: Streams, train: bool):
        """The function that takes a look at some segments of these streams."""
        if self.form == "release":
            return partial(self._read_release, features, train)
        p = self.correlation_parameters()
        return partial(self._read, correlate(p, features, self.intra, self.inter))

    @property
    def _visual(self) -> str:
        return "frames" if self.sight else self.visual

    def _widths(self) -> dict[str, int]:
        widths = dict(self.modalities)
        if self.sight:
            widths["frames"] = sight_width(self.sight)
        if self.sound:
            widths["mfcc"] = sound_width(self.sound)
        return widths

    def _read(self, found: Correlation, there: Streams) -> Reading:
        """One look at the segments `there` {m: [B, T]}."""
        p = self.attention_parameters()
        enhanced = enhance(self.correlation_parameters(), found, there, self.intra, self.inter)
        attention = {m: temporal_attention(p[m], x, there[m]) for m, x in enhanced.items()}
        parts = []
        for m, x in enhanced.items():
            count = there[m].sum(-1, keepdims=True) if self.pooling == "mean" else 1
            parts.append(weighted_sum(attention[m], x) / jnp.maximum(count, 1))
        vector = jnp.concatenate(parts, -1)
        return Reading(attention, last_dense(self.head_parameters(), vector))

    def _read_release(self, features: Streams, train: bool, there: Streams) -> Reading:
        """One look through the released formulae; the attention is of both streams at once."""
        (sound,) = (m for m in features if m != self._visual)
        seen, heard = there[self._visual], there[sound]
        x = jnp.where(seen[..., None], features[self._visual], 0.0)
        logits, weights = self.release(x, seen, features[sound], heard, train)
        return Reading({self._visual: weights}, logits)

    def _sets(self, read, there: Streams, whole: Reading) -> tuple[Streams, Streams, str]:
        """The key and the left segments, and the mode in which a set is empty.

        The key ones are those of `iterations` looks, each at what the ones before left.
        """
        if self.form == "release":
            m = self._visual
            key, left = strict_segments(whole.attention[m], there[m], self.threshold)
            return {m: key}, {m: left}, "stream"
        key = key_segments(whole.attention, there, self.threshold, self.erase)
        for _ in range(self.iterations - 1):
            left = left_segments(key, there)
            more = key_segments(read(left).attention, left, self.threshold, self.erase)
            key = {m: key[m] | more[m] for m in key}
        return key, left_segments(key, there), self.erase

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the segments of a host batch."""
        widths = self._widths()
        n = {m: np.asarray(batch[f"present/{m}"]).sum(1).astype(float) for m in widths}
        rows, c = sum(n.values()), self.projection or max(widths.values())
        looks = 1 if self.erase == "none" else 2 + self.iterations
        total = sum(2 * n[m] * w * c for m, w in widths.items()) if self.projection else 0.0
        squares = sum(np.square(x) for x in n.values())
        pairs = self.intra * squares + self.inter * (np.square(rows) - squares)
        if self.intra or self.inter:
            total = total + 6 * rows * c * c + 2 * pairs * c
        each = 2 * pairs * c + 4 * rows * c + 2 * rows * self.segments
        total = total + looks * (each + 2 * len(n) * c * len(self.outputs))
        return float(np.sum(total)) + sum(self.network_flops(batch).values())

    def network_flops(self, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Those of them that are a network's before the streams, by its name."""
        found = {}
        if self.sight:
            again = len(LOOKS) if self.resample and self.erase != "none" else 1
            frames = self.resample or batch["frames"].shape[2]
            found["sight"] = again * sight_flops(self.sight, batch, frames)
        if self.sound:
            found["sound"] = sound_flops(self.sound, batch, self.sound_size)
        return found

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        return {"probability": self.outputs}

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Predictions of all videos -> recognition, detection, and how often a set was empty."""
        found = metric.classification(arrays["probability"], arrays["label"], self.outputs)
        for name in ("empty_key", "empty_left", "erased"):
            if name in arrays:
                found[name] = float(np.mean(arrays[name]))
        return found | detection.metrics(arrays, self.curve_threshold)


def check(model: CTEN) -> None:
    """Raises where the settings contradict each other."""
    choices.check(model, CHOICES)
    widths = model._widths()
    many = len(widths)
    if not 1 <= many <= 2:
        raise UserError(f"CTEN reads one modality or two, not {many}", "model.modalities")
    if model.form == "release" and (many < 2 or model._visual not in widths):
        raise UserError(
            f"the release form reads '{model._visual}' and one modality of sound", "model.form"
        )
    if model.inter and many == 1:
        raise UserError(
            "one modality has no other to correlate with",
            "model.inter",
            "Set model.inter=False, or name two modalities.",
        )
    if len(model.outputs) < 2:
        raise UserError(f"{len(model.outputs)} classes, it takes two", "model.outputs")
    if not 0 <= model.threshold <= 1:
        raise UserError(f"threshold = {model.threshold} lies outside 0..1", "model.threshold")
    if model.iterations < 1:
        raise UserError(f"iterations = {model.iterations}", "model.iterations", "At least 1.")
    if model.resample < 0:
        raise UserError(f"resample = {model.resample}", "model.resample", "0 erases by masks.")
    if model.resample and (not model.sight or model.erase == "none" or model.iterations > 1):
        raise UserError(
            "re-sampling takes frames, and one erasing of them",
            "model.resample",
            "Set model.sight and model.erase, and model.iterations=1; or model.resample=0.",
        )
    if model.form == "release" and (model.projection or model.iterations > 1):
        raise UserError("the release form projects nothing and erases once", "model.form")
    if model.form == "paper":
        common_width(widths, model.projection)
    check_networks(model.norms, model.frozen, {"sight": model.sight, "sound": model.sound})


def common_width(modalities: Mapping[str, int], projection: int) -> int:
    """`projection`, or the modalities' own width where that is 0 and they agree."""
    widths = set(modalities.values())
    if projection:
        return projection
    if len(widths) > 1:
        raise UserError(
            f"the features are {' and '.join(map(str, sorted(widths)))} wide",
            "model.modalities",
            "Set model.projection, the width that both are then brought to.",
        )
    return widths.pop()


def share(chosen: Streams, there: Streams) -> Array:
    """Which share of what is there is chosen, [B]."""
    count = [sum(x.sum(-1) for x in masks.values()) for masks in (chosen, there)]
    return count[0] / jnp.maximum(count[1], 1)


Model = CTEN  # what `model.name = "cten"` in a config stands for
