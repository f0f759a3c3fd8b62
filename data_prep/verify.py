"""Is every byte as it was written? python -m data_prep.verify DIR

DIR is a dataset (its finished items beside it are looked at too) or a folder of items. Exit status:
0 when all is well, 2 with the name of each thing that is damaged.
"""

import pathlib
import sys
from collections.abc import Iterator

from affectjax import exits, files
from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE, BadRecord, UserError
from affectjax.flags import Parser
from data_prep import items


def dataset(folder: pathlib.Path) -> list[str]:
    """What is damaged in a dataset: files whose digest is another, records that cannot be read."""
    try:
        opened = records.open_dataset(folder)
    except UserError as error:
        return [str(error)]
    bad = []
    for file, wanted in opened.metadata["files"].items():
        try:
            intact = files.sha256(folder / file) == wanted
        except OSError as error:
            bad.append(f"{folder / file}: {error.strerror}")
            continue
        if not intact:
            bad.append(f"{folder / file}: its digest is another")
    for split in opened.splits:
        try:
            source = opened.split(split)
        except UserError as error:
            bad.append(str(error))
            continue
        for i in range(len(source)):
            try:
                source[i]
            except BadRecord as error:
                bad.append(f"{error} (id {source.ids[i]!r})")
    return bad


def store(folder: pathlib.Path) -> Iterator[tuple[str, str | None]]:
    """(key, what is wrong or None) of every item of a store."""
    found = items.Store(folder)
    for key in found.keys():
        try:
            items.load(found.path(key))
            yield key, None
        except (items.Damaged, OSError):
            yield key, f"{found.path(key)}: its digest is another"


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m data_prep.verify", __doc__)
    parser.add_argument("folder", metavar="DIR")
    folder = pathlib.Path(parser.parse_args(argv).folder).absolute()
    beside = folder.with_name(f"{folder.name}.items")
    stores = [place for place in (folder, beside) if any(place.glob("[0-9a-f][0-9a-f]/*"))]
    bad, said = [], []
    if folder not in stores:
        bad += dataset(folder)
        if not bad:
            opened = records.open_dataset(folder)
            said.append(f"{sum(opened.splits.values())} records, digest {opened.digest}")
    for place in stores:
        found = [why for _, why in store(place)]
        bad += [why for why in found if why]
        said.append(f"{len(found)} items in {place}")
    for line in bad:
        print(f"error: {line}", file=sys.stderr)
    if bad:
        return BAD_INPUT
    print("intact: " + "; ".join(said))
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
