"""Long videos with time-sync comments, cut into clips for pre-training (TAM 5.1).

Cuts follow K-means on the times of all comments, K = duration / 30 s, on the grid of the segments.
The most positive and the most negative clips are taken, by the mean score of their cleaned
comments, equally many of each; clips without comments are none of them. Sources train and test
4 : 1, all clips of a source on one side; where the paper split by clip, that is `by=clip`.
A `clips.csv` beside the videos goes before: its columns `video` and `split` must name all sources.
"""

import numpy as np

from affectjax.errors import UserError, nearest
from data_prep import segmentation, sentiment
from data_prep.builders import commented
from data_prep.plan import Clip, Lookup, Plan, Request

COMMENTS = True
RULES = {}  # the paper's
OPTIONS = {
    "seconds": 30.0,
    "grid": 16 / 30,
    "select": 8000,  # clips of each polarity; 0 takes every clip that has comments
    "scorer": "lexicon",
    "test": 0.2,
    "by": "source",
    "seed": 0,
}


def plan(request: Request) -> Plan:
    """Clips where comments gather, train and test parted by source."""
    o = request.options
    if not (o["seconds"] > 0 and o["grid"] > 0 and o["select"] >= 0 and 0 < o["test"] < 1):
        mend = "seconds and grid are above 0, select is not negative, test is a fraction."
        raise UserError("an option of video_tsc is out of its range", "--options", mend)
    if o["by"] not in ("source", "clip"):
        mend = nearest(o["by"], ("source", "clip"))
        raise UserError(f"by cannot be {o['by']!r}", "--options", mend)
    score = sentiment.scorer(o["scorer"], request.lexicon)
    sources, skipped = commented.sources(request)
    fractions, parts = (1 - o["test"], o["test"]), ("train", "test")
    said = commented.manifest([source.name for source in sources], request)

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        found, scores = [], []
        for source in sources:
            known = lookup(source)
            if known is None:
                continue
            spans = segmentation.clips(known.said.every, known.duration, o["seconds"], o["grid"])
            # Clips read back the times of comments in float32: cut as they are cut.
            scores.append(sentiment.clip_scores(known.said.time, known.said.words, spans, score))
            found += [
                Clip(f"{source.name}-{i:04d}", source.name, source.name, start, end)
                for i, (start, end) in enumerate(spans)
            ]
        values = np.concatenate([np.zeros(0), *scores])
        count = o["select"] or len(values)
        if o["select"]:
            chosen = np.sort(np.concatenate(sentiment.select(values, count)))
        else:
            chosen = np.flatnonzero(~np.isnan(values))
        kept = [found[i] for i in chosen]
        if not kept:
            mend = "Are the lexicon and the tokeniser those of the comments' language?"
            raise UserError("no clip has comments left after cleaning", str(request.videos), mend)
        unit = [clip.id if o["by"] == "clip" else clip.source for clip in kept]
        side = commented.divide(sorted(set(unit)), request, fractions, parts)
        out: dict[str, list[Clip]] = {}
        for name, clip in zip(unit, kept):
            out.setdefault(side[name], []).append(clip)
        return dict(sorted(out.items(), key=lambda item: item[0] != "train"))

    return Plan(
        sources=sources,
        spec={"comments": True},
        clips=clips,
        metadata={"protocol": f"train and test by {o['by']}, {1 - o['test']:g} to {o['test']:g}"},
        skipped=skipped,
        splits=tuple(sorted({*said.values()} or parts)),
    )
