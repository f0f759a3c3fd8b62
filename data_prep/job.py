"""What a worker does for one source: read and clean its comments, then decode its video once."""

import dataclasses
import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from affectjax.media import extract as media
from affectjax.media import extractor as extractors
from affectjax.media.facts import Facts
from data_prep import lexicon as lexicons
from data_prep.comments import clean, read, tokenise
from data_prep.plan import Said


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """How comments become words: the names of everything that it follows from."""

    tokeniser: str
    lexicon: str  # a file, or the name of a built-in one
    rules: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Job:
    """The parts of a source that are still missing."""

    source: str
    video: str | None  # None: its features are there
    comments: str | None  # None: they are there, or nobody wants them
    extractors: tuple[tuple[str, str], ...]  # name, its options as JSON
    cleaning: Cleaning | None
    threads: int = 1


class Done:
    """The last piece of a job that went well."""


def run(job: Job) -> Iterator[Said | media.Chunk | Facts | Done]:
    """What is found in one source, piece by piece, and Done at the end."""
    if job.comments is not None:
        yield said(job.comments, job.cleaning)
    if job.video is not None:
        found = [made(name, options) for name, options in job.extractors]
        yield from media.extract(job.video, found, threads=job.threads)
    yield Done()


@functools.cache
def made(name: str, options: str) -> extractors.Extractor:
    """An extractor by its name and its options as JSON; one of a kind in a process."""
    return extractors.resolve(name, json.loads(options))


def said(path: str, cleaning: Cleaning) -> Said:
    """The comments of a file, read and cleaned."""
    reading = read.read(path)
    tokeniser, lexicon = _tools(cleaning.tokeniser, cleaning.lexicon)
    found = clean.clean(reading.comments, clean.Rules(**cleaning.rules), tokeniser, lexicon)
    return Said(
        time=np.asarray(found.time, np.float32),
        words=found.words,
        emotional=[list(map(bool, flags)) for flags in found.emotional],
        every=np.array([comment.time for comment in reading.comments], np.float32),
        counts={"read": len(reading.comments), **reading.notes, **found.counts},
    )


@functools.cache
def _tools(tokeniser: str, lexicon: str):
    return tokenise.tokeniser(tokeniser), lexicons.load(lexicon)
