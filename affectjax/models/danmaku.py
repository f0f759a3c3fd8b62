"""The distribution of emotions that each second of a video evokes, learnt from its comments.

A recurrent network a modality, their outputs end to end, and over these a mixture of experts
between two context gatings. What comes out is brought to a distribution; training compares every
second with its window's truth, scores are those of the windows' means over seconds that are there.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices, distribution_metrics, losses
from affectjax.errors import UserError
from affectjax.layers import recurrent
from affectjax.layers.dense import dense, dense_tree, dropout, fold
from affectjax.layers.moe import Mixture, context_gating, gating_tree, moe, moe_flops, moe_tree
from affectjax.layers.parameters import Parameters
from affectjax.layers.recurrent import Recurrent
from affectjax.layers.standardise import Standardise
from affectjax.layers.streams import streams

Array = jax.Array
Batch = Mapping[str, Array]

CHOICES = {
    "adapt": ("clamp", "softmax", "renormalise"),
    "expert": ("linear", "sigmoid"),
    "gates": ("row", "output"),
    "dtype": ("float32", "bfloat16"),
}
LEAST = 1e-4  # share of a class that renormalising leaves at least, before it divides


class Danmaku(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`."""

    modalities: Mapping[str, int]  # name -> feature width
    outputs: tuple[str, ...]  # names of the K emotions, in order
    project: Mapping[str, int]  # modality -> width of a trained product before its recurrence
    segments: int = 60  # seconds of a sequence
    windows: int = 12  # of a sequence: W
    hidden: int = 256
    layers: int = 2
    bidirectional: bool = False
    experts: int = 8
    expert: str = "linear"  # "sigmoid": answers within 0 to 1, for which the clamp does nothing
    gates: str = "row"  # "output": a softmax over experts for each emotion
    gating: bool = True  # context gatings before and after the mixture
    bias: float = 0.5  # where the experts' biases start: the middle of what the clamp lets through
    # "clamp" to 0..1, then softmax: six classes stay within 0.069 and 0.352; "softmax" alone;
    # "renormalise": clamp, then divide by the sum
    adapt: str = "clamp"
    dropout: float = 0.3
    standardise: bool = True  # features by the training split's mean and deviation
    dtype: str = "float32"  # of products and activations; parameters stay float32

    def setup(self):
        check(self)
        names, width = sorted(self.modalities), len(self.modalities) * self._recurrent_width
        self.to_unit = {
            m: Standardise(self.modalities[m], name=f"standardise_{m}")
            for m in names
            if self.standardise
        }
        self.target = Standardise(len(self.outputs), name="standardise_target")
        projections = {m: dense_tree(self.modalities[m], w) for m, w in self._projections().items()}
        self.project_parameters = Parameters(projections, name="project")
        trees = {m: recurrent.parameters(self._recurrent(m)) for m in names}
        self.recurrent_parameters = Parameters(trees, name="recurrent")
        self.mixture_parameters = Parameters(moe_tree(self._mixture), name="mixture")
        if self.gating:
            gating = {"before": gating_tree(width), "after": gating_tree(len(self.outputs))}
            self.gating_parameters = Parameters(gating, name="gating")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(self, batch: Batch, train: bool) -> tuple[dict[str, losses.Sum], dict[str, Array]]:
        """({"divergence": (sum [B], weight [B])}, predictions); what has no truth weighs nothing.

        Predictions [B, W, K]: distribution, truth, and mean, the training split's; [B, W]: window,
        and there, how many of its seconds have any modality.
        """
        log, there = self._seconds(batch, train)
        truth = batch["distribution"]
        each = self.segments // self.windows
        known = jnp.isfinite(truth).all(-1)
        target = jnp.where(known[..., None], truth, 1.0)
        # t ln t has no gradient worth having at 0, where the term is 0
        entropy = (target * jnp.log(jnp.where(target > 0, target, 1.0))).sum(-1)
        cut = (log.shape[0], self.windows, each)
        cross = (target[:, :, None] * log.reshape(*cut, -1)).sum(-1)
        counts = known[..., None] & there.reshape(cut)
        distance = jnp.where(counts, entropy[..., None] - cross, 0.0)
        weight = batch["weight"]
        sums = {"divergence": (distance.sum((1, 2)) * weight, counts.sum((1, 2)) * weight)}
        seen = there.reshape(cut)
        seen = (seen | ~seen.any(-1, keepdims=True))[..., None]  # of no second: whatever is there
        share = (jnp.exp(log).reshape(*cut, -1) * seen).sum(2) / seen.sum(2)
        mean = self.target(jnp.zeros_like(truth), back=True)
        found = {"distribution": share, "truth": truth, "mean": mean, "window": batch["window"]}
        return sums, jax.lax.stop_gradient(found | {"there": there.reshape(cut).sum(-1)})

    def _seconds(self, batch: Batch, train: bool) -> tuple[Array, Array]:
        """Logarithms of every second's distribution [B, T, K], and which have any modality."""
        key = self.make_rng("dropout") if train and self.dropout > 0.0 else None
        names = sorted(self.modalities)
        x, there = streams(batch, names, self.segments, self.to_unit, self.dtype)
        p = self.project_parameters()
        x = {m: dense(p[m], one) if m in p else one for m, one in x.items()}
        p, parts = self.recurrent_parameters(), []
        for i, m in enumerate(names):
            y, _ = recurrent.apply(p[m], x[m], there[m], self._recurrent(m), key=fold(key, i))
            parts.append(y)
        y = dropout(fold(key, len(names)), jnp.concatenate(parts, -1), self.dropout)
        if self.gating:
            y = context_gating(self.gating_parameters()["before"], y)
        y = moe(self.mixture_parameters(), y, self._mixture)
        if self.gating:
            y = context_gating(self.gating_parameters()["after"], y)
        return adapted(y, self.adapt), jnp.stack([there[m] for m in names]).any(0)

    @property
    def _recurrent_width(self) -> int:
        return self.hidden * (2 if self.bidirectional else 1)

    def _projections(self) -> dict[str, int]:
        return {m: w for m, w in sorted(self.project.items()) if m in self.modalities and w}

    def _recurrent(self, modality: str) -> Recurrent:
        width = self._projections().get(modality, self.modalities[modality])
        return Recurrent("gru", width, self.hidden, self.layers, self.bidirectional, self.dropout)

    @property
    def _mixture(self) -> Mixture:
        width = len(self.modalities) * self._recurrent_width
        return Mixture(width, len(self.outputs), self.experts, self.expert, self.gates, self.bias)

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the seconds of a host batch that are there."""
        there = {m: np.asarray(batch[f"present/{m}"]) for m in self.modalities}
        total = 0.0
        for m, mask in there.items():
            if m in self._projections():
                total += 2.0 * mask.sum() * self.modalities[m] * self._projections()[m]
            total += recurrent.flops(self._recurrent(m), float(mask.sum()))
        rows = float(np.any(list(there.values()), axis=0).sum())
        total += moe_flops(self._mixture, rows)
        squares = self._mixture.inputs**2 + len(self.outputs) ** 2
        return total + (2.0 * rows * squares if self.gating else 0.0)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        return dict.fromkeys(("distribution", "truth", "mean"), self.outputs)

    @staticmethod
    def combine(
        arrays: dict[str, np.ndarray], ids: list[str]
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """A row a window instead of a sequence: [n, W, ...] -> [rows, ...] of each clip in order.

        A clip of no length keeps one row, so that it is seen to be counted.
        """
        real = arrays["window"] >= 0
        real[:, 0] |= ~real.any(1)
        names = [name for name, row in zip(ids, real) for _ in range(int(row.sum()))]
        return {key: values[real] for key, values in arrays.items()}, names

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """How many windows counted."""
        return {"windows": float(counted(arrays).sum())}

    def metrics_of_groups(
        self, arrays: dict[str, np.ndarray], groups: list[str]
    ) -> dict[str, float]:
        """The six measures over windows, then videos; `mean/...` of predicting the mean always."""
        truth = np.where(counted(arrays)[:, None], arrays["truth"], np.nan)
        found = distribution_metrics.averaged(truth, arrays["distribution"], groups)
        floor = distribution_metrics.averaged(truth, arrays["mean"], groups)
        return found | {f"mean/{name}": value for name, value in floor.items()}


def counted(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of windows [n, ...] -> which have both a truth and a second to predict it from."""
    return np.isfinite(arrays["truth"]).all(-1) & (arrays["there"] > 0)


def adapted(y: Array, how: str) -> Array:
    """y [..., K] -> float32 logarithms of a distribution over K."""
    y = y.astype(jnp.float32)
    if how == "softmax":
        return jax.nn.log_softmax(y)
    y = jnp.clip(y, 0.0, 1.0)
    if how == "clamp":
        return jax.nn.log_softmax(y)
    y = y + LEAST
    return jnp.log(y) - jnp.log(y.sum(-1, keepdims=True))


def check(model: Any) -> None:
    """Raises where the settings contradict each other."""
    choices.check(model, CHOICES)
    if not model.modalities:
        raise UserError("there is no modality to read", "model.modalities")
    if len(model.outputs) < 2:
        raise UserError(f"{len(model.outputs)} emotions, it takes two", "model.outputs")
    for name in ("hidden", "layers", "experts", "windows"):
        if getattr(model, name) < 1:
            raise UserError(f"{name} = {getattr(model, name)}", f"model.{name}", "At least 1.")


Model = Danmaku  # what `model.name = "danmaku"` in a config stands for
