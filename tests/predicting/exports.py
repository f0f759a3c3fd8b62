"""Exports of untrained models, small and quick to make, and short videos to predict."""

import pathlib
import types

import jax
import numpy as np

from affectjax import assemble, configlib, export, initialise
from affectjax.data import sample
from affectjax.data.vocabulary import Vocabulary
from affectjax.media.lowlevel import Lowlevel
from tests.media import films

MODALITIES = dict(Lowlevel.modalities)
NAMES = ("joy", "fear", "sadness")
SMALL = {"segments": 64, "width": 16, "layers": 1, "ffn": 16}
NET = {"block": "basic", "blocks": (1,), "width": 4}
CONFIGS = {
    "tam_emotion": {
        "model": {"name": "tam_emotion", "modalities": MODALITIES, "outputs": NAMES, **SMALL},
        "examples": {"name": "clips"},
    },
    "values": {
        "model": {"name": "tam_emotion", "modalities": MODALITIES, "task": "values",
                  "outputs": ("valence", "arousal"), **SMALL},
        "examples": {"name": "clips", "values": ("valence", "arousal")},
    },
    "cten": {
        "model": {"name": "cten", "modalities": {"image": 32, "audio": 16}, "visual": "image",
                  "outputs": NAMES, "projection": 8},
        "examples": {"name": "snippets"},
    },
    "vaanet": {
        "model": {"name": "vaanet", "modalities": {"image": 32, "audio": 16}, "visual": "image",
                  "cells": 4, "outputs": NAMES, "positive": ("joy",)},
        "examples": {"name": "snippets"},
    },
    "tam": {
        "model": {"name": "tam", "modalities": MODALITIES, **SMALL, "decoder_layers": 1,
                  "decoder_heads": 2},
        "examples": {"name": "tsc", "tokens": 64, "comments": 8, "masked": 16},
        "words": {},
    },
    "frames": {
        "model": {"name": "cten", "modalities": {}, "outputs": NAMES, "segments": 3,
                  "sight": NET | {"stem": (3, 5, 5), "shortcut": "A",
                                  "normalisation": "kinetics-0-1"},
                  "sound": NET | {"channels": 1, "stem": (7, 1), "stem_stride": (2, 1),
                                  "normalisation": "none"},
                  "sound_size": 16, "projection": 4},
        "examples": {"name": "snippets", "frames": 2, "frame_size": 16, "mfcc": 8,
                     "mfcc_rows": 24},
    },
    "danmaku": {
        "model": {"name": "danmaku", "modalities": {"image": 32, "audio": 16}, "outputs": NAMES,
                  "hidden": 4, "layers": 1, "experts": 2, "project": {}},
        "examples": {"name": "seconds"},
    },
    "lstc": {
        "model": {"name": "lstc", "modalities": {"image": 32, "audio": 16}, "segments": 5,
                  "outputs": ("valence", "arousal"), "clips": 2, "hidden": 4, "layers": 1,
                  "width": 4, "inter_hidden": 4, "inter_layers": 1},
        "examples": {"name": "films"},
    },
}  # fmt: skip


def make(folder, name: str, seconds: float = 8.0, lexicon=None, about=None, **model):
    """An export of a model of these settings, which learned from clips of so many seconds."""
    plain = {key: dict(value) for key, value in CONFIGS[name].items()}
    plain["model"] |= model
    config = configlib.fill({"recipe": {"name": "single"}, "optim": {}, **plain})
    words = None
    if assemble.reads_comments(config):
        words = Vocabulary.build([(word, 2, 1) for word in ("happy", "scary", "sad", "the")])
    rule, module = assemble.examples(config, words), assemble.model(config, words)
    batch = {k: np.zeros((2, *shape), d) for k, (shape, d) in rule.spec().items()}
    # compiling every initialiser would take longer than all tests of the predictions
    variables = drawn(jax.eval_shape(lambda: initialise.variables(module, batch, 0)))
    params = variables.pop("params")
    clips = types.SimpleNamespace(durations=np.full(3, seconds))
    dataset = types.SimpleNamespace(
        name="sample", digest="0" * 64, spec=sample.SPEC, splits=("train",),
        split=lambda name: clips,
        metadata={"modalities": about or {}, "lexicon": lexicon or {}},
    )  # fmt: skip
    export.save(pathlib.Path(folder), config, params, variables, words, dataset, {})
    return export.load(folder)


def drawn(shapes: dict) -> dict:
    """Parameters that make a difference; what divides or scales is 1."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = jax.tree_util.keystr(path)
        if any(word in name for word in ("deviation", "var", "scale")):
            return np.ones(leaf.shape, leaf.dtype)
        spread = leaf.shape[0] ** -0.5 if len(leaf.shape) > 1 else 0.1
        return (spread * rng.normal(size=leaf.shape)).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, dict(shapes))


def video(path: pathlib.Path, seconds: float, sound: bool = True, seed: int = 0) -> pathlib.Path:
    """A video whose brightness and loudness change."""
    rng = np.random.default_rng(seed)
    light = rng.integers(0, 54, int(seconds) + 2)
    wave = films.tone(seconds) * np.repeat(rng.random(int(seconds) + 1), 16_000)[
        : round(seconds * 16_000)
    ].astype(np.float32)  # fmt: skip
    webm = path.suffix == ".webm"
    rate = 48_000 if webm else 16_000
    if webm:
        wave = np.repeat(wave, 3)
    return films.write(
        path,
        times=tuple(range(0, round(seconds * 1000), 40)),
        sound=[(0, wave)] if sound else None,
        rate=rate,
        planes=lambda i: films.grey(int(light[i // 25]) + i % 3, (64, 96)),
        codec="libvpx" if webm else "libx264",
    )
