"""The model card of an export: Markdown under the hub's front matter, for people and for search."""

from collections.abc import Mapping
from typing import Any

FRONT = """\
---
library_name: affectjax
pipeline_tag: {pipeline}
tags:
- affective-computing
- emotion-recognition
- jax
---"""
LIMITS = """\
It predicts what the annotators of its dataset would have said, not what a person feels. The dataset
and the weights of the extractors have licences of their own, which bind this model too. Do not use
it to decide anything about a person."""
SAMPLE = (
    "**Trained on the built-in sample, invented stories: it shows that the way can be walked, and "
    "knows nothing about people.**"
)


def text(about: Mapping[str, Any], parameters: int) -> str:
    """The card of an export whose config.json holds `about`."""
    model, known = about["config"]["model"], about["modalities"]
    reads = _reads(about)
    untrained = [m for m, said in known.items() if not said.get("trained", True)]
    dataset = about["dataset"]
    parts = [
        FRONT.format(pipeline="video-classification" if reads else "text-classification"),
        f"# {model['name']}, trained by affectjax",
        f"{parameters:,} parameters, trained on `{dataset['name']}` (digest "
        f"`{dataset['digest'][:16]}`).",
    ]
    if dataset["name"].startswith("sample"):
        parts.append(SAMPLE)
    if untrained:
        parts.append(f"**Untrained extractors ({', '.join(untrained)}): a trial, not a model.**")
    if model.get("outputs"):
        parts.append(f"Predicts {', '.join(model['outputs'])}.")
    parts += ["## Use", _use(bool(reads))]
    if reads:
        parts += ["## What it reads", _table(("modality", "width", "extractor"), reads)]
    shown = {k: v for k, v in about["metrics"].items() if "/" not in k}
    if shown:
        rows = [(k, "undefined" if v is None else format(v, ".4f")) for k, v in shown.items()]
        parts += ["## Scores", _table(("metric on the test part", "value"), rows)]
        if len(shown) < len(about["metrics"]):
            parts.append("Those of single classes stand in `config.json`, with all settings.")
    return "\n\n".join([*parts, "## Limits", LIMITS]) + "\n"


def _reads(about: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """(modality, width, extractor) of features, then of a record's entries, named as theirs."""
    known, own = about["modalities"], about["config"].get("examples", {})
    features = about["config"]["model"]["modalities"].items()
    rows = [(m, width, known.get(m, {}).get("extractor", "unknown")) for m, width in features]
    rows += [("frames", "pictures", "frames")] * bool(own.get("frames"))
    return rows + [("mfcc", own.get("mfcc"), "mfcc")] * bool(own.get("mfcc"))


def _use(videos: bool) -> str:
    lines = ["```python", "import affectjax", "", 'model = affectjax.load("this/folder")']
    lines += ['model.predict("video.mp4")  # its timeline'] * videos
    lines += ["model.predict(record)       # a record of a dataset, as arrays", "```"]
    return "\n".join(lines)


def _table(header: tuple, rows: list[tuple]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
