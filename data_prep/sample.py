"""Write the built-in sample as videos with comments, or as records.

    python -m data_prep.sample --out=DIR [--size=study] [--sources=N]   .mp4 and .xml, to build from
    python -m data_prep.sample --out=DIR --records                      the dataset itself

Each source becomes one video, its clips one after the other, with the comments beside it in
Bilibili's XML under the same stem. `clips.csv` says where each clip stands: id, video, group (the
source), split, label, start and end in seconds. A run that was stopped goes on where it was.
"""

import csv
import io
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from xml.sax.saxutils import escape

from affectjax import exits, files
from affectjax.data import sample
from affectjax.data.sample_comments import vocabulary
from affectjax.errors import COMPLETE, UserError
from affectjax.flags import Parser
from affectjax.media import workers as workers_lib
from affectjax.progress import Progress
from data_prep import render

SETTINGS = "sample.json"
TABLE = "clips.csv"
COLUMNS = "id", "video", "group", "split", "label", "start", "end"
SENT = 1_600_000_000  # unix time at which all comments were sent


def sources(
    stories: sample.Stories, count: int | None, only: Sequence[str] = ()
) -> dict[str, tuple[str, list[sample.Clip]]]:
    """{group: (split, clips)}: all, or so many, of each split its share; of some splits only."""
    groups: dict[str, dict[str, list[sample.Clip]]] = {}
    for split, clips in stories.splits.items():
        for clip in clips if not only or split in only else ():
            groups.setdefault(split, {}).setdefault(clip.group, []).append(clip)
    sizes = {split: len(found) for split, found in groups.items()}
    total = sum(sizes.values())
    count = total if count is None else min(count, total)
    shares = {split: max(1, round(size * count / total)) for split, size in sizes.items()}
    while sum(shares.values()) != count:  # rounding is made up for where it weighs least
        largest = max(shares, key=shares.get)
        shares[largest] += 1 if sum(shares.values()) < count else -1
    return {
        group: (split, clips)
        for split, found in groups.items()
        for group, clips in list(found.items())[: shares[split]]
    }


def starts(clips: list[sample.Clip]) -> list[float]:
    """Where each clip of a source begins in its video."""
    return [sum(clip.duration for clip in clips[:place]) for place in range(len(clips))]


def comments(clips: list[sample.Clip]) -> str:
    """The comments of a source's video as Bilibili writes them."""
    names, lines = vocabulary(), []
    for start, clip in zip(starts(clips), clips):
        for time, words in zip(clip.comments.time, clip.comments.words):
            text = escape(" ".join(names[word] for word in words))
            place = f"{start + float(time):.5f},1,25,16777215,{SENT},0,0,{len(lines) + 1}"
            lines.append(f'<d p="{place}">{text}</d>\n')
    return '<?xml version="1.0" encoding="UTF-8"?>\n<i>\n' + "".join(lines) + "</i>\n"


def table(chosen: dict[str, tuple[str, list[sample.Clip]]]) -> str:
    """Where each clip stands in its video and what it evokes, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for group, (split, clips) in chosen.items():
        for start, clip in zip(starts(clips), clips):
            label = sample.SPEC.label_names[clip.label]
            end = start + clip.duration
            rows.writerow(
                [clip.id, f"{group}.mp4", group, split, label, f"{start:.5f}", f"{end:.5f}"]
            )
    return text.getvalue()


def write_videos(
    out: str | pathlib.Path,
    size: str = "quick",
    seed: int = 0,
    count: int | None = None,
    workers: int | None = None,
    only: Sequence[str] = (),
) -> int:
    """How many videos were made; what stands already is left alone."""
    if unknown := [split for split in only if split not in sample.SIZES[size].sources]:
        known = ", ".join(sample.SIZES[size].sources)
        raise UserError(f"The size {size} has no split {unknown[0]!r}", mend=f"It has {known}.")
    out = pathlib.Path(out)
    chosen = {**sample.settings(size, seed), "render": render.VERSION}
    _claim(out, json.dumps(chosen, sort_keys=True, indent=1) + "\n")
    stories = sample.make(size, seed)
    missing = {
        str(out / f"{group}.mp4"): clips
        for group, (_, clips) in sources(stories, count, only).items()
        if not (out / f"{group}.mp4").exists()
    }
    items = (
        (path, [c.features for c in clips], comments(clips)) for path, clips in missing.items()
    )
    progress = Progress("videos", len(missing))
    for item, found in workers_lib.work(items, render.source, workers or os.cpu_count() or 1):
        if isinstance(found, workers_lib.Failure):
            raise UserError(f"A video could not be made: {found}", item[0])
        progress.step()
    progress.close()
    standing = sources(stories, None).items()
    files.put(out / TABLE, table({g: s for g, s in standing if (out / f"{g}.mp4").exists()}))
    return len(missing)


def _claim(out: pathlib.Path, settings: str) -> None:
    """Make the folder one of these settings, or refuse one that is not."""
    place = out / SETTINGS
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            if any(not found.name.endswith((".part", ".partial")) for found in out.iterdir()):
                mend = "Choose an empty or a new folder."
                raise UserError("The folder holds something else", str(out), mend)
            files.put(place, settings)
        if place.read_text() != settings:
            mend = "Choose another folder, or the size and seed that it was made with."
            raise UserError("The folder holds another sample", str(place), mend)
    except OSError as error:
        raise UserError(f"The folder cannot be written: {error}", str(out)) from error


def write_records(out: str, size: str, seed: int, format: str) -> str:
    """Make the sample as records; gives a line that says so."""
    made = sample.ensure(out, size, seed, format=format)
    plan = sample.SIZES[size]
    clips = ", ".join(f"{name} {n * plan.clips}" for name, n in plan.sources.items())
    return f"{'made' if made else 'already there'}: {out} (clips: {clips})"


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv, again="the same command goes on from there")


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m data_prep.sample", __doc__)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--size", default="quick", choices=list(sample.SIZES))
    parser.add_argument("--seed", type=int, default=0, help="another seed, other stories")
    parser.add_argument("--sources", type=int, metavar="N", help="so many videos alone")
    parser.add_argument("--splits", metavar="NAME,...", help="videos of these splits alone")
    parser.add_argument("--workers", type=int, help="processes; as many as there are processors")
    parser.add_argument("--records", action="store_true", help="write records, not videos")
    parser.add_argument("--format", choices=["tfrecord", "array_record"], help="of the records")
    flags = parser.parse_args(argv)
    if flags.records:
        if flags.sources or flags.workers or flags.splits:
            raise UserError("--sources, --splits and --workers are for videos", "--records")
        form = flags.format or "tfrecord"
        print(write_records(flags.out, flags.size, flags.seed, form))
    else:
        if flags.format:
            raise UserError("--format is for records", "--format", "Add --records.")
        for name, value in (("--sources", flags.sources), ("--workers", flags.workers)):
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, not {value}", name)
        only = tuple(filter(None, (flags.splits or "").split(",")))
        made = write_videos(flags.out, flags.size, flags.seed, flags.sources, flags.workers, only)
        print(f"{flags.out}: made {made} videos; {TABLE} lists the clips of all")
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
