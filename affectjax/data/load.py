"""A dataset's splits as a run uses them: train, validation cut from it by group, and test."""

import dataclasses
import pathlib
from collections.abc import Iterable

import numpy as np

from affectjax.data import (
    records,
    repeats,
    sample,
    sample_corpus,
    sample_danmaku,
    sample_films,
    sample_keyframes,
    sample_space,
    splits,
)
from affectjax.errors import UserError

STORIES = {
    "comments": sample_corpus.prepare,
    "distributions": sample_danmaku.prepare,
    "episodes": sample.prepare,
    "films": sample_films.prepare,
    "keyframes": sample_keyframes.prepare,
    "space": sample_space.prepare,
}


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run reads: sources by part (train, validation, test); a part may be left out."""

    dataset: records.Dataset
    parts: dict
    left_out: int = 0  # training clips that the test part nearly repeats

    def describe(self) -> str:
        """The dataset and its parts in one line."""
        counts = ", ".join(
            f"{name} {len(part)} clips of {len(set(part.groups))} groups"
            for name, part in self.parts.items()
        )
        apart = f"; left out as repeated in test: {self.left_out}" if self.left_out else ""
        return f"{self.dataset.name} ({self.dataset.folder}): {counts}{apart}"


def load(
    dir: str | None = None,
    train: str = "train",
    test: str = "test",
    partition: str | None = None,
    validation: float = 0.0,
    validation_seed: int = 0,
    validation_split: str = "",
    per_class: int = 0,
    per_class_seed: int = 0,
    apart: float = 0.0,
    permute_comments: bool = False,
    permute_seed: int = 0,
    sample_story: str = "episodes",
    sample_size: str = "quick",
    sample_seed: int = 0,
    sample_format: str = "tfrecord",
    sample_dir: str = ".runs/data",
) -> Data:
    """Open the dataset in `dir`, or make and open the built-in sample where `dir` is unset.

    A dataset that keeps all its clips in one split and several ways to divide them (the ten of
    VideoEmotion-8) needs `partition`, the name of one; `train` and `test` are then parts of that.
    `validation` is a fraction of the training groups, or `validation_split` names the split of its
    own that it is; `apart` leaves out training clips that are more alike than this to one of the
    test's (the cosine of `repeats.likeness`; 0: none); `per_class` keeps so many training clips of
    each label after that, 0 all; `permute_comments` gives every training clip the comments of
    another group's clip (a control: nothing of the video is left in them).
    """
    if dir is None:
        if sample_story not in STORIES:
            raise UserError(
                f"the sample has no stories of {sample_story!r}",
                "data.sample_story",
                f"Choose from {', '.join(STORIES)}.",
            )
        dir = STORIES[sample_story](
            pathlib.Path(sample_dir), sample_size, sample_seed, format=sample_format
        )
    dataset = records.open_dataset(dir)
    sets = _sets(dataset, partition)
    parts = {"train": sets(train, "train")}
    left_out = 0
    if apart:
        if not test:
            raise UserError("data.apart needs a test part", "data.apart", "Set data.test.")
        alike = repeats.likeness(parts["train"], sets(test, "test"))
        left_out = int((alike > apart).sum())
        parts["train"] = splits.Subset(parts["train"], np.flatnonzero(alike <= apart))
    if validation and validation_split:
        raise UserError(
            "data.validation and data.validation_split are both set", mend="Unset one of them."
        )
    if validation_split:
        parts["validation"] = sets(validation_split, "validation_split")
    if validation:
        if not 0 < validation < 1:
            raise UserError(f"data.validation is {validation}", mend="Give a fraction of 1.")
        kept, held = splits.by_group(
            parts["train"].groups, (1 - validation, validation), validation_seed
        )
        if not len(held):
            raise UserError(
                f"a validation part of {validation} holds no group", mend="Raise data.validation."
            )
        parts["validation"] = splits.Subset(parts["train"], held)
        parts["train"] = splits.Subset(parts["train"], kept)
    if per_class:
        kept = splits.per_class(
            parts["train"].groups, parts["train"].labels, per_class, per_class_seed
        )
        parts["train"] = splits.Subset(parts["train"], kept)
    if permute_comments:
        parts["train"] = splits.PermutedComments(parts["train"], permute_seed)
    if test:
        parts["test"] = sets(test, "test")
    return Data(dataset, parts, left_out)


def _sets(dataset: records.Dataset, partition: str | None):
    """The function that gives the set of clips that a key names: a split, or a partition's part."""
    known, where = dataset.metadata.get("partitions"), str(dataset.folder)
    if partition is None:
        if known and "train" not in dataset.splits:
            raise UserError(
                f"the dataset can be divided in {len(known['table'])} ways",
                where,
                f"Say --config.data.partition=NAME: {', '.join(known['table'])}.",
            )
        return lambda name, key: dataset.split(_one_of(dataset.splits, name, key, where))
    if not known or str(partition) not in known["table"]:
        names = ", ".join(known["table"]) if known else "it has none, leave data.partition out"
        raise UserError(f"the dataset has no partition {str(partition)!r}", where, f"{names}.")
    whole, row = dataset.split(known["split"]), known["table"][str(partition)]

    def part(name: str, key: str) -> splits.Subset:
        _one_of(known["parts"], name, key, f"{where}, partition {partition}")
        letter = str(known["parts"].index(name))
        return splits.Subset(whole, [i for i, other in enumerate(row) if other == letter])

    return part


def _one_of(known: Iterable[str], name: str, key: str, where: str) -> str:
    if name not in known:
        mend = f"Choose one of: {', '.join(known)}; or write the dataset with it."
        raise UserError(f"there is no split {name!r} for data.{key}", where, mend)
    return name
