"""VAANet: what counts in a video's picture (cells, channels, segments) and in its sound (segments).

Both streams are weighted sums over T segments, joined end to end. The loss adds a penalty where the
likeliest emotion has the wrong polarity.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices, detection, losses
from affectjax import metrics as metric
from affectjax.errors import UserError
from affectjax.layers.dense import dense_tree, last_dense
from affectjax.layers.map_attention import map_tree, pooled_map
from affectjax.layers.parameters import Parameters
from affectjax.layers.standardise import Standardise
from affectjax.layers.streams import streams
from affectjax.layers.temporal_attention import (
    mean_curve,
    temporal_attention,
    temporal_tree,
    weighted_sum,
)
from affectjax.models.vaanet_release import Release
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
Streams = dict[str, jax.Array]
Array = jax.Array

CHOICES = {
    "form": ("paper", "release"),
    "attention": ("mean_one", "printed"),
    "dtype": ("float32", "bfloat16"),
}


class VAANet(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`.

    A row of the visual modality is a map: `cells` places one after another, each with the same
    number of channels; a row of sound is a vector. Either modality may be left out. With settings
    of a network in `sight` or `sound` the batch's frames or MFCC take the modality's place.
    """

    modalities: Mapping[str, int]  # name -> feature width
    outputs: tuple[str, ...]  # names of the K classes, in order
    positive: tuple[str, ...] = ()  # those of positive polarity
    segments: int = 10
    visual: str = "motion"  # which modality is the picture; the other is the sound
    cells: int = 16
    form: str = "paper"  # "release": as the authors' code has it, with both streams and all parts
    spatial: bool = True
    channel: bool = True
    temporal: bool = True
    audio_temporal: bool = True
    attention: str = "mean_one"  # of cells and channels; "printed": a plain softmax
    penalty: float = 0.5  # of the wrong polarity; 0 is plain cross-entropy
    standardise: bool = True  # features by the training split's mean and deviation
    curve_threshold: float = 0.5  # of the attention curve, for intervals
    sight: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of backbones.resnet3d
    sound: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of backbones.resnet
    frozen: tuple[str, ...] = ()  # which of the two is not trained
    sound_segments: int = 0  # of sound alone, in the release form; 0: as many as of the picture
    norms: str = "stored"  # batch norm of `sight`: "live" normalises by the batch in training
    dtype: str = "float32"  # of products and activations; parameters stay float32

    def setup(self):
        check(self)
        if self.sight:
            still = "sight" in self.frozen
            self.sight_network = Sight(self.sight, self.norms, still, self.dtype, name="sight")
        if self.sound:  # small, new and trained: its batch norm is always live
            still = "sound" in self.frozen
            norms = "stored" if still else "live"
            self.sound_network = Sound(self.sound, norms, still, self.dtype, name="sound")
        self.to_unit = {
            m: Standardise(w, name=f"standardise_{m}")
            for m, w in self.modalities.items()
            if self.standardise
        }
        widths = self._widths()
        if self.form == "release":
            (sound,) = (w for m, w in widths.items() if m != self._visual)
            heard = self.sound_segments or self.segments
            visual = widths[self._visual]
            sizes = (self.cells, visual, self.segments, sound, heard, len(self.outputs))
            self.release = Release(sizes, name="release")
            return
        tree = {}
        if self._visual in widths:
            tree = map_tree(self.cells, widths[self._visual], self.spatial, self.channel)
        self.map_parameters = Parameters(tree, name="map")
        time = {m: temporal_tree(w, self.segments) for m, w in widths.items() if self._attends(m)}
        self.attention_parameters = Parameters(time, name="attention")
        head = dense_tree(sum(widths.values()), len(self.outputs))
        self.head_parameters = Parameters(head, name="head")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(self, batch: Batch, train: bool) -> tuple[dict[str, losses.Sum], dict[str, Array]]:
        """({"label": (sum [B], weight [B])}, predictions).

        Predictions: probability [B, K], label [B], curve [B, T], and what `batch` tells of the
        truth.
        """
        features, there = self._streams(batch, train)
        read = self._read_release if self.form == "release" else self._read
        attention, logits = read(features, there, train)
        label, weight = batch["label"], batch["weight"]
        if self.penalty:
            positive = losses.polarity_table(self.outputs, self.positive)
            found = losses.polarity_consistent(logits, label, weight, positive, self.penalty)
        else:
            found = losses.cross_entropy(logits, label, weight)
        predictions = {
            "probability": jax.nn.softmax(logits),
            "label": label,
            "curve": mean_curve(attention, {m: there[m] for m in attention}),
        }
        predictions |= {key: batch[key] for key in detection.FACTS if key in batch}
        return {"label": found}, jax.lax.stop_gradient(predictions)

    def _read(self, features: Streams, there: Streams, train: bool) -> tuple[Streams, Array]:
        """The printed equations: attention {m: [B, T]} and logits [B, K]."""
        if self._visual in features:
            x = features[self._visual]
            rows = x.reshape(-1, self.cells, x.shape[-1] // self.cells)
            pooled = pooled_map(self.map_parameters(), rows, self.attention == "printed")
            features[self._visual] = pooled.reshape(*x.shape[:2], -1)
        p = self.attention_parameters()
        attention, parts = {}, []
        for m in self._widths():
            if self._attends(m):
                attention[m] = temporal_attention(p[m], features[m], there[m])
            else:
                attention[m] = there[m].astype(jnp.float32)
            parts.append(weighted_sum(attention[m], features[m]))
        return attention, last_dense(self.head_parameters(), jnp.concatenate(parts, -1))

    def _read_release(self, features: Streams, there: Streams, train: bool):
        """The released formulae; of the attention that of the picture."""
        (sound,) = (m for m in features if m != self._visual)
        x = features[self._visual]
        maps = x.reshape(*x.shape[:2], self.cells, -1)
        logits, seen, _ = self.release(
            maps, there[self._visual], features[sound], there[sound], train
        )
        return {self._visual: seen}, logits

    def _streams(self, batch: Batch, train: bool) -> tuple[dict[str, Array], dict[str, Array]]:
        """{m: [B, T, D_m]} and {m: bool [B, T]} of features and of the networks."""
        names = sorted(self.modalities)
        features, there = streams(batch, names, self.segments, self.to_unit, self.dtype)
        if self.sight:
            x, there["frames"] = self.sight_network(batch, train)
            if x.shape[2] != self.cells:
                raise UserError(
                    f"the maps of these frames have {x.shape[2]} cells, not {self.cells}",
                    "model.cells",
                    f"Say --config.model.cells={x.shape[2]}.",
                )
            features["frames"] = x.reshape(*x.shape[:2], -1)
        if self.sound:
            features["mfcc"], there["mfcc"] = self.sound_network(batch, train)
        return features, there

    @property
    def _visual(self) -> str:
        return "frames" if self.sight else self.visual

    def _attends(self, m: str) -> bool:
        return self.temporal if m == self._visual else self.audio_temporal

    def _widths(self) -> dict[str, int]:
        """What each stream sums over time, in the order in which they are joined."""
        widths = {m: w // self.cells if m == self.visual else w for m, w in self.modalities.items()}
        if self.sight:
            widths["frames"] = sight_width(self.sight)
        if self.sound:
            widths["mfcc"] = sound_width(self.sound)
        return dict(sorted(widths.items()))

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the segments of a host batch."""
        total = sum(self.network_flops(batch).values())
        total += 2.0 * len(batch["weight"]) * sum(self._widths().values()) * len(self.outputs)
        for m, width in self._widths().items():
            rows = float(np.asarray(batch[f"present/{m}"]).sum())
            total += 2 * rows * width
            if m == self._visual:
                reads = 1 + self.spatial + self.channel
                total += 2 * rows * self.cells * width * reads
                total += 2 * rows * (self.spatial * self.cells**2 + self.channel * width**2)
            if self._attends(m):
                total += 2 * rows * (width + self.segments)
        return total

    def network_flops(self, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Those of them that are a network's before the streams, by its name."""
        found = {}
        if self.sight:
            found["sight"] = sight_flops(self.sight, batch, batch["frames"].shape[2])
        if self.sound:
            found["sound"] = sound_flops(self.sound, batch)
        return found

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        return {"probability": self.outputs}

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Predictions of all videos -> recognition, polarity, and detection where truth is told."""
        found = metric.classification(arrays["probability"], arrays["label"], self.outputs)
        if self.positive:
            known = arrays["label"] >= 0
            positive = np.array(losses.polarity_table(self.outputs, self.positive))
            chosen = positive[arrays["probability"].argmax(1)]
            found["polarity"] = metric.ratio(chosen[known] == positive[arrays["label"][known]],
                                             np.ones(known.sum()))  # fmt: skip
        return found | detection.metrics(arrays, self.curve_threshold)


def check(model: VAANet) -> None:
    """Raises where the settings contradict each other."""
    choices.check(model, CHOICES)
    sounds = [m for m in model.modalities if m != model.visual] + ["mfcc"] * bool(model.sound)
    sights = [m for m in model.modalities if m == model.visual] + ["frames"] * bool(model.sight)
    if not 1 <= len(sounds + sights) <= 2 or max(len(sounds), len(sights)) > 1:
        raise UserError(
            f"VAANet reads '{model.visual}' and one modality of sound, or one of the two, not "
            f"{', '.join(sounds + sights) or 'none'}",
            "model.modalities",
        )
    check_networks(model.norms, model.frozen, {"sight": model.sight, "sound": model.sound})
    if model.form == "release" and len(sounds + sights) < 2:
        raise UserError("the release form reads picture and sound", "model.form")
    if len(model.outputs) < 2:
        raise UserError(f"{len(model.outputs)} classes, it takes two", "model.outputs")
    if model.modalities.get(model.visual, 0) % model.cells:
        raise UserError(
            f"a map of {model.modalities[model.visual]} numbers has no {model.cells} equal cells",
            "model.cells",
            "1 for features pooled over space.",
        )
    if model.penalty:
        losses.polarity_table(model.outputs, model.positive)


Model = VAANet  # what `model.name = "vaanet"` in a config stands for
