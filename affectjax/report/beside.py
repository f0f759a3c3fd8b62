"""What stands beside our runs: floors on the same splits, and other systems' predictions."""

import json
import pathlib
import sys
from collections.abc import Mapping

import numpy as np
from ml_collections import config_dict

from affectjax import assemble, configlib, floors
from affectjax.data import load, records
from affectjax.data.films import reads_films
from affectjax.errors import UserError
from affectjax.report import predictions
from affectjax.report.measure import Runs
from affectjax.report.runs import Run
from affectjax.tables import Column


class Beside:
    """Callable for `fill.sections`: (column, its runs by row) -> {name: (kind, runs)}.

    `datasets` are folders of records to make floors from; `files` are {name: CSV file} of others.
    """

    def __init__(self, datasets: list[str], files: Mapping[str, str]):
        self.folders = {records.open_dataset(folder).digest: folder for folder in datasets}
        self.files = files
        self.seen: set[str] = set()  # digests and names that had a place
        self.refused: dict[str, UserError] = {}
        self._known: dict[str, dict[str, Run]] = {}

    def __call__(self, column: Column, rows: Mapping[str, Runs]) -> dict[str, tuple[str, Runs]]:
        chosen = _widest(rows)
        found: dict[str, tuple[str, Runs]] = {}
        for key, run in chosen.items():
            if run.scored is not None and key[0] in self.folders:
                self.seen.add(key[0])
                for name, floor in self._floors(run, self.folders[key[0]]).items():
                    found.setdefault(name, ("floor", {}))[1][key] = floor
        for name in self.files:
            if runs := self._others(name, chosen):
                if name in found:
                    raise UserError(f"a floor has the name '{name}'", "--predictions")
                found[name] = ("predictions", runs)
        return found

    def check(self) -> None:
        """All that was given had a place, or it is said why not."""
        for name in self.files:
            if name not in self.seen:
                raise self.refused.get(name) or UserError(
                    f"no finished run says which clips '{name}' is to be scored on",
                    self.files[name],
                    "Name the workdir of a run with the same test set.",
                )
        for digest, folder in self.folders.items():
            if digest not in self.seen:
                raise UserError(
                    "no run in the tables was trained on this dataset",
                    str(folder),
                    "Name a workdir whose runs were.",
                )

    def _others(self, name: str, chosen: Runs) -> Runs:
        tests = {key: run.scored for key, run in chosen.items() if run.scored is not None}
        if not tests or len({digest for digest, _ in tests}) > 1:
            return {}
        digest = next(iter(tests))[0]
        by_name = {run: test for (_, run), test in tests.items()}
        try:
            scored = predictions.of_others(self.files[name], by_name)
        except UserError as error:  # perhaps it is made for another column
            self.refused.setdefault(name, error)
            return {}
        self.seen.add(name)
        runs = {id(one): Run(one.metrics(), given=one) for one in scored.values()}
        return {(digest, run): runs[id(one)] for run, one in scored.items()}

    def _floors(self, run: Run, folder: str) -> dict[str, Run]:
        """Floors by name, made once for each split, target and set of modalities."""
        config = run.export["config"]
        what = [config[section] for section in ("data", "examples")]
        what += [config["model"]["modalities"], run.scored.names, run.export["dataset"]["digest"]]
        key = json.dumps(what, sort_keys=True)
        if key not in self._known:
            self._known[key] = of_run(run, folder)
        return self._known[key]


def of_run(run: Run, folder: str | pathlib.Path) -> dict[str, Run]:
    """The floors on a run's own split: its training and validation clips, its test clips."""
    print(f"floors beside {run.folder}", file=sys.stderr, flush=True)
    config = config_dict.ConfigDict(run.export["config"])
    found = load.load(**configlib.arguments(config.data) | {"dir": str(folder)})
    rule, parts = assemble.examples(config, None), found.parts
    if reads_films(rule):  # films: the floors know each clip by itself
        rule = rule.single()
        parts = {name: rule.into_clips(part) for name, part in parts.items()}
    kept = [parts[name] for name in ("train", "validation") if name in parts]
    # A model that reads pixels has no modalities of its own; the floors read what there is.
    modalities = sorted(config.model.get("modalities") or found.dataset.spec.modalities)
    if not modalities:
        raise UserError(
            "the dataset has no features to make floors from",
            str(folder),
            "Leave out --dataset, or build it with extractors.",
        )
    pooled = [floors.pooled(part, modalities) for part in kept]
    train = {name: np.concatenate([part[name] for part in pooled]) for name in modalities}
    test, truth = floors.pooled(parts["test"], modalities), run.scored
    place = {name: i for i, name in enumerate(parts["test"].ids)}
    if set(place) != set(truth.ids):
        raise UserError(
            "the dataset's test clips are not those that the run was scored on", str(run.folder)
        )
    order = np.array([place[name] for name in truth.ids])
    test = {name: rows[order] for name, rows in test.items()}
    key = "label" if truth.classes else "values"
    targets = [rule.evaluate(part[i], 0)[key] for part in kept for i in range(len(part))]
    groups = [group for part in kept for group in part.groups]
    if truth.classes:
        scores = floors.of_classes(train, np.array(targets), groups, test, len(truth.names))
        guesses = {name: score.argmax(1) for name, score in scores.items()}
    else:
        table = np.stack(targets).reshape(len(targets), -1)
        guesses = floors.of_values(train, table, groups, test)
    scored = {name: truth.with_guess(guess) for name, guess in guesses.items()}
    return {name: Run(one.metrics(), given=one) for name, one in scored.items()}


def _widest(rows: Mapping[str, Runs]) -> Runs:
    """Of every run's name the run that saw most modalities; the main row's among equals."""
    chosen: Runs = {}
    for runs in rows.values():
        for key, run in runs.items():
            if key not in chosen or _modalities(run) > _modalities(chosen[key]):
                chosen[key] = run
    return chosen


def _modalities(run: Run) -> int:
    return len(run.export.get("config", {}).get("model", {}).get("modalities", ()))
