"""Videos with comments, and how their emotions are distributed in every window of five seconds.

A comment counts for each emotion that its words speak of by the lexicon or, with --classifiers, for
each that a trained classifier (configs/danmaku_comments.py) finds in its text with a probability of
at least one half; anger is part of disgust, as in the paper. A window with fewer than five counted
comments is masked; a split without any other is refused. Sources are split 8 : 1 : 1. A row of the
distribution stands at the middle of its window.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.errors import UserError, nearest
from data_prep import distributions
from data_prep.builders import commented
from data_prep.comments import read
from data_prep.labelling import classify
from data_prep.plan import Clip, Found, Lookup, Plan, Request, Source

CLASSES = ("like", "joy", "surprise", "fear", "disgust", "sadness")
PART_OF = {"anger": "disgust"}
COMMENTS = CLASSIFIERS = True
RULES = {  # short and plain comments count as well, and everybody who says the same
    "min_words": 1,
    "max_words": 200,
    "special": False,
    "duplicate_seconds": 0.0,
}
OPTIONS = {
    "emotions": list(CLASSES),  # of a lexicon; classifiers have their own
    "part_of": PART_OF,  # {class: the emotion that it counts for}
    "threshold": 0.5,  # a comment counts for every classifier that is at least so sure
    "seconds": 5.0,
    "least": 5,
    "lag": 0.0,
    "smoothing": 0.0,
    "empty": "mask",
    "seed": 0,
}


def plan(request: Request) -> Plan:
    """Windows with distributions over emotions, from comments and a lexicon or classifiers."""
    o = request.options
    settings = {name: o[name] for name in ("seconds", "least", "lag", "smoothing", "empty")}
    distributions.distributions([], np.zeros((0, 2)), 0.0, **settings)  # are they fit?
    sources, skipped = commented.sources(request)
    parts = ("train", "validation", "test")
    said = commented.manifest([source.name for source in sources], request)
    chosen = by_classifiers(request) if request.classifiers else by_lexicon(request)

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        targets = {}
        for source in sources:
            found = lookup(source)
            if found is not None:
                times, votes = chosen.votes(source, found)
                rows, starts = distributions.distributions(times, votes, found.duration, **settings)
                middles = (starts + o["seconds"] / 2).astype(np.float32)
                targets[source.name] = {"distribution": rows, "distribution_time": middles}
        side = commented.divide(targets, request, (8, 1, 1), parts)
        out: dict[str, list[Clip]] = {}
        for name, target in targets.items():
            out.setdefault(side[name], []).append(Clip(name, name, name, targets=target))
        check(out, o["least"])
        return dict(sorted(out.items(), key=lambda item: (*parts, item[0]).index(item[0])))

    return Plan(
        sources=sources,
        spec={"comments": True, "distribution_names": chosen.names},
        clips=clips,
        metadata={"protocol": "train, validation and test by source, 8 : 1 : 1", **chosen.told},
        skipped=skipped,
        notes=chosen.notes,
        splits=tuple(sorted({*said.values()} or parts)),
    )


@dataclasses.dataclass(frozen=True)
class Voting:
    """Who says which emotions a comment has."""

    names: tuple[str, ...]  # of the K emotions
    votes: Callable[[Source, Found], tuple[np.ndarray, np.ndarray]]  # times [C], bool [C, K]
    told: dict[str, Any]  # for the dataset's metadata
    notes: list[str]


def by_lexicon(request: Request) -> Voting:
    """A comment has the emotions that its words speak of, of those that are kept in cleaning."""
    lexicon, part_of = request.lexicon, request.options["part_of"]
    names = tuple(request.options["emotions"])
    wanted = (*names, *part_of)
    known = [name for name in wanted if name in lexicon.classes]
    if not known:
        mend = f"It must speak of some of: {', '.join(wanted)}."
        raise UserError("the lexicon has none of the emotions", "--lexicon", mend)
    check_parts(part_of, names)
    unused = sorted(set(lexicon.classes) - set(wanted))
    absent = [name for name in names if name not in {*known, *(part_of.get(k) for k in known)}]
    notes = [f"the lexicon's class {name!r} is none of the emotions" for name in unused]
    notes += [f"no word of the lexicon speaks of {name!r}" for name in absent]

    def votes(source: Source, found: Found) -> tuple[np.ndarray, np.ndarray]:
        every = distributions.of_lexicon(found.said.words, lexicon, wanted)
        return found.said.time, joined(every, wanted, part_of, names)

    return Voting(names, votes, {}, notes)


def by_classifiers(request: Request) -> Voting:
    """A comment has the emotions of every classifier that is sure enough; all comments are read."""
    exports, part_of = classify.load(request.classifiers), request.options["part_of"]
    wanted = classify.emotions(exports)
    part_of = {name: whole for name, whole in part_of.items() if name in wanted}
    names = tuple(name for name in wanted if name not in part_of)
    check_parts(part_of, names)
    told = {"emotions": list(wanted), "digest": classify.digest(exports)}

    def votes(source: Source, found: Found) -> tuple[np.ndarray, np.ndarray]:
        said = read.read(source.comments).comments
        sure = classify.probabilities(exports, [comment.text for comment in said])
        every = distributions.of_probabilities(sure, request.options["threshold"])
        times = np.array([comment.time for comment in said], np.float64)
        return times, joined(every, wanted, part_of, names)

    return Voting(names, votes, {"classifiers": told}, [])


def check_parts(part_of: Mapping[str, str], names: Sequence[str]) -> None:
    """What a class counts for must be an emotion."""
    for name, whole in part_of.items():
        if whole not in names:
            what = f"{name!r} cannot count for {whole!r}"
            raise UserError(what, "--options, part_of", nearest(str(whole), names))


def joined(
    votes: np.ndarray, wanted: Sequence[str], part_of: Mapping[str, str], names: Sequence[str]
) -> np.ndarray:
    """bool[C, K] of the emotions, from votes [C, W] for these and for parts of them."""
    out = np.zeros((len(votes), len(names)), bool)
    for column, name in enumerate(wanted):
        out[:, names.index(part_of.get(name, name))] |= votes[:, column]
    return out


def check(splits: dict[str, list[Clip]], least: int) -> None:
    """Refuses a split of which nothing can be learnt or measured."""
    for split, clips in splits.items():
        if all(np.isnan(clip.targets["distribution"]).all() for clip in clips):
            where = f"{len(clips)} video" + "s" * (len(clips) > 1)
            what = f"no window of the split {split!r} ({where}) has {least} counted comments"
            mend = (
                "Lower the option least, lengthen seconds, choose another seed, "
                "or give videos with more comments."
            )
            raise UserError(what, "--options", mend)
