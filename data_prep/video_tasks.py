"""Emotions of videos to and from Label Studio: whole videos, or segments on their time line.

    python -m data_prep.video_tasks give VIDEOS --classes=joy,fear --out=DIR
    python -m data_prep.video_tasks take EXPORT.json --out=VIDEOS/clips.csv

`give` writes label_studio.xml, the labelling interface, and tasks.json, a task a video; labels that
VIDEOS/clips.csv holds already stand in the tasks as predictions, for people to mend. Videos are
looked for under Label Studio's local storage; --url says another place. `take` reads the project's
export as JSON and writes the table that `python -m data_prep.build labelled` reads: a row a
segment, or one for the whole video where no segment is marked. Where a task has several annotations
the newest counts.
"""

import csv
import io
import json
import math
import pathlib
import sys
import urllib.parse
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from affectjax import exits, files
from affectjax.errors import COMPLETE, UserError, nearest
from affectjax.flags import Parser
from data_prep import find
from data_prep.builders import labelled

WHOLE, SEGMENT = "whole", "segment"  # what the interface calls its two controls
LOCAL = "/data/local-files/?d="
COLUMNS = ("id", "video", "group", "label", "start", "end")


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m data_prep.video_tasks", __doc__)
    ways = parser.add_subparsers(dest="way", required=True)
    give = ways.add_parser("give", help="videos to Label Studio")
    give.add_argument("videos", metavar="VIDEOS", type=pathlib.Path)
    give.add_argument("--classes", required=True, help="the emotions, joined by commas")
    give.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR")
    give.add_argument("--url", default=LOCAL, help="what stands before a video's path")
    take = ways.add_parser("take", help="annotations from Label Studio")
    take.add_argument("export", metavar="EXPORT.json", type=pathlib.Path)
    take.add_argument("--out", required=True, type=pathlib.Path, metavar="CSV")
    given = parser.parse_args(argv)
    if given.way == "give":
        classes = [name.strip() for name in given.classes.split(",") if name.strip()]
        tasks = of_folder(given.videos, classes, given.url)
        _save(given.out / "label_studio.xml", interface(classes).encode())
        _save(given.out / "tasks.json", json.dumps(tasks, indent=1).encode())
        print(f"{len(tasks)} tasks in {given.out / 'tasks.json'}")
    else:
        rows, older = from_export(given.export)
        _save(given.out, as_table(rows).encode())
        said = f", {older} older annotations left out" if older else ""
        print(f"{len(rows)} clips in {given.out}{said}")
    return COMPLETE


def interface(classes: Sequence[str]) -> str:
    """The labelling interface: one emotion of the whole video, and emotions on its time line."""
    choices = "".join(f"\n    <Choice value={quoteattr(name)}/>" for name in classes)
    labels = "".join(f"\n    <Label value={quoteattr(name)}/>" for name in classes)
    return (
        '<View>\n  <Video name="video" value="$video" sync="audio"/>\n'
        f'  <Choices name="{WHOLE}" toName="video" choice="single">{choices}\n  </Choices>\n'
        f'  <Labels name="{SEGMENT}" toName="audio">{labels}\n  </Labels>\n'
        '  <Audio name="audio" value="$video" sync="video"/>\n</View>\n'
    )


def of_folder(videos: pathlib.Path, classes: Sequence[str], url: str = LOCAL) -> list[dict]:
    """A task for each video of a folder, with the labels that its clips.csv knows."""
    if not classes or len(set(classes)) < len(classes):
        raise UserError("the emotions cannot be told apart", "--classes", "Name each once.")
    known: dict[str, list[dict]] = {}
    named = []
    if (videos / "clips.csv").is_file():
        for row in labelled.read(videos / "clips.csv"):
            if row["label"] not in classes:
                mend = nearest(row["label"], classes)
                raise UserError(f"{row['label']!r} is no emotion", str(videos / "clips.csv"), mend)
            if row["start"] and row["end"] is None:
                what = f"{row['id']} has no end, and Label Studio wants one"
                raise UserError(what, str(videos / "clips.csv"), "Fill in the column end.")
            known.setdefault(row["video"], []).append(row)
            named.append(row["file"])
    tasks = []
    for name, path in find.videos(videos, named).items():
        place = urllib.parse.quote(path.relative_to(videos).as_posix())
        task: dict[str, Any] = {"data": {"id": name, "video": url + place}}
        if name in known:
            results = [_result(i, row) for i, row in enumerate(known[name])]
            task["predictions"] = [{"model_version": "clips.csv", "result": results}]
        tasks.append(task)
    if not tasks:
        raise UserError("there is no video in the folder", str(videos))
    return tasks


def _result(number: int, row: dict) -> dict:
    if row["end"] is None:
        return {"id": f"r{number}", "from_name": WHOLE, "to_name": "video", "type": "choices",
                "value": {"choices": [row["label"]]}}  # fmt: skip
    value = {"start": row["start"], "end": row["end"], "channel": 0, "labels": [row["label"]]}
    return {"id": f"r{number}", "from_name": SEGMENT, "to_name": "audio", "type": "labels",
            "value": value}  # fmt: skip


def from_export(path: pathlib.Path) -> tuple[list[dict], int]:
    """(rows of clips.csv, how many older annotations there were) of an export as JSON."""
    mend = "Export the project from Label Studio as JSON."
    try:
        tasks = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"the export cannot be read: {error.strerror}", str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"the export is no JSON: {error}", str(path), mend) from error
    if not isinstance(tasks, list):
        raise UserError("the export is no list of tasks", str(path), mend)
    rows, older = [], 0
    for number, task in enumerate(tasks, 1):
        try:
            done = [one for one in task["annotations"] if not one.get("was_cancelled")]
            older += max(0, len(done) - 1)
            newest = max(done, key=lambda one: str(one.get("updated_at", "")), default=None)
            if newest is not None:
                rows += _rows(str(task["data"]["id"]), newest["result"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            what = f"task {number} is not as Label Studio exports it ({error!r})"
            raise UserError(what, str(path), mend) from error
    if not rows:
        raise UserError("nothing in the export is annotated", str(path))
    return rows, older


def _rows(video: str, results: list[dict]) -> list[dict]:
    """The segments of a video by their start, or the whole of it."""
    marked = [one["value"] for one in results if one["from_name"] == SEGMENT]
    spans = sorted(
        (float(v["start"]), float(v["end"]), name) for v in marked for name in v["labels"]
    )
    if wrong := [span for span in spans if not 0 <= span[0] < span[1] < math.inf]:
        raise ValueError(f"{video} has a segment from {wrong[0][0]:g} to {wrong[0][1]:g}")
    if spans:
        ends = [f"{start:g}-{end:g}" for start, end, _ in spans]
        names = [f"{video}-{end}" + (f"-{i}" if ends.count(end) > 1 else "")
                 for i, end in enumerate(ends)]  # fmt: skip
        return [dict(zip(COLUMNS, (name, video, video, label, f"{start:.3f}", f"{end:.3f}")))
                for name, (start, end, label) in zip(names, spans)]  # fmt: skip
    chosen = [name for one in results if one["from_name"] == WHOLE
              for name in one["value"]["choices"]]  # fmt: skip
    return [dict(zip(COLUMNS, (video, video, video, name, "", ""))) for name in chosen[:1]]


def as_table(rows: list[dict]) -> str:
    """Rows as the CSV that the builder `labelled` reads."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _save(path: pathlib.Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.put(path, data)
    except OSError as error:
        what = f"it cannot be written: {error.strerror}"
        raise UserError(what, str(path), "Say another --out.") from error


if __name__ == "__main__":
    sys.exit(main())
