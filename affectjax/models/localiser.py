"""Localisers to compare with: each segment gets class scores, from which a video's follow.

Four ways to learn from a video's label alone where its emotion lies, as the literature has them:
`attention` weighs segments (UntrimmedNets); `erasing` trains one classifier after another, each on
what those before left (step-by-step erasion); `coactivity` wants videos of a class alike where it
is active (W-TALC); `contrast` wants an interval that stands out from its surroundings (AutoLoc).
Their networks are replaced by the same features and one hidden layer, so that the ideas compare.
Boundaries here are those of segments, so AutoLoc's best interval is sought among all of them
instead of regressed from anchors.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices, detection, losses
from affectjax import metrics as metric
from affectjax.errors import UserError
from affectjax.layers.attention import masked_softmax
from affectjax.layers.dense import dense, dense_tree, last_dense
from affectjax.layers.localising import co_activity, covering, outer_inner, top_mean
from affectjax.layers.parameters import Parameters
from affectjax.layers.standardise import Standardise
from affectjax.layers.streams import streams
from affectjax.layers.temporal_attention import normalised

Array = jax.Array
METHODS = ("attention", "erasing", "coactivity", "contrast")
DTYPES = ("float32", "bfloat16")


class Localiser(nn.Module):
    """Keeps the contract of `affectjax.models`.

    Modalities are joined end to end; one that is absent is zero.
    """

    modalities: Mapping[str, int]  # name -> feature width
    outputs: tuple[str, ...]  # names of the K classes, in order
    method: str = "attention"
    segments: int = 10
    projection: int = 0  # width of the hidden layer; 0: as wide as the features
    iterations: int = 3  # classifiers one after another, of `erasing`
    threshold: float = 0.7  # of the normalised score, from which a segment is erased
    standardise: bool = True  # features by the training split's mean and deviation
    curve_threshold: float = 0.5  # of the curve, for intervals
    dtype: str = "float32"  # of products and activations; parameters stay float32

    def setup(self):
        check(self)
        inputs, classes = sum(self.modalities.values()), len(self.outputs)
        width = self.projection or inputs
        self.to_unit = {
            m: Standardise(w, name=f"standardise_{m}")
            for m, w in self.modalities.items()
            if self.standardise
        }
        steps = self.iterations if self.method == "erasing" else 1
        tree = {f"head_{i}": dense_tree(width, classes) for i in range(steps)}
        tree["hidden"] = dense_tree(inputs, width)
        if self.method in ("attention", "contrast"):
            tree["attention"] = dense_tree(width, 1)
        self.net_parameters = Parameters(tree, name="net")

    def __call__(self, batch: Mapping[str, Array], train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(
        self, batch: Mapping[str, Array], train: bool
    ) -> tuple[dict[str, losses.Sum], dict[str, Array]]:
        """({loss: (sum [B], weight [B])}, predictions).

        Predictions: probability [B, K], label [B], curve [B, T] of the likeliest class, and what
        `batch` tells of the truth.
        """
        names = sorted(self.modalities)
        found, present = streams(batch, names, self.segments, self.to_unit, self.dtype)
        there = jnp.stack([present[m] for m in names]).any(0)
        p = self.net_parameters()
        x = jnp.concatenate([found[m] for m in names], -1)
        x = jax.nn.relu(dense(p["hidden"], x))
        scores = last_dense(p["head_0"], x)
        label, weight = batch["label"], batch["weight"]
        if self.method == "erasing":
            sums, logits, curve = self._one_by_one(p, x, there, label, weight)
        elif self.method == "coactivity":
            logits = top_mean(scores, there)
            sums = {
                "whole": losses.cross_entropy(logits, label, weight),
                "co_activity": co_activity(x, scores, there, label, weight),
            }
            curve = normalised(_of_class(scores, logits.argmax(-1)), there)
        else:
            level = last_dense(p["attention"], x)[..., 0]
            logits = jnp.einsum("bt,btk->bk", masked_softmax(level, there), scores)
            sums = {"whole": losses.cross_entropy(logits, label, weight)}
            curve = normalised(level, there)
            if self.method == "contrast":
                active = jax.nn.softmax(scores)
                own = _of_class(active, jnp.maximum(label, 0))
                sums["contrast"] = outer_inner(own, there, label, weight)
                curve = normalised(covering(_of_class(active, logits.argmax(-1)), there), there)
        predictions = {"probability": jax.nn.softmax(logits), "label": label, "curve": curve}
        predictions |= {key: batch[key] for key in detection.FACTS if key in batch}
        return sums, jax.lax.stop_gradient(predictions)

    def _one_by_one(self, p, x: Array, there: Array, label: Array, weight: Array):
        """Losses of every classifier, the first one's logits, and the curve of what they collect.

        Each classifier's loss goes by what the label's class erased before it, the curve by the
        class that the first one chooses. Where nothing is left a classifier has no loss.
        """
        steps = range(self.iterations)
        scores = [last_dense(p[f"head_{i}"], x) for i in steps]
        logits = _mean(scores[0], there)
        chosen = logits.argmax(-1)
        sums, curve = {}, jnp.zeros(there.shape)
        for_loss = for_curve = there
        for i in steps:
            name = f"left_{i}" if i else "whole"
            some = for_loss.any(-1) if i else jnp.ones(len(label), bool)
            sums[name] = losses.cross_entropy(_mean(scores[i], for_loss), label, weight * some)
            for_loss = for_loss & (self._star(scores[i], label, for_loss) < self.threshold)
            star = self._star(scores[i], chosen, for_curve)
            curve = jnp.maximum(curve, jnp.where(for_curve, star, 0.0))
            for_curve = for_curve & (star < self.threshold)
        return sums, logits, curve

    def _star(self, scores: Array, label: Array, there: Array) -> Array:
        """Scores [B, T] of a class in units of their own range, through which nothing learns."""
        own = _of_class(scores, jnp.maximum(label, 0))
        return jax.lax.stop_gradient(normalised(own, there))

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the segments of a host batch."""
        inputs = sum(self.modalities.values())
        width = self.projection or inputs
        steps = self.iterations if self.method == "erasing" else 1
        there = [np.asarray(batch[f"present/{m}"]) for m in self.modalities]
        rows = float(np.any(there, axis=0).sum())
        return 2 * rows * width * (inputs + steps * len(self.outputs))

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        return {"probability": self.outputs}

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Predictions of all videos -> recognition, and detection where the truth is told."""
        found = metric.classification(arrays["probability"], arrays["label"], self.outputs)
        return found | detection.metrics(arrays, self.curve_threshold)


def _of_class(scores: Array, label: Array) -> Array:
    """scores [B, T, K], label [B] -> [B, T]."""
    return jnp.take_along_axis(scores, label[:, None, None], 2)[..., 0]


def _mean(scores: Array, there: Array) -> Array:
    """scores [B, T, K] -> [B, K] over the segments there."""
    total = jnp.where(there[..., None], scores, 0.0).sum(1)
    return total / jnp.maximum(there.sum(-1, keepdims=True), 1)


def check(model: Localiser) -> None:
    """Raises where the settings contradict each other."""
    choices.check(model, {"method": METHODS, "dtype": DTYPES})
    if not model.modalities:
        raise UserError("a localiser reads one modality at least", "model.modalities")
    if len(model.outputs) < 2:
        raise UserError(f"{len(model.outputs)} classes, it takes two", "model.outputs")
    if not 0 <= model.threshold <= 1:
        raise UserError(f"threshold = {model.threshold} lies outside 0..1", "model.threshold")
    if model.iterations < 1:
        raise UserError(f"iterations = {model.iterations}", "model.iterations", "At least 1.")


Model = Localiser  # what `model.name = "localiser"` in a config stands for
