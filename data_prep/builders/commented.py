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
    there = find.videos(request.videos)
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
    return kept, {name: "no comment file" for name in there if name not in said}


def manifest(request: Request) -> dict[str, str]:
    """{source: split} where the videos come with a manifest that says so, else {}."""
    path = pathlib.Path(request.videos, MANIFEST)
    if not path.is_file():
        return {}
    rows = list(csv.DictReader(io.StringIO("\n".join(find.lines(path)))))
    names = ("video", "source")
    column = next((name for name in names if rows and name in rows[0]), None)
    if column is None or "split" not in rows[0]:
        return {}
    found: dict[str, str] = {}
    for row in rows:
        name = find.without_ending(row[column])
        if found.setdefault(name, row["split"]) != row["split"]:
            what = f"{name} is of two splits, {found[name]} and {row['split']}"
            raise UserError(what, str(path), "Give every source one split.")
    return found


def divide(
    names: Iterable[str], request: Request, fractions: Sequence[float], parts: Sequence[str]
) -> dict[str, str]:
    """{source: split}: as the manifest says, or by the option `seed`, never one source in two."""
    names = list(names)
    said = manifest(request)
    if said and all(name in said for name in names):
        return {name: said[name] for name in names}
    if len(names) < len(parts):
        what = f"{len(names)} sources give no {' and '.join(parts)}"
        raise UserError(what, str(request.videos), "Give more videos: they are split by source.")
    divided = splits.by_group(names, fractions, request.options["seed"])
    return {names[i]: part for part, each in zip(parts, divided) for i in each}
