"""Videos of one's own with their labels: a table says where each clip stands and what it evokes.

The table is `clips.csv` beside the videos, or what the option `table` names. Its columns: `video`
and `label`; and if it has them `id`, `group` (what splits keep whole; the video), `split`, `start`
and `end` in seconds (the whole video). Without `split`, groups train and test 4 : 1.
"""

import collections
import csv
import io
import pathlib

from affectjax.data.splits import by_group
from affectjax.errors import UserError
from data_prep import find
from data_prep.builders import lists
from data_prep.plan import Clip, Lookup, Plan, Request

OPTIONS = {"table": "clips.csv", "classes": "", "test": 0.2, "seed": 0}


def plan(request: Request) -> Plan:
    """Clips, labels and splits, from the table."""
    o, path = request.options, pathlib.Path(request.videos, request.options["table"])
    rows = read(path)
    seen = {row["label"] for row in rows}
    names = tuple(o["classes"].split(",")) if o["classes"] else tuple(sorted(seen))
    if unknown := sorted(seen - set(names)):
        mend = f'Name all of them: --options=\'{{"classes": "{",".join(sorted(seen))}"}}\'.'
        raise UserError(f"the label {unknown[0]!r} is no class", str(path), mend)
    if not 0 < o["test"] < 1:
        raise UserError("the option test is a fraction", "--options")
    videos = dict.fromkeys(row["video"] for row in rows)
    named = [row["file"] for row in rows]
    sources, skipped = lists.sources(videos, request.videos, named=named)
    there = {source.name for source in sources}
    splits = _splits([row for row in rows if row["video"] in there], path, request)
    promised = {*splits.values(), *(row["split"] for row in rows if row["split"])}
    notes: list[str] = []

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        known = {source.name: lookup(source) for source in sources}
        out: dict[str, list[Clip]] = {}
        late: dict[str, str] = {}  # split -> the first of its clips that begins too late
        beyond: collections.Counter[str] = collections.Counter()
        for row in rows:
            found = known.get(row["video"])
            if found is None:
                continue
            split, start, end = splits[row["group"]], row["start"], row["end"]
            if start >= found.duration:
                beyond[row["video"]] += 1
                said = f"{row['id']} at {start:g} seconds, its video ends at {found.duration:.2f}"
                late.setdefault(split, said)
                continue
            targets = {"label": names.index(row["label"])}
            clip = Clip(row["id"], row["group"], row["video"], start, end, targets)
            out.setdefault(split, []).append(clip)
        for split in sorted(set(late) - set(out)):
            what = f"the clips of the split {split} begin after the end of their videos"
            raise UserError(f"{what}: {late[split]}", str(path), "Mend the starts, in seconds.")
        notes.extend(f"{name}: {count} clips begin after its end" for name, count in beyond.items())
        return dict(sorted(out.items(), key=lambda item: item[0] != "train"))

    return Plan(
        sources=sources,
        spec={"label_names": names},
        clips=clips,
        metadata={"protocol": f"the splits of {path.name}, or by group"},
        skipped=skipped,
        notes=notes,
        splits=tuple(sorted(promised)),
    )


def read(path: pathlib.Path) -> list[dict]:
    """A row a clip: id, video, file, group, split ("" for none), label, start, end (None: the end).

    `file` is the video as the table writes it, maybe with its ending.
    """
    mend = "It is a CSV with the columns video and label, a row a clip."
    if not path.is_file():
        raise UserError("the table of clips is missing", str(path), mend)
    try:
        rows = list(csv.DictReader(io.StringIO("\n".join(find.lines(path)))))
    except csv.Error as error:
        raise UserError(f"the table cannot be read: {error}", str(path), mend) from error
    if not rows or not {"video", "label"} <= set(rows[0]):
        raise UserError("the table has not the columns video and label", str(path), mend)
    found, ids = [], set()
    for number, row in enumerate(rows, 2):
        where = f"{path}, line {number}"
        if not (row["video"] and row["label"]):
            raise UserError("a clip has no video or no label", where, mend)
        video = find.without_ending(row["video"])
        try:
            start, end = float(row.get("start") or 0), row.get("end") or None
            end = None if end is None else float(end)
        except ValueError as error:
            raise UserError("start and end are seconds", where) from error
        if not 0 <= start < (float("inf") if end is None else end):
            raise UserError(f"a clip from {start} to {end} seconds", where)
        name = row.get("id") or (f"{video}-{start:g}" if row.get("start") else video)
        if name in ids:
            raise UserError(f"{name!r} stands there twice", where, "Give each clip its own id.")
        ids.add(name)
        found.append(
            {"id": name, "video": video, "file": row["video"], "group": row.get("group") or video,
             "split": row.get("split") or "", "label": row["label"], "start": start, "end": end}
        )  # fmt: skip
    return found


def _splits(rows: list[dict], path: pathlib.Path, request: Request) -> dict[str, str]:
    """{group: split}, as the table says or by the option `seed`."""
    found: dict[str, str] = {}
    for row in rows:
        if found.setdefault(row["group"], row["split"]) != row["split"]:
            what = f"{row['group']} is of two splits, {found[row['group']]} and {row['split']}"
            raise UserError(what, str(path), "Give every group one split.")
    if all(found.values()):
        return found
    if any(found.values()):
        name = next(group for group, split in found.items() if not split)
        raise UserError(f"{name} has no split", str(path), "Give every clip one, or none.")
    names, test = sorted(found), request.options["test"]
    if len(names) < 2:
        raise UserError("one group gives no train and test", str(path), "Give more videos.")
    divided = by_group(names, (1 - test, test), request.options["seed"])
    return {names[i]: part for part, each in zip(("train", "test"), divided) for i in each}
