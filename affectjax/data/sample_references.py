"""What could be known at best and at least about the sample's comments: floors and oracles.

Each score stands on exactly the comments that comment pre-training uses: with an emotional word,
and of 3 to 15 words. An oracle knows the law of the generator and the latents named here, never
the realised draw; so a model may come near it, and passes it by luck only.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from affectjax.data.sample_comments import (
    HORIZON,
    STEP,
    Comments,
    context_law,
    copy_law,
    emotional_law,
    lag_law,
    rates,
)
from affectjax.data.sample_story import Timeline
from affectjax.data.sample_world import CONSTANTS, EMOTIONS, SEGMENT_SECONDS, Dials

if TYPE_CHECKING:
    from affectjax.data.sample import Stories

SHORTEST, LONGEST = 3, 15  # words of a comment that pre-training keeps
WORD_SCORES = ("frequent_word", "oracle_text", "oracle_clip", "oracle")
TIME_SCORES = (
    "prior_top1", "prior_distance", "time_top1", "time_distance", "time_distance_of_top1",
)  # fmt: skip


def references(stories: Stories, split: str = "test") -> dict:
    """Top-1 of emotional words, top-1 and distance (in segments) of appearing times, and counts.

    words: `frequent_word` the commonest emotional word of training; `oracle_text` the unmasked
    words alone; `oracle_clip` and the clip's latents; `oracle` and the comment's time.
    time: `prior` the best constants of training; `oracle` the clip's latents and unmasked words,
    its distance by the posterior's median, `distance_of_top1` by the same guess as its top-1.
    """
    clips = by_clip(stories, split)
    totals = {name: sum(clip[name] for clip in clips) for name in ("words", "comments")}

    def mean(name: str, per: str) -> float:
        return sum(clip[name] for clip in clips) / totals[per]

    return {
        "words": {name: mean(name, "words") for name in WORD_SCORES},
        "time": {
            "prior": {
                "top1": mean("prior_top1", "comments"),
                "distance": mean("prior_distance", "comments"),
            },
            "oracle": {
                "top1": mean("time_top1", "comments"),
                "distance": mean("time_distance", "comments"),
                "distance_of_top1": mean("time_distance_of_top1", "comments"),
            },
        },
        "counts": {
            "comments": totals["comments"],
            "masked_words": totals["words"],
            "clips": sum(clip["comments"] > 0 for clip in clips),
        },
    }


def by_clip(stories: Stories, split: str = "test") -> list[dict]:
    """For each clip `id`, `group`, how many `words` and `comments`, and the sums of all scores."""
    dials = stories.dials
    known = [(clip, kept(clip.comments)) for clip in stories.splits["train"]]
    seen = np.concatenate([clip.comments.expressed[rows] for clip, rows in known])
    usual = np.bincount(seen, minlength=len(EMOTIONS)) / len(seen)
    words = np.concatenate([_targets(clip.comments, row) for clip, rows in known for row in rows])
    frequent = int(np.bincount(words).argmax())
    when = np.concatenate([segments_of(clip.comments)[rows] for clip, rows in known])
    commonest, middle = int(np.bincount(when).argmax()), float(np.median(when))

    law = emotional_law(dials.text_overlap)
    found = []
    for clip in stories.splits[split]:
        sums: dict = dict.fromkeys((*WORD_SCORES, *TIME_SCORES), 0.0) | {"words": 0, "comments": 0}
        sums |= {"id": clip.id, "group": clip.group}
        found.append(sums)
        rows = kept(clip.comments)
        if not len(rows):
            continue
        text = likelihood(clip.comments, rows, dials)
        expected = counts(clip.timeline, dials)
        timed = timed_counts(clip.timeline, clip.comments.time[rows], dials)
        guess = {
            "frequent_word": np.full(len(rows), frequent),
            "oracle_text": (text * usual @ law).argmax(1),
            "oracle_clip": (text * expected.sum(1) @ law).argmax(1),
            "oracle": (text * timed @ law).argmax(1),
        }
        places = text @ expected
        places = places / places.sum(1, keepdims=True)
        best = places.argmax(1)
        median = (np.cumsum(places, axis=1) >= 0.5).argmax(1)
        truth = segments_of(clip.comments)[rows]
        for at, row in enumerate(rows):
            targets = _targets(clip.comments, row)
            sums["words"] += len(targets)
            for name, g in guess.items():
                sums[name] += float((targets == g[at]).sum())
        sums |= {
            "comments": len(rows),
            "prior_top1": float((truth == commonest).sum()),
            "prior_distance": float(np.abs(truth - middle).sum()),
            "time_top1": float((truth == best).sum()),
            "time_distance": float(np.abs(truth - median).sum()),
            "time_distance_of_top1": float(np.abs(truth - best).sum()),
        }
    return found


def kept(comments: Comments) -> np.ndarray:
    """int64[kept], the comments that pre-training uses."""
    good = [
        SHORTEST <= len(words) <= LONGEST and bool(flags.any())
        for words, flags in zip(comments.words, comments.emotional)
    ]
    return np.flatnonzero(np.array(good, bool))


def segments_of(comments: Comments) -> np.ndarray:
    """int64[C], the segment that each comment appears in."""
    return np.floor(comments.time.astype(np.float64) / SEGMENT_SECONDS).astype(np.int64)


def _targets(comments: Comments, row: int) -> np.ndarray:
    return comments.words[row][comments.emotional[row]]


def likelihood(comments: Comments, rows: np.ndarray, dials: Dials) -> np.ndarray:
    """float64[C, K]: the unmasked words' chance under each expressed emotion, up to a factor."""
    law = context_law(dials.hints)[: len(EMOTIONS)]
    found = np.ones((len(rows), len(EMOTIONS)))
    for at, row in enumerate(rows):
        left = comments.words[row][~comments.emotional[row]]
        found[at] = (law[:, left] / law[:, left].sum(0)).prod(1)
    return found


