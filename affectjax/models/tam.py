"""TAM: cross-temporal fusion of a video's features, pre-trained on the comments of its viewers.

Two tasks share one pass: name the masked emotional words of a comment from the video and the
other words, and find the segment in which the comment appeared.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import choices, losses
from affectjax import metrics as metric
from affectjax.errors import UserError
from affectjax.layers.attention import einsum
from affectjax.layers.decoder import Decoder, decode, decoder_tree, word_logits
from affectjax.layers.dense import fold
from affectjax.layers.fusion import Fusion, fuse, fusion_tree
from affectjax.layers.fusion_flops import fusion_flops
from affectjax.layers.inputs import embed, projection_tree
from affectjax.layers.parameters import Parameters
from affectjax.layers.standardise import Standardise

Batch = Mapping[str, jax.Array]
Array = jax.Array

CHOICES = {
    "fusion": ("ctm", "inner", "cross"),
    "norm": ("pre", "post"),
    "share": ("layer", "modality"),
    "positions": ("sinusoids", "normal"),
    "form": ("auto", "unrolled", "scan"),
    "dtype": ("float32", "bfloat16"),
    "remat": ("none", "layer"),
}


class TAM(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`."""

    modalities: Mapping[str, int]  # name -> feature width
    vocabulary: int  # words, specials among them
    segments: int = 64
    width: int = 768
    layers: int = 12
    heads: int = 1
    ffn: int = 3072
    decoder_layers: int = 8
    decoder_heads: int = 8
    max_words: int = 15
    dropout: float = 0.1
    fusion: str = "ctm"
    norm: str = "pre"
    share: str = "layer"
    positions: str = "sinusoids"  # how the learned table of the segments' positions starts
    tied: bool = False  # the word classifier is the word embedding
    time_scaled: bool = True  # appearing-time scores are divided by sqrt(width)
    form: str = "auto"
    standardise: bool = True  # features by the training split's mean and deviation
    dtype: str = "float32"  # of products and activations; parameters stay float32
    remat: str = "none"

    def setup(self):
        choices.check(self, CHOICES)
        for name, heads in (("heads", self.heads), ("decoder_heads", self.decoder_heads)):
            if self.width % heads:
                raise UserError(
                    f"{name} = {heads} does not divide width = {self.width}",
                    "model",
                    "Choose a divisor.",
                )
        self.fusion_settings = self._fusion()
        self.decoder_settings = Decoder(
            vocabulary=padded(self.vocabulary),
            width=self.width,
            layers=self.decoder_layers,
            heads=self.decoder_heads,
            ffn=self.ffn,
            max_words=self.max_words,
            norm=self.norm,
            tied=self.tied,
            dropout=self.dropout,
            form=self.form,
            remat=self.remat,
        )
        self.to_unit = {
            m: Standardise(w, name=f"standardise_{m}")
            for m, w in self.modalities.items()
            if self.standardise
        }
        projections = projection_tree(self.modalities, self.width)
        self.project_parameters = Parameters(projections, name="project")
        self.fusion_parameters = Parameters(fusion_tree(self.fusion_settings), name="fusion")
        self.decoder_parameters = Parameters(decoder_tree(self.decoder_settings), name="decoder")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def represent(self, batch: Batch, train: bool = False) -> tuple[Array, Array]:
        """The video representation f [B, T+1, D], row 0 the first token, and its mask [B, T+1]."""
        return self._represent(batch, self._dropout_key(train))

    def loss(
        self, batch: Batch, train: bool
    ) -> tuple[dict[str, tuple[Array, Array]], dict[str, Array]]:
        """{task: (sum [B], weight [B])} and predictions [B]: hits and counts of both tasks."""
        key = self._dropout_key(train)
        f, f_mask = self._represent(batch, key)
        p = self.decoder_parameters()
        words, time_query, time_key = decode(
            p,
            batch["tokens"],
            batch["token_comment"],
            batch["token_position"],
            batch["masked_at"],
            batch["comment_at"],
            f,
            f_mask,
            self.decoder_settings,
            fold(key, 1),
        )
        logits = word_logits(p, words, self.vocabulary, self.decoder_settings)
        word, word_hits = word_task(logits, batch)
        scale = self.width**-0.5 if self.time_scaled else 1.0
        scores = einsum("bcd,btd->bct", time_query, time_key[:, 1:])
        time, time_hits = time_task(scores * scale, f_mask[:, 1:], batch)
        return {"word": word, "time": time}, word_hits | time_hits

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

    def _represent(self, batch: Batch, key: Array | None) -> tuple[Array, Array]:
        s = self.fusion_settings
        features, present = embed(
            self.project_parameters(), batch, s.names, self.segments, self.to_unit, self.dtype
        )
        return fuse(self.fusion_parameters(), features, present, s, fold(key, 0))

    def _dropout_key(self, train: bool) -> Array | None:
        return self.make_rng("dropout") if train and self.dropout > 0.0 else None

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the real tokens of a host batch (2 m n k a product)."""
        d, ffn, s = self.width, self.ffn, self._fusion()
        there = np.stack([np.asarray(batch[f"present/{m}"]) for m in s.names], axis=1)
        widths = [self.modalities[m] for m in s.names]
        total = 2 * (there.sum((0, 2)) * widths).sum() * d + fusion_flops(s, there)
        seen = there.any(1)  # [B, T]
        f_rows = seen.sum(1) + seen.any(1)  # [B]
        comment = np.asarray(batch["token_comment"])
        tokens = (comment > 0).sum(1)
        lengths = np.stack([np.bincount(row, minlength=comment.shape[1] + 1) for row in comment])
        squares = np.square(lengths[:, 1:].astype(np.float64)).sum()
        masked = (np.asarray(batch["masked_comment"]) > 0).sum(1)
        comments = (np.asarray(batch["comment_weight"]) > 0).sum(1)
        # the last layer carries on with the masked slots alone
        carried = (self.decoder_layers - 1) * tokens + masked
        total += self.decoder_layers * (2 * 4 * tokens.sum() * d * d + 4 * squares * d)
        total += self.decoder_layers * 2 * 2 * f_rows.sum() * d * d
        total += 2 * carried.sum() * (2 * d * d + 2 * d * ffn) + 4 * (carried * f_rows).sum() * d
        total += 2 * comments.sum() * d * d + 2 * (comments * seen.sum(1)).sum() * d
        return float(total + 2 * masked.sum() * d * self.vocabulary)

    @staticmethod
    def metrics(arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Predictions of all examples, each [examples] -> the pre-training metrics."""
        return metric.pretraining(arrays)


