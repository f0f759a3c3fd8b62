"""Comment classifiers: for each of K emotions, whether a comment expresses it, by a yes or no.

K = 1 is one of the paper's six separate networks; with more, one encoder has K heads. The encoder
is BERT, or a small one from scratch: the embeddings of hashed character n-grams, weighted by how
often each stands in the comment and how rare it is, summed, and read by a linear layer, beside
which a hidden one can stand.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from affectjax import binary, choices
from affectjax.backbones import bert
from affectjax.errors import UserError
from affectjax.layers.dense import dense, dense_tree, dropout, fold, last_dense
from affectjax.layers.parameters import Leaf, Parameters
from affectjax.layers.standardise import Standardise

Batch = Mapping[str, jax.Array]
Array = jax.Array
Sums = dict[str, tuple[Array, Array]]

CHOICES = {
    "encoder": ("ngrams", "bert"),
    "balance": ("scores", "loss", "none"),
    "dtype": ("float32", "bfloat16"),
}
RAREST = 1e-4  # an n-gram that training never saw counts as rare as one in so many comments


class CommentClassifiers(nn.Module):
    """Keeps the contract that stands at the head of `affectjax.models`."""

    outputs: tuple[str, ...]  # names of the K emotions
    vocabulary: int  # word pieces; 0 where n-grams are read
    modalities: Mapping[str, int] = dataclasses.field(default_factory=dict)  # none: words alone
    encoder: str = "ngrams"
    buckets: int = 1 << 18  # numbers that the n-grams share
    width: int = 32
    hidden: int = 0
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of backbones.bert
    dropout: float = 0.0
    word_dropout: float = 0.1  # of whole n-grams
    balance: str = "scores"  # where comments with and without an emotion are made 1 : 1
    dtype: str = "float32"

    def setup(self):
        choices.check(self, CHOICES)
        if not self.outputs:
            raise UserError("outputs names no emotion", "model.outputs")
        if self.modalities:
            raise UserError("classifiers of comments read no modality", "model.modalities")
        k = len(self.outputs)
        self.target = Standardise(k, name="standardise_target")  # its mean: how common each is
        if self.encoder == "bert":
            if not self.vocabulary:
                raise UserError(
                    "BERT has no vocabulary here", "examples.name", "Say comment_pieces there."
                )
            self.settings = s = self._bert()
            self.encoder_parameters = Parameters(bert.tree(s)["params"], name="encoder")
            self.head_parameters = Parameters(dense_tree(s.width, k), name="head")
            return
        self.rarity = Standardise(self.buckets, name="standardise_ngrams")
        embedding = Leaf((self.buckets, self.width), jax.nn.initializers.normal(0.02))
        self.encoder_parameters = Parameters({"ngram": embedding}, name="encoder")
        tree = {"wide": dense_tree(self.width, k)}
        if self.hidden:
            tree |= {
                "in": dense_tree(self.width, self.hidden),
                "out": dense_tree(self.hidden, k, bias=False),
            }
        self.head_parameters = Parameters(tree, name="head")

    def __call__(self, batch: Batch, train: bool = False) -> dict[str, Array]:
        return self.loss(batch, train)[1]

    def loss(self, batch: Batch, train: bool) -> tuple[Sums, dict[str, Array]]:
        """({"target": (sum [B], weight [B])}, {probability, truth [B, K]}); unknown weighs nothing.

        Comments without an emotion are the most by far. `balance` makes both sides 1 : 1: "loss"
        weighs them so, and "scores" learns from them as they come and gives the probability that
        follows where half of the comments have the emotion, which ranks better; "none" gives the
        probability among comments like those trained on.
        """
        key = self.make_rng("dropout") if train else None
        read = self._pieces if self.encoder == "bert" else self._ngrams
        logits = read(batch, key)
        truth = batch["target"]
        known = jnp.isfinite(truth)
        yes = jnp.where(known, truth, 0.0)
        share = self.target(jnp.zeros_like(yes), back=True)  # the mean
        share = jnp.clip(share, 1e-6, 1 - 1e-6)
        weight = known.astype(jnp.float32)
        if self.balance == "loss":
            weight = weight * 0.5 * jnp.where(yes > 0.5, 1 / share, 1 / (1 - share))
        else:  # from how common each emotion is, so that training need not find that out
            logits = logits + jnp.log(share / (1 - share))
        error = yes * jax.nn.softplus(-logits) + (1 - yes) * jax.nn.softplus(logits)
        sums = {"target": ((error * weight).sum(1) * batch["weight"],
                           known.sum(1) * batch["weight"])}  # fmt: skip
        if self.balance == "scores":
            logits = logits - jnp.log(share / (1 - share))
        found = {"probability": jax.nn.sigmoid(logits), "truth": truth}
        return sums, jax.lax.stop_gradient(found)

    def _ngrams(self, batch: Batch, key: Array | None) -> Array:
        """tokens, counts [B, L] -> logits [B, K]."""
        tokens, head = batch["tokens"], self.head_parameters()
        share = self.rarity(jnp.zeros((self.buckets,)), back=True)
        rarity = 1 - jnp.log(jnp.maximum(share, RAREST))[tokens]
        weight = jnp.where(tokens > 0, (1 + jnp.log(jnp.maximum(batch["counts"], 1))) * rarity, 0.0)
        length = jnp.sqrt(jnp.square(weight).sum(1, keepdims=True) + 1e-9)
        weight = dropout(fold(key, 0), weight / length, self.word_dropout)
        vectors = self.encoder_parameters()["ngram"].astype(self.dtype)[tokens]  # [B, L, D]
        x = jnp.einsum("bl,bld->bd", weight.astype(self.dtype), vectors)
        x = dropout(fold(key, 1), x, self.dropout)
        logits = last_dense(head["wide"], x)
        if self.hidden:
            h = dropout(fold(key, 2), jnp.tanh(dense(head["in"], x)), self.dropout)
            logits = logits + last_dense(head["out"], h)
        return logits

    def _pieces(self, batch: Batch, key: Array | None) -> Array:
        """tokens [B, L] -> logits [B, K], from the pooled first token."""
        variables = {"params": self.encoder_parameters()}
        tokens = batch["tokens"]
        states = bert.apply(variables, tokens, self.settings, tokens > 0, dtype=self.dtype)
        x = bert.pool(variables, states)
        return last_dense(self.head_parameters(), dropout(fold(key, 0), x, self.dropout))

    def _bert(self) -> bert.Settings:
        given = {**self.network, "vocabulary": self.vocabulary, "pooler": True, "head": False}
        return bert.Settings(**given)

    def flops(self, batch: Mapping[str, np.ndarray]) -> float:
        """FLOPs of one forward pass over the tokens of a host batch that are there."""
        length = (np.asarray(batch["tokens"]) > 0).sum(1).astype(np.float64)
        k, rows = len(self.outputs), len(length)
        if self.encoder == "ngrams":
            head = self.width * (k + self.hidden) + self.hidden * k
            return float(2 * length.sum() * self.width + 2 * rows * head)
        s = self._bert()
        layer = 2 * length.sum() * (4 * s.width**2 + 2 * s.width * s.ffn)
        layer += 4 * np.square(length).sum() * s.width
        return float(s.layers * layer + 2 * rows * s.width * (s.width + k))

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        return {"probability": self.outputs, "truth": self.outputs}

    def metrics(self, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Predictions of all comments -> accuracy, balanced accuracy and AUC; see `binary`."""
        return binary.scores(arrays["probability"], arrays["truth"], self.outputs)


Model = CommentClassifiers  # what `model.name = "danmaku_comments"` in a config stands for
