"""What viewers would write: the emotions in the words that a pre-trained model expects.

A model that has only learned from comments names no emotion by itself. It is asked, in the middle
of each window, for a comment of one word that is hidden from it; the chances of all words are
summed over those that the lexicon counts to each emotion. Without a lexicon of emotions in the
export, the likeliest words themselves are told.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from affectjax.data import sample_world
from affectjax.data.vocabulary import SPECIALS
from affectjax.export import Export
from affectjax.layers.decoder import decode, word_logits
from affectjax.predicting.timeline import Track

MOST = 8  # words that are told


def needed(export: Export) -> bool:
    """Whether the export is of a pre-training on comments."""
    return export.config.examples.name == "tsc"


class Names:
    """Stands in the model's place: predictions with names, of records without comments."""

    def __init__(self, export: Export):
        self.export = export
        self.words = export.vocabulary.words[len(SPECIALS) :]
        self.emotions, self.table = _table(export, self.words)
        self.shown = {"words": "distribution" if self.emotions else "words"}
        self.program = jax.jit(
            lambda variables, batch: export.model.apply(variables, batch, method=_chances)
        )

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a prediction stand for, in their order."""
        return {"words": self.emotions or self.words}

    def asked(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record with one comment of one word, which the examples will hide."""
        comments = {
            "word": [self.words[0]],
            "length": np.ones(1, np.int32),
            "time": np.array([record["duration"] / 2], np.float32),
            "emotional": np.ones(1, np.uint8),
        }
        return {**record, "comments": comments}

    def predict(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Chances [B, K] of the emotions, or [B, V] of the words."""
        found = jax.device_get(self.program(self.export.variables, dict(batch)))
        if self.emotions:
            found = found @ self.table
            found = found / found.sum(1, keepdims=True)
        return {"words": found}


def strongest(track: Track) -> Track:
    """Of words the likeliest over the whole video; other tracks as they are."""
    if track.kind != "words":
        return track
    best = np.argsort(-track.scores.mean(0), kind="stable")[:MOST]
    return Track(track.kind, tuple(track.names[k] for k in best), track.scores[:, best])


def _chances(model, batch) -> jax.Array:
    """float32 [B, V]: the words, specials not among them, at the first hidden place."""
    f, f_mask = model.represent(batch)
    p, settings = model.decoder_parameters(), model.decoder_settings
    keys = ("tokens", "token_comment", "token_position", "masked_at", "comment_at")
    found, _, _ = decode(p, *(batch[key] for key in keys), f, f_mask, settings)
    logits = word_logits(p, found[:, :1], model.vocabulary, settings)[:, 0]
    logits = logits[:, len(SPECIALS) : model.vocabulary].astype(jnp.float32)
    return jax.nn.softmax(logits)


def _table(export: Export, words) -> tuple[tuple[str, ...], np.ndarray]:
    """(emotions, float32 [V, K]); a word of several emotions counts to each in equal parts."""
    known = export.about.get("lexicon") or {}
    if known.get("name") == "sample":
        known = sample_world.lexicon()
    known = {w: names for w, names in known.items() if isinstance(names, list | tuple)}
    present = {e for w in words if w in known for e in known[w]}
    labels = export.about.get("label_names") or sorted(present)
    emotions = tuple(e for e in labels if e in present)
    if len(emotions) < 2:
        return (), np.zeros((len(words), 0), np.float32)
    table = np.zeros((len(words), len(emotions)), np.float32)
    for place, word in enumerate(words):
        for emotion in known.get(word, ()):
            if emotion in emotions:
                table[place, emotions.index(emotion)] += 1 / len(known[word])
    return emotions, table
