"""Videos with comments, and how their emotions are distributed in every window of five seconds.

A comment counts for each emotion that its words speak of by the lexicon; anger is part of disgust,
as in the paper. A window with fewer than five counted comments is masked; a split without any other
is refused. Sources are split 8 : 1 : 1. A row of the distribution stands at the middle of its
window.
"""

import numpy as np

from affectjax.errors import UserError
from data_prep import distributions
from data_prep.builders import commented
from data_prep.plan import Clip, Lookup, Plan, Request

CLASSES = ("like", "joy", "surprise", "fear", "disgust", "sadness")
PART_OF = {"anger": "disgust"}
COMMENTS = True
RULES = {  # short and plain comments count as well, and everybody who says the same
    "min_words": 1,
    "max_words": 200,
    "special": False,
    "duplicate_seconds": 0.0,
}
OPTIONS = {
    "seconds": 5.0,
    "least": 5,
    "lag": 0.0,
    "smoothing": 0.0,
    "empty": "mask",
    "seed": 0,
}


def plan(request: Request) -> Plan:
    o, lexicon = request.options, request.lexicon
    known = [name for name in (*CLASSES, *PART_OF) if name in lexicon.classes]
    if not known:
        mend = f"It must speak of some of: {', '.join((*CLASSES, *PART_OF))}."
        raise UserError("the lexicon has none of the emotions", "--lexicon", mend)
    settings = {name: o[name] for name in ("seconds", "least", "lag", "smoothing", "empty")}
    distributions.distributions([], np.zeros((0, len(CLASSES))), 0.0, **settings)  # are they fit?
    sources, skipped = commented.sources(request)
    unused = sorted(set(lexicon.classes) - {*CLASSES, *PART_OF})
    absent = [name for name in CLASSES if name not in {*known, *(PART_OF.get(k) for k in known)}]
    notes = [f"the lexicon's class {name!r} is none of the six" for name in unused]
    notes += [f"no word of the lexicon speaks of {name!r}" for name in absent]

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        targets = {}
        for source in sources:
            found = lookup(source)
            if found is not None:
                votes = emotions(found.said.words, lexicon)
                rows, starts = distributions.distributions(
                    found.said.time, votes, found.duration, **settings
                )
                middles = (starts + o["seconds"] / 2).astype(np.float32)
                targets[source.name] = {"distribution": rows, "distribution_time": middles}
        parts = ("train", "validation", "test")
        side = commented.divide(targets, request, (8, 1, 1), parts)
        out: dict[str, list[Clip]] = {}
        for name, target in targets.items():
            out.setdefault(side[name], []).append(Clip(name, name, name, targets=target))
        check(out, o["least"])
        return dict(sorted(out.items(), key=lambda item: (*parts, item[0]).index(item[0])))

    return Plan(
        sources=sources,
        spec={"comments": True, "distribution_names": CLASSES},
        clips=clips,
        metadata={"protocol": "train, validation and test by source, 8 : 1 : 1"},
        skipped=skipped,
        notes=notes,
    )


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


def emotions(words: list[list[str]], lexicon) -> np.ndarray:
    """bool[C, K]: which of the six each comment speaks of."""
    votes = distributions.of_lexicon(words, lexicon, (*CLASSES, *PART_OF))
    for column, whole in enumerate(PART_OF.values(), len(CLASSES)):
        votes[:, CLASSES.index(whole)] |= votes[:, column]
    return votes[:, : len(CLASSES)]