def padded(vocabulary: int) -> int:
    """The next multiple of 128, so that any mesh divides it."""
    return -(-vocabulary // 128) * 128


def word_task(logits: Array, batch: Batch) -> tuple[tuple[Array, Array], dict[str, Array]]:
    """logits [B, P, V] -> (sum, weight) and hits [B]: mean in a comment, summed over comments."""
    slot = (batch["masked_comment"] > 0) & (batch["weight"][:, None] > 0)  # [B, P]
    nll = losses.surprisal(logits, batch["masked_word"])
    comments = batch["comment_at"].shape[1]
    own = batch["masked_comment"][:, :, None] == jnp.arange(1, comments + 1)  # [B, P, C]
    own = (own & slot[..., None]).astype(jnp.float32)
    slots = own.sum(1)  # [B, C]
    share = jnp.einsum("bpc,bc->bp", own, 1.0 / jnp.maximum(slots, 1.0))
    total = (jnp.where(slot, nll, 0.0) * share).sum(1)
    word = batch["masked_word"][..., None]
    true = jnp.take_along_axis(logits, word, axis=-1)
    # equal scores rank by word id, as argmax does: a flat distribution earns no hits
    first = jnp.arange(logits.shape[-1]) < word
    rank = ((logits > true) | ((logits == true) & first)).sum(-1)
    counted = slot.astype(jnp.float32)
    hits = {
        "word_top1": ((rank < 1) * counted).sum(1),
        "word_top5": ((rank < 5) * counted).sum(1),
        "word_count": counted.sum(1),
    }
    weight = batch["weight"]
    return (total * weight, (slots > 0).sum(1) * weight), jax.lax.stop_gradient(hits)


def time_task(
    scores: Array, seen: Array, batch: Batch
) -> tuple[tuple[Array, Array], dict[str, Array]]:
    """scores [B, C, T], seen [B, T] -> (sum, weight) and hits [B] of the appearing segments."""
    segment = batch["comment_segment"]
    # a comment at a segment without any feature has no answer to find
    counted = batch["comment_weight"] * jnp.take_along_axis(seen, segment, axis=1)
    counted = counted * (batch["weight"][:, None] > 0)
    lowest = jnp.finfo(jnp.float32).min
    scores = jnp.where(seen[:, None], scores, lowest)
    true = jnp.take_along_axis(scores, segment[..., None], axis=-1)[..., 0]
    nll = jax.nn.logsumexp(scores, axis=-1) - true
    guess = scores.argmax(-1)
    hits = {
        "time_top1": ((guess == segment) * counted).sum(1),
        "time_distance": (jnp.abs(guess - segment) * counted).sum(1),
        "time_count": counted.sum(1),
    }
    weight = batch["weight"]
    total = (jnp.where(counted > 0, nll, 0.0) * counted).sum(1)
    return (total * weight, counted.sum(1) * weight), jax.lax.stop_gradient(hits)


Model = TAM  # what `model.name = "tam"` in a config stands for
