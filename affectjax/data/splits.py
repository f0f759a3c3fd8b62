"""Splits by group, views of a part of a source, and the null control with permuted comments.

A source has __len__, __getitem__(i) -> record, .ids, .groups and, where there are any, .labels.
"""

from collections.abc import Sequence

import numpy as np

from affectjax.errors import UserError


def by_group(groups: Sequence[str], fractions: Sequence[float], seed: int) -> list[np.ndarray]:
    """Ascending record numbers of each set, about `fractions` of the records, no group in two sets.

    Fractions are taken relative to their sum, so every record is in one set. Depends on the seed,
    the groups' names and sizes, not on the order of the records.
    """
    groups = np.asarray(groups)
    names, size = np.unique(groups, return_counts=True)
    if min(fractions) <= 0 or len(names) < len(fractions):
        raise UserError(
            f"{len(names)} groups cannot be split into fractions {tuple(fractions)}",
            "splits",
            "Give positive fractions, and at least as many groups as sets.",
        )
    room = np.array(fractions, np.float64) / sum(fractions) * len(groups)
    chosen = np.zeros(len(names), np.int64)
    taken = np.zeros(len(fractions), bool)
    order = np.random.default_rng(seed).permutation(len(names))
    for left, name in zip(range(len(names), 0, -1), order):
        # The set furthest below its share; the last groups go to sets that would stay empty.
        wants = np.where(taken, -np.inf, room) if left <= (~taken).sum() else room
        chosen[name] = at = int(np.argmax(wants))
        room[at] -= size[name]
        taken[at] = True
    of_record = chosen[np.searchsorted(names, groups)]
    return [np.flatnonzero(of_record == i) for i in range(len(fractions))]


def per_class(groups: Sequence[str], labels: Sequence[int], count: int, seed: int) -> np.ndarray:
    """Ascending record numbers: `count` of every label, from as few groups as a fixed order gives.

    Groups come in a random order that the seed fixes, and each gives all its records of labels
    that still lack some; so the choice of a smaller count lies within that of a larger one.
    Records of unknown label (-1) are never chosen.
    """
    groups, labels = np.asarray(groups), np.asarray(labels)
    known = np.unique(labels[labels >= 0])
    have = {int(k): int((labels == k).sum()) for k in known}
    short = [k for k, n in have.items() if n < count]
    if short or not have:
        raise UserError(
            f"label {short[0]} has {have[short[0]]} clips to train on, data.per_class asks for "
            f"{count}"
            if short
            else "no clip to train on has a label",
            "splits",
            "Lower data.per_class, or take a larger split.",
        )
    names = np.unique(groups)
    place = np.empty(len(names), np.int64)
    place[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names))
    order = np.argsort(place[np.searchsorted(names, groups)], kind="stable")
    chosen = [order[labels[order] == k][:count] for k in known]
    return np.sort(np.concatenate(chosen))


class Subset:
    """The records of a source with the given numbers, in that order."""

    def __init__(self, source, indices: Sequence[int]):
        self.source = source
        self.indices = np.asarray(indices, np.int64)
        self.ids = [source.ids[i] for i in self.indices]
        self.groups = [source.groups[i] for i in self.indices]
        labels = getattr(source, "labels", None)
        self.labels = None if labels is None else np.asarray(labels)[self.indices]
        durations = getattr(source, "durations", None)
        self.durations = None if durations is None else np.asarray(durations)[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> dict:
        return self.source[int(self.indices[i])]


class PermutedComments:
    """Every record with the comments of a record of another group; each set of comments once.

    Comments keep their times, so those later than the end of a shorter clip fall out and are
    counted there.
    """

    def __init__(self, source, seed: int):
        self.source = source
        self.ids, self.groups = source.ids, source.groups
        self.labels = getattr(source, "labels", None)
        self.donors = other_group(source.groups, seed)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> dict:
        return self.source[i] | {"comments": self.source[int(self.donors[i])]["comments"]}


def other_group(groups: Sequence[str], seed: int) -> np.ndarray:
    """A random permutation that maps every record to one of another group."""
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    largest = np.bincount(group).max()
    if 2 * largest > len(group):
        raise UserError(
            f"group {names[np.bincount(group).argmax()]} holds {largest} of {len(group)} records, "
            "so their comments cannot all go to other groups",
            "splits",
            "Take a dataset where no group holds more than half of the records.",
        )
    rng = np.random.default_rng(seed)
    donor = rng.permutation(len(group))
    for i in np.flatnonzero(group[donor] == group):
        if group[donor[i]] != group[i]:
            continue  # mended by an earlier swap
        # At most half of the records give, and at most half receive, this group's comments, and i
        # does both: at least one other record can swap, and no swap makes a new conflict.
        fit = np.flatnonzero((group != group[i]) & (group[donor] != group[i]))
        j = rng.choice(fit)
        donor[i], donor[j] = donor[j], donor[i]
    return donor
