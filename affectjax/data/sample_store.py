"""Prepared samples: a dataset that holds what it was made from, made when no sound one is there."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from affectjax import files
from affectjax.data import records
from affectjax.errors import UserError

Make = Callable[[], Mapping[str, Iterable[Mapping[str, Any]]]]  # -> {split: records}


def prepare(
    folder: str | pathlib.Path,
    name: str,
    chosen: Mapping[str, Any],
    spec: records.Spec,
    make: Make,
    modalities: Mapping[str, tuple[int, float]],
) -> pathlib.Path:
    """A dataset under `folder`, called by its name and the digest of what it follows from.

    chosen: everything that it follows from, `format` too; modalities: {name: (width, rate)}.
    """
    plain = json.loads(json.dumps(chosen))
    path = place(folder, name, plain)
    said = {"modalities": planted(modalities)} if modalities else {}
    ensure(path, plain, spec, make, said, mend=True)
    return path


def place(folder: str | pathlib.Path, name: str, chosen: Mapping[str, Any]) -> pathlib.Path:
    """Where the dataset of these settings stands."""
    text = json.dumps(chosen, sort_keys=True)
    return pathlib.Path(folder) / f"sample-{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def planted(modalities: Mapping[str, tuple[int, float]]) -> dict[str, dict[str, Any]]:
    """What a dataset says of features {name: (width, rate)} that were invented."""
    return {
        name: {"extractor": "planted", "rate": rate, "width": width}
        for name, (width, rate) in modalities.items()
    }


def ensure(
    path: pathlib.Path,
    chosen: Mapping[str, Any],
    spec: records.Spec,
    make: Make,
    metadata: Mapping[str, Any],
    mend: bool = False,
    shards: int | dict[str, int] = 1,
) -> bool:
    """Make `path` the sample of these settings unless it is already; says whether it had to.

    Only with `mend` is a dataset replaced that is damaged, or another.
    """
    if stands(path, chosen):
        return False
    replace = mend and path.exists()
    try:
        records.write(
            path, "sample", spec, make(), format=chosen["format"], shards=shards,
            metadata={"settings": chosen, **metadata}, overwrite=replace,
        )  # fmt: skip
    except UserError:
        if not stands(path, chosen):  # or another process was faster
            raise
    return True


def stands(path: pathlib.Path, chosen: Mapping[str, Any]) -> bool:
    """Whether a whole, undamaged sample of these settings is there."""
    if not path.is_dir():
        return False
    try:
        facts = records.open_dataset(path).metadata
        if facts.get("settings") != chosen:
            return False
        for file, wanted in facts["files"].items():
            if files.sha256(path / file) != wanted:
                return False
    except (UserError, OSError):
        return False
    return True
