"""What a builder decides: source videos, the clips cut from them, their targets and splits."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Source:
    """One source video with its comment file; `name` is its own within the dataset."""

    name: str
    video: str
    comments: str | None = None


@dataclasses.dataclass(frozen=True)
class Said:
    """The comments of a source, cleaned, by time; `every` holds the times of all that were read."""

    time: np.ndarray  # float32 [C], seconds
    words: list[list[str]]
    emotional: list[list[bool]]
    every: np.ndarray  # float32, ascending
    counts: dict[str, int]  # what each step of reading and cleaning removed


@dataclasses.dataclass(frozen=True)
class Found:
    """What extraction found out about a source, without its features."""

    duration: float
    said: Said | None


@dataclasses.dataclass(frozen=True)
class Clip:
    """A part of a source that becomes one record; `end` None: to the source's end."""

    id: str
    group: str
    source: str
    start: float = 0.0
    end: float | None = None
    targets: Mapping[str, Any] = dataclasses.field(default_factory=dict)


# Gives what is known of a source, None for one that had to be skipped.
Lookup = Callable[[Source], Found | None]


@dataclasses.dataclass(frozen=True)
class Request:
    """What the person asked for; `options` has every option of the builder."""

    videos: pathlib.Path
    comments: pathlib.Path | None
    annotations: pathlib.Path | None
    options: Mapping[str, Any]
    lexicon: Any = None  # data_prep.lexicon.Lexicon
    classifiers: tuple[str, ...] = ()  # folders of exports


@dataclasses.dataclass(frozen=True)
class Plan:
    """A dataset to be: `clips` is called once every source is extracted or skipped."""

    sources: list[Source]
    spec: Mapping[str, Any]  # the arguments of records.Spec, but for the modalities
    clips: Callable[[Lookup], dict[str, list[Clip]]]  # split -> clips
    metadata: Mapping[str, Any]
    partitions: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    skipped: Mapping[str, str] = dataclasses.field(default_factory=dict)  # name -> reason
    notes: list[str] = dataclasses.field(default_factory=list)
    splits: tuple[str, ...] = ()  # that must not come out empty, besides those that clips gives
