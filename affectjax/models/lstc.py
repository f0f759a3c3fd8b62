"""LSTC: valence or arousal along films from short context within a clip and long context across.

Within a clip every modality has LSTMs of its own, whose last states are summed and go through two
dense layers; the first one's output is the clip's vector. Across clips, valence has LSTMs over a
run of N clips, arousal an exponential moving average, in testing alone. Where the paper is silent:
a modality without rows in a clip adds nothing to the sum, the first dense layer has a ReLU, dropout
stands between the LSTMs' layers, on the sum and before each read-out.

A modality in `tuned` has layers of its own between its rows and its LSTMs, for rows of a network
that stays as it is (action: OpenPose's trunk). They learn before the LSTMs, where a clip's vector
is the mean of its rows (`within="mean"`), and then stay.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices, films, losses
from affectjax import metrics as metric
from affectjax.errors import UserError
from affectjax.layers import recurrent, tuned
from affectjax.layers.dense import dense, dense_tree, dropout, fold, last_dense
from affectjax.layers.parameters import Parameters
from affectjax.layers.standardise import Standardise

Batch = Mapping[str, jax.Array]
Array = jax.Array

CHOICES = {
    "task": ("values", "classes"),
    "fusion": ("sum", "late"),
    "within": ("lstm", "mean"),
    "dtype": ("float32", "bfloat16"),
}


class LSTC(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`.

    A batch holds runs of clips, features [B, N, T, D], or single clips, [B, T, D]. With `clips`
    above 1 the inter-clip LSTMs predict; otherwise each clip is predicted by itself.
    """

    modalities: Mapping[str, int]  # name -> feature width
    outputs: tuple[str, ...]  # names of the values along films, or of the K classes of a clip
    task: str = "values"
    segments: int = 10  # T, rows of a clip
    clips: int = 1  # N; above 1: LSTMs across so many clips
    fusion: str = "sum"  # "late": a read-out for each modality, averaged (Baseline 2)
    hidden: int = 128  # of a direction, the same for every modality, or they could not be summed
    layers: int = 2
    width: int = 128  # of the clip's vector
    inter_hidden: int = 128  # of a direction
    inter_layers: int = 2
    beta: float = 0.0  # of the moving average along a film, in testing; 0: none
    dropout: float = 0.3
    # Modalities, or "embed" or "tuned", that are not trained; no dropout there.
    frozen: tuple[str, ...] = ()
    # Modality -> width that trained layers bring its rows to; 0: the LSTMs read the rows.
    tuned: Mapping[str, int] = dataclasses.field(default_factory=dict)
    within: str = "lstm"  # "mean": in the LSTMs' stead the mean of a clip's rows, of one modality
    standardise: bool = True  # features by the training split's mean and deviation
    dtype: str = "float32"  # of products and activations; parameters stay float32

    def setup(self):
        check(self)
        names = sorted(self.modalities)
        self.to_unit = {
            m: Standardise(self.modalities[m], name=f"standardise_{m}")
            for m in names
            if self.standardise
        }
        if layers := self._tuned():
            tree = {m: tuned.tree(self.modalities[m], width) for m, width in layers.items()}
            self.tuned_parameters = Parameters(tree, name="tune")
        if self.within == "lstm":
            tree = {m: recurrent.parameters(s) for m, s in self._intra().items()}
            self.intra_parameters = Parameters(tree, name="intra")
        out = len(self.outputs)
        embed, read = dense_tree(self._joined(), self.width), dense_tree(self.width, out)
        if self.clips > 1:
            head = {"embed": embed}
            inter = recurrent.parameters(self._inter())
            self.inter_parameters = Parameters(inter, name="inter")
            last = dense_tree(2 * self.inter_hidden, out)
            self.inter_head_parameters = Parameters(last, name="inter_head")
        elif self.fusion == "late":
            head = {m: {"embed": embed, "out": read} for m in names}
        else:
            head = {"embed": embed, "out": read}
        self.head_parameters = Parameters(head, name="head")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(self, batch: Batch, train: bool) -> tuple[dict[str, losses.Sum], dict[str, Array]]:
        """({"target": (sum [B], weight [B])}, predictions); what is unlabelled weighs nothing.

        Predictions of values: prediction [B, N, K], clip, new, length [B, N] and truth [B, N, T, K]
        as the batch has them; of classes: probability [B, K], label [B].
        """
        key = self.make_rng("dropout") if train and self.dropout > 0.0 else None
        read = self._read(batch, key)
        if self.task == "classes":
            scores = [y[:, 0] for y in read]
            each = [losses.cross_entropy(y, batch["label"], batch["weight"]) for y in scores]
            chances = [jax.nn.softmax(y) for y in scores]
            found = {"probability": self._average(batch, chances), "label": batch["label"]}
        else:
            y = [jnp.tanh(one) for one in read]
            each = [squared_error(one, batch["values"], batch["weight"]) for one in y]
            prediction = self._average(batch, y)
            found = {"prediction": prediction}
            found |= {k: batch[k] for k in ("truth", "clip", "new", "length")}
        # Models that stand apart: the sum of their losses trains each as it would train alone, and
        # the step that is kept is the best for their mean.
        sums = {"target": (sum(total for total, _ in each), each[0][1])}
        return sums, jax.lax.stop_gradient(found)

    def _read(self, batch: Batch, key: Array | None) -> list[Array]:
        """Read-outs before the last activation, float32 [B, N, K], one; or one a modality."""
        features = self.vectors(batch, key)
        p, s, names = self.head_parameters(), self.dropout, sorted(self.modalities)
        if self.fusion == "late":
            kept = {m: dropout(fold(key, 0, i), features[m], s) for i, m in enumerate(names)}
            return [
                last_dense(p[m]["out"], dropout(fold(key, 1, i), embed(p[m], kept[m]), s))
                for i, m in enumerate(names)
            ]
        total = sum(features[m] for m in names)
        still = "embed" in self.frozen
        if not still:
            total = dropout(fold(key, 0), total, s)
        clip = embed(p, total)
        if self.clips == 1:
            return [last_dense(p["out"], dropout(fold(key, 1), clip, s))]
        clip = jax.lax.stop_gradient(clip) if still else clip
        there = batch["clip"] >= 0
        settings = self._inter()
        x, _ = recurrent.apply(self.inter_parameters(), clip, there, settings, key=fold(key, 2))
        return [last_dense(self.inter_head_parameters(), dropout(fold(key, 3), x, s))]

    def vectors(self, batch: Batch, key: Array | None = None) -> dict[str, Array]:
        """{m: float32 [B, N, 2 hidden]}, the last states of each modality's LSTMs in each clip.

        Zeros where a clip has no row of it. Without LSTMs the mean of its rows, as wide as they.
        """
        layers = self._tuned()
        found = {}
        for i, (m, settings) in enumerate(self._intra().items()):
            x, there = batch[f"features/{m}"], batch[f"present/{m}"]
            lead, (steps, width) = x.shape[:-2], x.shape[-2:]
            x, there = x.reshape(-1, steps, width), there.reshape(-1, steps)
            x = jnp.where(there[..., None], x, jnp.zeros_like(x))
            if self.standardise:
                x = jnp.where(there[..., None], self.to_unit[m](x), 0.0)
            x = x.astype(self.dtype)
            if m in layers:
                x = tuned.apply(self.tuned_parameters()[m], x)
                x = jax.lax.stop_gradient(x) if "tuned" in self.frozen else x
            if self.within == "mean":
                y = mean_of(x, there)
            else:
                still = m in self.frozen
                _, finals = recurrent.apply(
                    self.intra_parameters()[m],
                    x,
                    there,
                    settings,
                    key=None if still else fold(key, 4, i),
                )
                y = recurrent.last_states(finals)
                y = jax.lax.stop_gradient(y) if still else y
            found[m] = y.reshape(*(lead if len(lead) > 1 else (*lead, 1)), -1)
        return found

    def _average(self, batch: Batch, each: Sequence[Array]) -> Array:
        """The mean over the modalities that a clip has; of one read-out itself."""
        if len(each) == 1:
            return each[0]
        there = [batch[f"present/{m}"].any(-1) for m in sorted(self.modalities)]
        shares = [(1.0 * t).reshape(*t.shape, *[1] * (each[0].ndim - t.ndim)) for t in there]
        count = jnp.maximum(sum(shares), 1.0)
        return sum(y * share for y, share in zip(each, shares)) / count

    def _tuned(self) -> dict[str, int]:
        return {m: width for m, width in sorted(self.tuned.items()) if width}

    def _rows(self) -> dict[str, int]:
        """Width of each modality's rows where the clip's vector is made of them."""
        return dict(sorted((dict(self.modalities) | self._tuned()).items()))

    def _joined(self) -> int:
        """Width of what is summed over the modalities."""
        return sum(self._rows().values()) if self.within == "mean" else 2 * self.hidden

    def _intra(self) -> dict[str, recurrent.Recurrent]:
        return {
            m: recurrent.Recurrent("lstm", w, self.hidden, self.layers, True, self.dropout)
            for m, w in self._rows().items()
        }

    def _inter(self) -> recurrent.Recurrent:
        return recurrent.Recurrent(
            "lstm", self.width, self.inter_hidden, self.inter_layers, True, self.dropout
        )

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the rows of a host batch that are there."""
        there = {m: np.asarray(batch[f"present/{m}"]) for m in self.modalities}
        total = 0.0
        for m, width in self._tuned().items():
            total += tuned.flops(self.modalities[m], width, float(there[m].sum()))
        if self.within == "lstm":
            total += sum(
                recurrent.flops(s, float(there[m].sum())) for m, s in self._intra().items()
            )
        clips = float(np.any([rows.any(-1) for rows in there.values()], axis=0).sum())
        heads = len(self.modalities) if self.fusion == "late" else 1
        total += heads * 2 * clips * self._joined() * self.width
        if self.clips == 1:
            return total + heads * 2 * clips * self.width * len(self.outputs)
        total += recurrent.flops(self._inter(), clips)
        return total + 2 * clips * 2 * self.inter_hidden * len(self.outputs)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        if self.task == "classes":
            return {"probability": self.outputs}
        return {"prediction": self.outputs, "truth": self.outputs}

    def combine(
        self, arrays: dict[str, np.ndarray], ids: list[str]
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """A row a second of each film, after the moving average; clips of classes as they are."""
        if self.task == "classes":
            return arrays, ids
        return films.along_films(arrays, ids, self.beta)

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Of all clips, or of all seconds of all films together."""
        if self.task == "classes":
            return metric.classification(arrays["probability"], arrays["label"], self.outputs)
        return metric.regression(arrays["prediction"], arrays["truth"], self.outputs)

    def metrics_of_groups(
        self, arrays: dict[str, np.ndarray], groups: Sequence[str]
    ) -> dict[str, float]:
        """Of each film by itself, then averaged; nothing for classes."""
        if self.task == "classes":
            return {}
        return films.by_film(arrays["prediction"], arrays["truth"], groups, self.outputs)


