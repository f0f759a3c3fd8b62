"""VideoEmotion-8: about 1,100 videos of eight emotions, and ten fixed splits of 2/3 and 1/3.

The papers draw ten splits and publish none of them. Here they are fixed: within a class, a split
orders the videos by a digest of its own number and the video's name, and the first two thirds
train. So they follow from the names alone, and a video that cannot be had any more moves no other.
A name that stands under two classes is left out. All records stand in the split `all`; the
dataset's metadata says which of them train and test in each partition 0..9, and in `published`
where the lists at hand give a split of their own.
"""

import collections
import hashlib

from affectjax.errors import UserError
from data_prep import find
from data_prep.builders import lists
from data_prep.plan import Clip, Lookup, Plan, Request

CLASSES = (
    "anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust",
)  # fmt: skip
LISTS = {"train": "trainlist01.txt", "test": "testlist01.txt"}
HOME = "www.yugangjiang.info/research/VideoEmotions"
OPTIONS = {"splits": 10}


def plan(request: Request) -> Plan:
    """Videos, labels and the ten fixed splits."""
    if request.options["splits"] < 1:
        raise UserError("splits must be at least 1", "--options")
    published = _published(request)
    listed = {one for part in published.values() for one in part} or _folders(request)
    by_name = collections.defaultdict(set)
    for one in listed:
        by_name[one.name.partition("/")[2]].add(one)
    twice = {name for name, found in by_name.items() if len(found) > 1}
    label = {
        one.name: one.label
        for name, (one, *_) in sorted(
            (name, sorted(found, key=str)) for name, found in by_name.items()
        )
        if name not in twice
    }
    sources, skipped = lists.sources(label, request.videos)
    skipped |= {
        one.name: "it is listed under two classes" for name in twice for one in by_name[name]
    }

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        return {
            "all": [
                Clip(one.name, one.name, one.name, targets={"label": label[one.name]})
                for one in sources
                if lookup(one) is not None
            ]
        }

    partitions = {str(i): partition(label, i) for i in range(request.options["splits"])}
    if published:
        partitions["published"] = {
            one.name: part
            for part, found in published.items()
            for one in found
            if one.name in label
        }
    count = request.options["splits"]
    return Plan(
        sources=sources,
        spec={"label_names": CLASSES},
        clips=clips,
        metadata={
            "protocol": f"{count} fixed stratified splits of 2/3 and 1/3; choose a partition"
        },
        partitions=partitions,
        skipped=dict(sorted(skipped.items())),
    )


def partition(label: dict[str, int], number: int) -> dict[str, str]:
    """{name: train or test}: in every class the first two thirds, in this split's own order."""
    out = {}
    for k in sorted(set(label.values())):
        names = [name for name in label if label[name] == k]
        names.sort(key=lambda name: hashlib.sha256(f"split {number} {name}".encode()).digest())
        cut = (2 * len(names) + 1) // 3
        out |= {name: "train" if i < cut else "test" for i, name in enumerate(names)}
    return out


def _published(request: Request) -> dict[str, list[lists.Listed]]:
    """The lists under --annotations; {} where nobody named a folder."""
    if request.annotations is None:
        return {}
    found = {}
    for part, file in LISTS.items():
        path = find.annotation(request, [file], "VideoEmotion-8", HOME)
        found[part] = lists.read(path, CLASSES)
        if (classes := path.parent / lists.CLASSES).is_file():
            lists.check_classes(classes, CLASSES)
    return found


def _folders(request: Request) -> set[lists.Listed]:
    """Without lists the folders are the classes."""
    places = {name: i for i, name in enumerate(CLASSES)}
    found = set()
    for name in find.videos(request.videos):
        folder = name.partition("/")[0].lower()
        if "/" in name and folder in places:
            found.add(lists.Listed(name, places[folder]))
    if not found:
        raise UserError(
            "there are neither lists nor folders of the eight classes",
            str(request.videos),
            f"Say --annotations=DIR; VideoEmotion-8: its owners give it out at {HOME}.",
        )
    return found
