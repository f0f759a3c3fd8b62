"""Dataset folders: records go in, and come out as they were or not at all.

A folder is a TFDS dataset with two things besides: `index_<split>.json` and `words.tsv`, to choose
records and words without reading the records, and `metadata.json`, which holds the digest of every
other file and its own. What a record is stands in schema.py.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from affectjax import files
from affectjax.data import sources
from affectjax.data.moments import Moments
from affectjax.data.schema import Spec, decode, encode, features_dict
from affectjax.errors import UserError

SCHEMA = 1
SHARD_BYTES = 1 << 28  # about what a shard holds when nobody says how many
WORDS = "words.tsv"
METADATA = "metadata.json"
OURS = {"schema", "name", "format", "spec", "statistics", "files", "digest", "tfds"}
TFDS_FILES = ("dataset_info.json", "features.json")
BUILD = (
    "`python -m data_prep.build` makes one of your videos; "
    "`python -m data_prep.sample --records --out=DIR` writes one to look at."
)
REBUILD = "Copy the dataset again, or write it anew."


# --- writing a dataset


def write(
    folder: str | os.PathLike,
    name: str,
    spec: Spec,
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    format: str = "tfrecord",
    shards: int | Mapping[str, int] | None = None,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> str:
    """Makes `folder` a dataset of these records and returns its digest; all of it, or nothing.

    The same records give the same bytes. `metadata` is what the builder has to say: modalities
    (extractor, weights' digest, rate, trained), lexicon, settings. With `shards` None a split is
    cut into files of about SHARD_BYTES.
    """
    folder = pathlib.Path(folder).absolute()
    metadata = json.loads(json.dumps(metadata or {}))  # as reading will give it back
    if taken := sorted(OURS & set(metadata)):
        raise ValueError(f"metadata cannot hold {taken[0]}: write() says that itself")
    _check_request(folder, name, spec, splits, format, overwrite)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    try:
        with _disk(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
        digest = _fill(partial, folder, name, spec, splits, format, shards, metadata)
        with _disk(folder):
            _move(partial, folder, overwrite)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def _fill(partial, folder, name, spec, splits, format, shards, metadata) -> str:
    index, counts, infos, statistics = {}, collections.Counter(), [], Moments()
    seen = set()
    for split, items in splits.items():
        spool = partial / "spool"
        # What training learns words and scales from is the training split alone.
        own = (counts, statistics) if split == "train" else (collections.Counter(), Moments())
        index[split] = _spool(spool, folder, spec, items, seen, *own)
        if not index[split]["ids"]:
            raise UserError(f"The split {split} has no records", str(folder), "Leave it out.")
        wanted = shards if isinstance(shards, int) or shards is None else shards.get(split)
        with _disk(folder):
            infos.append(_cut(spool, partial, name, split, format, index[split]["bytes"], wanted))
            spool.unlink()
    with _disk(folder):
        texts = {f"index_{split}.json": _canonical(table) for split, table in index.items()}
        if spec.comments:
            texts[WORDS] = "".join(f"{w}\t{n}\t{e}\n" for w, n, e in _sorted_words(counts))
        for file, text in texts.items():
            (partial / file).write_bytes(text.encode())
        data_files = sorted(path.name for path in partial.iterdir())
        tfds.folder_dataset.write_metadata(
            data_dir=partial,
            features=features_dict(spec),
            split_infos=infos,
            version=f"{SCHEMA}.0.0",
            check_data=False,
        )
        facts = {
            **metadata,
            "schema": SCHEMA,
            "name": name,
            "format": format,
            "spec": spec.to_json(),
            "statistics": statistics.table(),
            "files": {file: files.sha256(partial / file) for file in data_files},
        }
        facts["digest"] = _digest(facts)
        facts["tfds"] = {file: files.sha256(partial / file) for file in TFDS_FILES}
        (partial / METADATA).write_bytes(_canonical(facts).encode())
    return facts["digest"]


def _spool(spool, folder, spec, items, seen, words, statistics) -> dict[str, list]:
    """All records of a split, one after another in one file; returns the split's index."""
    index = {key: [] for key in ("ids", "groups", "labels", "durations", "comments", "bytes")}
    with _disk(folder):
        file = open(spool, "xb")
    try:
        for record in items:
            try:
                data = encode(spec, record)
                record = decode(spec, data)  # with everything that was left out
                if record["id"] in seen:
                    raise ValueError("the id stands twice in the dataset")
            except ValueError as error:
                where = f"{folder}, record {len(index['ids'])}, id {record.get('id')!r}"
                mend = "Mend what made the record, or its Spec."
                raise UserError(f"A record cannot be written: {error}", where, mend) from error
            seen.add(record["id"])
            statistics.add(record["features"])
            index["ids"].append(record["id"])
            index["groups"].append(record["group"])
            index["labels"].append(record.get("label", -1))
            index["durations"].append(record["duration"])
            index["comments"].append(len(record["comments"]["length"]) if spec.comments else 0)
            index["bytes"].append(len(data))
            if spec.comments:
                flags = record["comments"]["emotional"].tolist()
                words.update(zip(record["comments"]["word"], flags))
            with _disk(folder):
                file.write(data)
        with _disk(folder):
            file.flush()
    finally:
        with contextlib.suppress(OSError):  # what a full disk refused, close would try again
            file.close()
    return index


def _cut(spool, partial, name, split, format, lengths, shards) -> tfds.core.SplitInfo:
    """The spooled records, in their order, as shards of equal numbers."""
    shards = shards or -(-sum(lengths) // SHARD_BYTES)
    shards = min(max(shards, 1), len(lengths))
    bounds = [i * len(lengths) // shards for i in range(shards + 1)]
    template = tfds.core.ShardedFileTemplate(
        data_dir=partial, dataset_name=name, split=split, filetype_suffix=format
    )
    with open(spool, "rb") as file:
        for i, (begin, end) in enumerate(zip(bounds, bounds[1:])):
            path = str(template.sharded_filepath(shard_index=i, num_shards=shards))
            sources.write_shard(format, path, (file.read(n) for n in lengths[begin:end]))
    return tfds.core.SplitInfo(
        name=split,
        shard_lengths=[end - begin for begin, end in zip(bounds, bounds[1:])],
        num_bytes=sum(lengths),
        filename_template=template,
    )


def _check_request(folder, name, spec, splits, format, overwrite) -> None:
    _check_format(format, folder)
    for word in (name, *splits):
        if not re.fullmatch("[a-z][a-z0-9_]*", word):
            mend = "Names of datasets and splits have small letters, digits and underscores."
            raise UserError(f"{word!r} cannot be a name", str(folder), mend)
    for modality in spec.modalities:
        if not modality or "/" in modality:
            raise UserError(f"{modality!r} cannot name a modality", str(folder), "Leave out the /.")
    if not splits:
        raise UserError("A dataset needs a split", str(folder), "Give it records.")
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        raise UserError("The folder exists", str(folder), "Remove it, or allow overwriting it.")
    if not (folder / METADATA).is_file():  # whatever this is, it is not ours to remove
        raise UserError("The folder holds no dataset", str(folder), "Choose another one.")


def _check_format(format: str, folder: pathlib.Path) -> None:
    if format not in sources.FORMATS:
        known = " or ".join(sources.FORMATS)
        raise UserError(f"There is no format {format!r}", str(folder), f"Choose {known}.")


def _move(partial: pathlib.Path, folder: pathlib.Path, overwrite: bool) -> None:
    if overwrite and folder.exists():
        old = partial.with_suffix(".old")
        os.rename(folder, old)
        try:
            os.rename(partial, folder)
        except OSError:
            os.rename(old, folder)
            raise
        shutil.rmtree(old)
    else:
        os.rename(partial, folder)  # refuses a folder that was filled meanwhile


@contextlib.contextmanager
def _disk(folder: pathlib.Path) -> Iterator[None]:
    """Around what touches the disk: its failures are the user's to mend."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # array_record raises RuntimeError for both
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        mend = "Free space there, allow writing, or choose another folder; nothing was left behind."
        raise UserError(f"The dataset cannot be written: {reason}", str(folder), mend) from error


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _digest(facts: Mapping[str, Any]) -> str:
    """Of what the dataset is. The files of TFDS follow from it and may change with its version."""
    facts = {key: value for key, value in facts.items() if key not in ("digest", "tfds")}
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def _sorted_words(counts: Mapping[tuple[str, int], int]) -> list[tuple[str, int, int]]:
    words = {word for word, _ in counts}
    table = [(word, counts[word, 0] + counts[word, 1], counts[word, 1]) for word in words]
    return sorted(table, key=lambda row: (-row[1], row[0]))


# --- reading a dataset


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An opened dataset folder."""

    folder: pathlib.Path
    name: str
    spec: Spec
    metadata: dict
    digest: str
    splits: dict[str, int]  # name -> number of records
    shards: dict[str, list[tuple[str, int]]]  # split -> file, number of records

    def split(self, name: str) -> sources.Source:
        """A split's records for random access; an error where it or a shard is missing."""
        if name not in self.splits:
            known = ", ".join(self.splits)
            mend = f"Choose one of: {known}; or write the dataset with that split."
            raise UserError(f"The dataset has no split {name!r}", str(self.folder), mend)
        for file, _ in self.shards[name]:
            if not (self.folder / file).is_file():
                raise UserError(f"The shard {file} is missing", str(self.folder), REBUILD)
        table = json.loads(self._text(f"index_{name}.json"))
        index = sources.Index(
            ids=table["ids"],
            groups=table["groups"],
            labels=np.array(table["labels"], np.int64),
            durations=np.array(table["durations"], np.float64),
            comments=np.array(table["comments"], np.int64),
            bytes=np.array(table["bytes"], np.int64),
        )
        shards = [(str(self.folder / file), count) for file, count in self.shards[name]]
        return sources.Source(
            self.metadata["format"], shards, index, functools.partial(decode, self.spec)
        )

    def words(self) -> list[tuple[str, int, int]]:
        """Word, count, count as emotional, over the split `train`; the most frequent first."""
        if not self.spec.comments:
            raise UserError(
                "The dataset has no comments",
                str(self.folder),
                "Choose one that has; `python -m data_prep.build video_tsc` makes one of videos.",
            )
        rows = [line.split("\t") for line in self._text(WORDS).split("\n")[:-1]]
        return [(word, int(count), int(emotional)) for word, count, emotional in rows]

    def _text(self, file: str) -> str:
        return _checked(self.folder, file, self.metadata["files"].get(file)).decode()


def open_dataset(folder: str | os.PathLike) -> Dataset:
    """The dataset in this folder, every file but the shards verified when it is read."""
    folder = pathlib.Path(folder).absolute()
    try:
        if not folder.exists():
            raise UserError("The dataset's folder does not exist", str(folder), BUILD)
        if not folder.is_dir():
            raise UserError("The dataset is not a folder", str(folder), BUILD)
        if not any(folder.iterdir()):
            raise UserError("The dataset's folder is empty", str(folder), BUILD)
    except OSError as error:
        what = f"The dataset cannot be read: {error.strerror}"
        raise UserError(what, str(folder), "Allow reading it.") from error
    for file in (METADATA, *TFDS_FILES):
        if not (folder / file).is_file():
            raise UserError(f"The folder is no dataset: {file} is missing", str(folder), BUILD)
    facts = _read_metadata(folder)
    _check_format(facts["format"], folder)
    for file in TFDS_FILES:
        _checked(folder, file, facts["tfds"][file])
    try:
        info = tfds.builder_from_directory(folder).info
    except Exception as error:  # intact, so it is TFDS that cannot read it
        what = f"TFDS does not open the dataset: {str(error).partition(chr(10))[0]}"
        raise UserError(what, str(folder), REBUILD) from error
    return Dataset(
        folder=folder,
        name=info.name,
        spec=Spec.from_json(facts["spec"]),
        metadata=facts,
        digest=facts["digest"],
        splits={name: split.num_examples for name, split in info.splits.items()},
        shards={
            name: list(zip(sorted(split.filenames), split.shard_lengths))
            for name, split in info.splits.items()
        },
    )


def _read_metadata(folder: pathlib.Path) -> dict:
    """The metadata, proved by the digest that it carries."""
    raw = _bytes(folder, METADATA)
    try:
        facts = json.loads(raw)
        schema = facts.get("schema")
        intact = _canonical(facts).encode() == raw and facts["digest"] == _digest(facts)
        intact = intact and sorted(facts["tfds"]) == sorted(TFDS_FILES)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(folder, METADATA) from None
    if schema != SCHEMA:
        what = f"The dataset has schema {schema}, this version reads {SCHEMA}"
        raise UserError(what, str(folder), REBUILD)
    if not intact:
        raise _damaged(folder, METADATA)
    return facts


def _bytes(folder: pathlib.Path, file: str) -> bytes:
    try:
        return (folder / file).read_bytes()
    except OSError as error:
        what = f"{file} cannot be read: {error.strerror}"
        raise UserError(what, str(folder), REBUILD) from error


def _checked(folder: pathlib.Path, file: str, sha256: str | None) -> bytes:
    data = _bytes(folder, file)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _damaged(folder, file)
    return data


def _damaged(folder: pathlib.Path, file: str) -> UserError:
    return UserError(f"{file} is damaged: its digest is another", str(folder), REBUILD)
