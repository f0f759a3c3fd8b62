"""CAER: clips of television shows in folders train|validation|test/<Class>/, split 7 : 1 : 2.

Seven classes; `classes=6` leaves Neutral out. The clips of one show cannot be told from their
names, so each is a group of its own, unless `groups` names a CSV of lines `clip,show`.
"""

import csv
import io

from affectjax.errors import UserError
from data_prep import find
from data_prep.plan import Clip, Lookup, Plan, Request, Source

CLASSES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
SPLITS = ("train", "validation", "test")
HOME = "caer-dataset.github.io"
OPTIONS = {"classes": 7, "groups": ""}


def plan(request: Request) -> Plan:
    """Clips, labels and splits, from the folders of shows."""
    if request.options["classes"] not in (6, 7):
        raise UserError("classes is 6 or 7", "--options", "6 leaves Neutral out.")
    names = [n for n in CLASSES if request.options["classes"] == 7 or n != "Neutral"]
    folded = {name.lower(): i for i, name in enumerate(names)}
    known = {name.lower() for name in CLASSES}
    place, skipped = {}, {}
    there = find.videos(request.videos)
    for name in there:
        split, _, rest = name.partition("/")
        kind = rest.partition("/")[0].lower()
        if split not in SPLITS or "/" not in rest or kind not in known:
            skipped[name] = "it lies in no folder of a split and a class"
        elif kind in folded:
            place[name] = (split, folded[kind])
    for split in SPLITS:
        if not any(found == split for found, _ in place.values()):
            raise UserError(
                f"the folder {split} of CAER holds no clip",
                str(request.videos),
                f"Give the folder of train, validation and test; its owners give it out at {HOME}.",
            )
    sources = [Source(name, str(there[name])) for name in place]
    groups = _groups(request)

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        out = {split: [] for split in SPLITS}
        for one in sources:
            if lookup(one) is not None:
                split, label = place[one.name]
                group = groups.get(one.name, groups.get(one.name.rpartition("/")[2], one.name))
                out[split].append(Clip(one.name, group, one.name, targets={"label": label}))
        return out

    return Plan(
        sources=sources,
        spec={"label_names": tuple(names)},
        clips=clips,
        metadata={"protocol": "the owners' folders: train, validation, test"},
        skipped=skipped,
    )


def _groups(request: Request) -> dict[str, str]:
    """{clip: show} from the file that the option names."""
    if not request.options["groups"]:
        return {}
    root = find.folder(request.annotations, "--annotations", "the folder of the file of groups")
    path = root / request.options["groups"]
    if not path.is_file():
        raise UserError("the file of groups is missing", str(path), "It has lines `clip,show`.")
    rows = csv.reader(io.StringIO("\n".join(find.lines(path))))
    return {find.without_ending(row[0]): row[1] for row in rows if len(row) >= 2 and row[1]}