def embed(p: Mapping[str, Mapping[str, Array]], x: Array) -> Array:
    """The first dense layer, [..., 2 hidden] -> [..., width]: the clip's vector."""
    return jax.nn.relu(dense(p["embed"], x))


def mean_of(x: Array, there: Array) -> Array:
    """x [R, T, D], there [R, T] -> float32 [R, D], the mean of the rows that are there, or 0."""
    known = there[..., None]
    total = jnp.where(known, x, 0.0).astype(jnp.float32).sum(1)
    return total / jnp.maximum(known.sum(1), 1)


def squared_error(y: Array, values: Array, weight: Array) -> losses.Sum:
    """Eqs. 1 and 3: y, values [B, N, K], NaN where unknown -> (sum [B], number known [B])."""
    known = jnp.isfinite(values)
    error = jnp.where(known, jnp.square(y - jnp.where(known, values, 0.0)), 0.0)
    return error.sum((1, 2)) * weight, known.sum((1, 2)) * weight


def check(model: LSTC) -> None:
    """Raises where the settings contradict each other."""
    choices.check(model, CHOICES)
    if not model.modalities:
        raise UserError("there is no modality", "model.modalities")
    if model.clips < 1:
        raise UserError(f"clips = {model.clips}", "model.clips", "At least 1.")
    if not 0 <= model.beta < 1:
        raise UserError(f"beta = {model.beta} lies outside 0..1", "model.beta")
    if model.task == "classes" and (model.clips > 1 or model.beta):
        raise UserError(
            "classes are of single clips", "model.clips", "Set model.clips=1 and model.beta=0."
        )
    if model.fusion == "late" and model.clips > 1:
        raise UserError(
            "late averaging has no vector of a clip to go across clips with", "model.fusion"
        )
    least = 2 if model.task == "classes" else 1
    if len(model.outputs) < least:
        raise UserError(f"{len(model.outputs)} {model.task}, it takes {least}", "model.outputs")
    if model.within == "mean" and (model.clips > 1 or len(model.modalities) > 1):
        raise UserError("the mean is of one modality in single clips", "model.within")
    if unknown := [m for m, width in model.tuned.items() if m not in model.modalities or width < 0]:
        mend = f"A width of 0 or more for one of {', '.join(model.modalities)}."
        raise UserError(f"cannot tune {unknown[0]}", "model.tuned", mend)
    known = (*model.modalities, "embed", "tuned")
    if unknown := [name for name in model.frozen if name not in known]:
        raise UserError(f"cannot freeze {unknown[0]}", "model.frozen", f"Of {', '.join(known)}.")


Model = LSTC  # what `model.name = "lstc"` in a config stands for
