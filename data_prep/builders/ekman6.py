"""Ekman-6: 1,637 videos of six emotions, the public split of 819 and 818, segments for detection.

Annotations: `trainlist01.txt` and `testlist01.txt` (a line `class/video index`; the test list may
leave the index out), maybe `classInd.txt`, and maybe a segment file: a line gives the video, then
the start and the end of up to three segments in seconds, and the duration last.
"""

import pathlib

import numpy as np

from affectjax.errors import UserError
from data_prep import find
from data_prep.builders import lists
from data_prep.plan import Clip, Lookup, Plan, Request

CLASSES = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
OFFICIAL = {"train": 819, "test": 818}
LISTS = {"train": "trainlist01.txt", "test": "testlist01.txt"}
HOME = "the page of Xu et al. at bigvid.fudan.edu.cn"
OPTIONS = {"segments": ""}  # the segment file, below --annotations; "": segments.txt if it is there


def plan(request: Request) -> Plan:
    """Videos, labels, splits and segments, from the public lists."""
    label, split_of, notes = {}, {}, []
    for split, file in LISTS.items():
        path = find.annotation(request, [file], "Ekman-6", HOME)
        listed = lists.read(path, CLASSES)
        if len(listed) != OFFICIAL[split]:
            notes.append(f"{file} lists {len(listed)} videos, the public split {OFFICIAL[split]}")
        for one in listed:
            if one.name in label:
                raise UserError(f"{one.name!r} is listed twice", str(path), "Mend the list.")
            label[one.name], split_of[one.name] = one.label, split
        if (classes := path.parent / lists.CLASSES).is_file():
            lists.check_classes(classes, CLASSES)
    segments = _segments(request, label)
    sources, skipped = lists.sources(label, request.videos)

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        out = {split: [] for split in LISTS}
        for source in sources:
            found = lookup(source)
            if found is None:
                continue
            targets = {"label": label[source.name]}
            if segments:
                rows = np.array(segments.get(source.name, ()), np.float32).reshape(-1, 3)
                beyond = rows[:, 0] >= np.float32(found.duration)
                if beyond.any():
                    notes.append(f"{source.name}: {beyond.sum()} segments begin after its end")
                rows = rows[~beyond]
                targets["segments"] = np.minimum(rows, [found.duration, found.duration, 6])
            clip = Clip(source.name, source.name, source.name, targets=targets)
            out[split_of[source.name]].append(clip)
        return out

    return Plan(
        sources=sources,
        spec={"label_names": CLASSES, "segments": bool(segments)},
        clips=clips,
        metadata={"protocol": "the public split, 819 videos for training and 818 for testing"},
        skipped=skipped,
        notes=notes,
    )


def _segments(request: Request, label: dict[str, int]) -> dict[str, list[tuple]]:
    """{video: [(start, end, class)]} from the segment file, {} where there is none."""
    wanted = request.options["segments"]
    path = pathlib.Path(request.annotations, wanted or "segments.txt")
    if not path.is_file():
        if wanted:
            mend = "Gao et al. (2017) annotated the segments."
            raise UserError("the segment file is missing", str(path), mend)
        return {}
    bare = {name.partition("/")[2]: name for name in label}
    found = {}
    for number, line in enumerate(find.lines(path), 1):
        name, *rest = line.replace(",", " ").replace(";", " ").split()
        name = find.without_ending(name)
        name = name if name in label else bare.get(name, "")
        where = f"{path}, line {number}"
        try:
            numbers = [float(word) for word in rest]
        except ValueError:
            numbers = []
        if not name or len(numbers) < 2:
            mend = "A line gives a video of the lists, pairs of start and end, and the duration."
            raise UserError(f"{line!r} is no line of segments", where, mend)
        pairs = list(zip(numbers[0::2], numbers[1::2]))
        if any(not 0 <= start < end for start, end in pairs):
            raise UserError(f"{line!r} has a segment that ends before it starts", where)
        found[name] = [(start, end, label[name]) for start, end in pairs]
    return found
