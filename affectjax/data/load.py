"""A dataset's splits as a run uses them: train, validation cut from it by group, and test."""

import dataclasses
import pathlib

from affectjax.data import records, sample, splits
from affectjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run reads: sources by part (train, validation, test); a part may be left out."""

    dataset: records.Dataset
    parts: dict

    def describe(self) -> str:
        counts = ", ".join(
            f"{name} {len(part)} clips of {len(set(part.groups))} groups"
            for name, part in self.parts.items()
        )
        return f"{self.dataset.name} ({self.dataset.folder}): {counts}"


def load(
    dir: str | None = None,
    train: str = "train",
    test: str = "test",
    validation: float = 0.0,
    validation_seed: int = 0,
    permute_comments: bool = False,
    permute_seed: int = 0,
    sample_size: str = "quick",
    sample_seed: int = 0,
    sample_format: str = "tfrecord",
    sample_dir: str = ".runs/data",
) -> Data:
    """Open the dataset in `dir`, or make and open the built-in sample where `dir` is unset.

    `validation` is a fraction of the training groups; `permute_comments` gives every training
    clip the comments of another group's clip (a control: nothing of the video is left in them).
    """
    if dir is None:
        dir = sample.prepare(
            pathlib.Path(sample_dir), sample_size, sample_seed, format=sample_format
        )
    dataset = records.open_dataset(dir)
    parts = {"train": dataset.split(train)}
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
    if permute_comments:
        parts["train"] = splits.PermutedComments(parts["train"], permute_seed)
    if test:
        parts["test"] = dataset.split(test)
    return Data(dataset, parts)