def sources(clip: Timeline, dials: Dials) -> np.ndarray:
    """float64[K, T]: emotional comments a second that segment t causes, by expressed emotion."""
    off = CONSTANTS["off_topic"] * dials.off_topic
    on = (clip.emotions == np.arange(len(EMOTIONS))[:, None]) * (1 - off)
    return rates(clip) * (on + off / len(EMOTIONS))


@functools.cache
def arrival(lag: float, herding: float) -> np.ndarray:
    """float64[grid]: chance that a comment, copies among them, stands i * STEP after its event."""
    copies = CONSTANTS["copies"] * herding
    return (1 - copies) * lag_law(lag) + copies * copy_law(lag)


@functools.cache
def spread(lag: float, herding: float) -> np.ndarray:
    """float64[D]: chance that a comment appears d segments after the segment of its event."""
    law = arrival(lag, herding)
    area = np.concatenate([[0.0], np.cumsum((law[1:] + law[:-1]) / 2)]) * STEP
    edges = np.arange(-1, int(HORIZON / SEGMENT_SECONDS)) * SEGMENT_SECONDS
    known = np.interp(edges, np.arange(len(law)) * STEP, area, left=0.0)
    return (known[2:] - 2 * known[1:-1] + known[:-2]) / SEGMENT_SECONDS


def counts(clip: Timeline, dials: Dials) -> np.ndarray:
    """float64[K, T]: expected emotional comments that appear in each segment, per emotion."""
    kernel, rate = spread(dials.lag, dials.herding), sources(clip, dials) * SEGMENT_SECONDS
    found = np.zeros_like(rate)
    for later in range(clip.segments):
        found[:, later:] += kernel[later] * rate[:, : clip.segments - later]
    return found


def timed_counts(clip: Timeline, time: np.ndarray, dials: Dials) -> np.ndarray:
    """float64[C, K]: emotional comments a second at the moments `time` [C], per emotion."""
    law = arrival(dials.lag, dials.herding)
    since = time.astype(np.float64)[:, None] - np.arange(clip.segments + 1) * SEGMENT_SECONDS
    passed = np.interp(since, np.arange(len(law)) * STEP, law, left=0.0)
    return (passed[:, :-1] - passed[:, 1:]) @ sources(clip, dials).T
