"""Videos with their comment files, and how their sources are split: what two builders share."""

import csv
import io
import pathlib
from collections.abc import Iterable, Sequence

from affectjax.data import splits
from affectjax.errors import UserError
from data_prep import find
from data_prep.plan import Request, Source

MANIFEST = "clips.csv"


def sources(request: Request) -> tuple[list[Source], dict[str, str]]:
    """Every video that has a comment file, and for each of the others why it is skipped."""
    there = find.videos(request.videos, [name for name, _ in _rows(request)])
    if not there:
        mend = "Name the folder of the videos with --videos=DIR."
        raise UserError("no video is there", str(request.videos), mend)
    where = request.comments or request.videos
    said = find.comments(there, where)
    if not said:
        mend = (
            "Put them beside the videos under the same names, or name their folder: --comments=DIR."
        )
        raise UserError(f"none of the {len(there)} videos has a comment file", str(where), mend)
    kept = [Source(name, str(there[name]), str(said[name])) for name in there if name in said]
    manifest([source.name for source in kept], request)  # a wrong one is told before hours of work
    return kept, {name: "no comment file" for name in there if name not in said}


def manifest(names: Iterable[str], request: Request) -> dict[str, str]:
    """{source: split} of all these sources where a manifest comes with the videos, else {}.

    It says nothing where clips are split, not sources.
    """
    path, rows = str(pathlib.Path(request.videos, MANIFEST)), _rows(request)
    if not rows:
        return {}
    found: dict[str, str] = {}
    for video, split in rows:
        if not (video and split):
            what = f"the line of {video or 'no video'} has no split"
            raise UserError(what, path, "Give every source one split.")
        name = find.without_ending(video)
        if found.setdefault(name, split) != split:
            what = f"{name} is of two splits, {found[name]} and {split}"
            raise UserError(what, path, "Give every source one split.")
    if missing := [name for name in names if name not in found]:
        what = f"{len(missing)} sources are missing in the table: {', '.join(missing[:5])}"
        raise UserError(what, path, "Add a line for each, or give the file another name.")
    return {name: found[name] for name in names}


def _rows(request: Request) -> list[tuple[str, str]]:
    """(video, split) as the manifest writes them; none where there is none or it says nothing."""
    path = pathlib.Path(request.videos, MANIFEST)
    if not path.exists() or request.options.get("by") == "clip":
        return []
    try:
        rows = list(csv.DictReader(io.StringIO("\n".join(find.lines(path)))))
    except csv.Error as error:
        mend = "Save it as CSV, or give it another name."
        raise UserError(f"The table cannot be read: {error}", str(path), mend) from error
    column = next((name for name in ("video", "source") if rows and name in rows[0]), None)
    if column is None or "split" not in rows[0]:
        mend = "Give it these, or give the file another name."
        raise UserError("The table has not the columns video and split", str(path), mend)
    return [(row[column], row["split"]) for row in rows]


def divide(
    names: Iterable[str], request: Request, fractions: Sequence[float], parts: Sequence[str]
) -> dict[str, str]:
    """{source: split}: as the manifest says, or by the option `seed`, never one source in two."""
    names = list(names)
    if said := manifest(names, request):
        return said
    if len(names) < len(parts):
        what = f"{len(names)} sources give no {' and '.join(parts)}"
        raise UserError(what, str(request.videos), "Give more videos: they are split by source.")
    divided = splits.by_group(names, fractions, request.options["seed"])
    return {names[i]: part for part, each in zip(parts, divided) for i in each}
