"""TAM after pre-training: which emotion a video evokes, from its features alone.

The fusion keeps the parameters' names that it has in `models.tam`, so a pre-training export fits
under a fresh head. Every other fusion of the paper's comparison stands behind the same switch.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices
from affectjax import metrics as metric
from affectjax.errors import UserError
from affectjax.layers.dense import dense_tree, last_dense
from affectjax.layers.fusion import Fusion
from affectjax.layers.fusion_flops import fusion_flops
from affectjax.layers.inputs import embed, projection_tree
from affectjax.layers.parameters import Parameters
from affectjax.layers.readout import KINDS, readout, readout_tree, readout_width
from affectjax.layers.standardise import Standardise

Batch = Mapping[str, jax.Array]
Array = jax.Array
Sums = dict[str, tuple[Array, Array]]

CHOICES = {
    "fusion": KINDS,
    "task": ("classes", "values"),
    "norm": ("pre", "post"),
    "share": ("layer", "modality"),
    "positions": ("sinusoids", "normal"),
    "form": ("auto", "unrolled", "scan"),
    "dtype": ("float32", "bfloat16"),
    "remat": ("none", "layer"),
}


class TAMEmotion(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`."""

    modalities: Mapping[str, int]  # name -> feature width
    outputs: tuple[str, ...]  # names of the K classes, or of the values to regress, in order
    task: str = "classes"
    segments: int = 64
    width: int = 768
    layers: int = 12
    heads: int = 1
    ffn: int = 3072
    dropout: float = 0.1
    fusion: str = "ctm"
    norm: str = "pre"
    share: str = "layer"
    positions: str = "sinusoids"  # how the learned table of the segments' positions starts
    smoothing: float = 0.0  # share of a label's weight that is spread over all classes
    form: str = "auto"
    standardise: bool = True  # features by the training split's mean and deviation
    dtype: str = "float32"  # of products and activations; parameters stay float32
    remat: str = "none"

    def setup(self):
        choices.check(self, CHOICES)
        if not self.modalities:
            raise UserError(
                "there is no modality", "model.modalities",
                "Name one; of the variants, image_motion, image_audio and motion_audio leave two.",
            )  # fmt: skip
        if self.width % self.heads:
            raise UserError(
                f"heads = {self.heads} does not divide width = {self.width}",
                "model",
                "Choose a divisor.",
            )
        least = 2 if self.task == "classes" else 1
        if len(self.outputs) < least:
            raise UserError(
                f"outputs names {len(self.outputs)} {self.task}, it takes {least}", "model.outputs"
            )
        self.fusion_settings = s = self._fusion()
        self.to_unit = {
            m: Standardise(w, name=f"standardise_{m}")
            for m, w in self.modalities.items()
            if self.standardise
        }
        if self.task == "values":
            self.target = Standardise(len(self.outputs), name="standardise_target")
        projections = projection_tree(self.modalities, self.width)
        self.project_parameters = Parameters(projections, name="project")
        self.fusion_parameters = Parameters(readout_tree(s), name="fusion")
        head = dense_tree(readout_width(s), len(self.outputs))
        self.head_parameters = Parameters(head, name="head")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(self, batch: Batch, train: bool) -> tuple[Sums, dict[str, Array]]:
        """({task: (sum [B], weight [B])}, predictions); a clip without a target weighs nothing.

        Predictions of classes: probability [B, K], label [B]; of values: prediction and truth
        [B, K] in the data's own units.
        """
        y = last_dense(self.head_parameters(), self.represent(batch, train))
        if self.task == "classes":
            return label_task(y, batch["label"], batch["weight"], self.smoothing)
        truth = batch["values"]
        known = jnp.isfinite(truth)
        unit = self.target(jnp.where(known, truth, 0.0))
        error = jnp.where(known, jnp.square(y - unit), 0.0).sum(1)
        sums = {"target": (error * batch["weight"], known.sum(1) * batch["weight"])}
        found = {"prediction": self.target(y, back=True), "truth": truth}
        return sums, jax.lax.stop_gradient(found)

    def represent(self, batch: Batch, train: bool = False) -> Array:
        """What the head reads, [B, R]."""
        key = self.make_rng("dropout") if train and self.dropout > 0.0 else None
        s = self.fusion_settings
        features, present = embed(
            self.project_parameters(), batch, s.names, self.segments, self.to_unit, self.dtype
        )
        return readout(self.fusion_parameters(), features, present, s, key)

    def _fusion(self) -> Fusion:
        return Fusion(
            names=tuple(sorted(self.modalities)),
            segments=self.segments,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            ffn=self.ffn,
            kind=self.fusion,
            norm=self.norm,
            share=self.share,
            positions=self.positions,
            dropout=self.dropout,
            form=self.form,
            remat=self.remat,
        )

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the segments of a host batch that are there."""
        s = self._fusion()
        there = np.stack([np.asarray(batch[f"present/{m}"]) for m in s.names], axis=1)
        widths = [self.modalities[m] for m in s.names]
        head = 2 * len(there) * readout_width(s) * len(self.outputs)
        inputs = 2 * (there.sum((0, 2)) * widths).sum() * self.width
        return float(inputs + fusion_flops(s, there) + head)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        if self.task == "classes":
            return {"probability": self.outputs}
        return {"prediction": self.outputs, "truth": self.outputs}

    @staticmethod
    def combine(
        arrays: dict[str, np.ndarray], ids: list[str]
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The mean over the windows of each clip, in the order of the clips."""
        place = {name: i for i, name in enumerate(dict.fromkeys(ids))}
        row = np.array([place[name] for name in ids], np.int64)
        windows = np.bincount(row, minlength=len(place))
        out = {}
        for key, values in arrays.items():
            total = np.zeros((len(place), *values.shape[1:]), np.float64)
            np.add.at(total, row, values)
            mean = total / windows.reshape(-1, *[1] * (values.ndim - 1))
            out[key] = mean.astype(values.dtype)
        return out, list(place)

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Predictions of all clips -> the metrics of those whose target is known."""
        if self.task == "classes":
            return metric.classification(arrays["probability"], arrays["label"], self.outputs)
        return metric.regression(arrays["prediction"], arrays["truth"], self.outputs)


def label_task(
    logits: Array, label: Array, weight: Array, smoothing: float
) -> tuple[Sums, dict[str, Array]]:
    """logits [B, K], label [B] (-1 unknown), weight [B] -> cross-entropy and probabilities."""
    log = jax.nn.log_softmax(logits)
    known = (label >= 0) * weight
    hit = jnp.take_along_axis(log, jnp.maximum(label, 0)[:, None], axis=1)[:, 0]
    loss = -(1 - smoothing) * hit - smoothing * log.mean(1)
    sums = {"target": (jnp.where(known > 0, loss, 0.0) * known, known)}
    return sums, {"probability": jax.lax.stop_gradient(jnp.exp(log)), "label": label}


Model = TAMEmotion  # what `model.name = "tam_emotion"` in a config stands for
