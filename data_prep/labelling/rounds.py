"""Rounds of labelling (danmaku 3.3): train, predict, accept what is sure, ask people the rest.

What people decided is divided 8 : 1 : 1 into training, validation and test, by a digest of the
text, so that a comment keeps its part in every round. What a model decided goes into training
alone, and not even there where people's labels put the same text into another part.
"""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.errors import COMPLETE, UserError
from data_prep.labelling import agreement, classify, corpus, project, queue, texts
from data_prep.labelling.answers import Answer
from data_prep.labelling.project import Project


def start(
    folder: pathlib.Path,
    files: Sequence[str],
    emotions: Sequence[str],
    high: float,
    low: float,
    options: Mapping[str, Any],
) -> Project:
    """A project of the comments in these files; labels that they have are taken as given."""
    options = corpus.filled(options, "start")
    rows, where = [], {}
    for name in files:
        found, _ = texts.rows(name, options["separator"])
        where |= {row.id: pathlib.Path(name).name for row in found}
        rows += found
    rows = corpus.unique(rows)
    emotions = list(emotions) or corpus.emotions_of(rows, options)
    table = corpus.values(rows, emotions, options)
    entries = [
        {"round": 0, "id": row.id, "emotion": emotion, "value": float(value), "by": "file",
         "file": where[row.id]}
        for row, line in zip(rows, table)
        for emotion, value in zip(emotions, line)
        if not np.isnan(value)
    ]  # fmt: skip
    comments = [project.Comment(row.id, row.text, corpus.group(row)) for row in rows]
    return project.create(folder, comments, emotions, high, low, entries)


def ask(found: Project, count: int, seed: int = 0) -> list[pathlib.Path]:
    """A first queue: comments at random among those that nobody and nothing has labelled."""
    waiting = [name for name in found.comments if len(found.undecided(name)) == len(found.emotions)]
    if not waiting:
        raise UserError("every comment has a label", str(found.folder), "There is nothing to ask.")
    chosen = np.random.default_rng(seed).permutation(len(waiting))[:count]
    ids = [waiting[i] for i in sorted(chosen)]
    number = queues(found)
    files = queue.write(found, ids, number, {})
    project.add(found, [{"round": found.round, "event": "queue", "queue": number, "ids": ids}])
    return files


def queues(found: Project) -> int:
    """The number of the next queue."""
    return sum(entry.get("event") == "queue" for entry in found.ledger)


def take(found: Project, answers: Sequence[Answer], source: str) -> tuple[Project, dict[str, Any]]:
    """Answers into the ledger, joined with those given before; gives the agreement as well.

    The value is what most say; where people are divided it is unknown and they are asked again. An
    answer that the ledger has already is left out, one that contradicts it is refused. Agreement is
    that of everybody who has answered these comments, in whatever file.
    """
    before = {key: dict(label.answers) for key, label in found.labels.items()}
    changed: dict[tuple[str, str], dict[str, int]] = {}
    for answer in answers:
        key = answer.id, answer.emotion
        said = before.setdefault(key, {})
        if answer.annotator not in said:
            said[answer.annotator] = answer.value
            changed[key] = said
        elif said[answer.annotator] != answer.value:
            what = f"{answer.annotator} said {said[answer.annotator]} of {answer.id!r} before"
            mend = "Let one person answer once, or give the second answer another name."
            raise UserError(f"{what}, emotion {answer.emotion!r}", source, mend)
    entries: list[dict[str, Any]] = [
        {"round": found.round, "id": name, "emotion": emotion, "by": "people", "answers": said,
         "value": agreement.majority(list(said.values()))}
        for (name, emotion), said in changed.items()
    ]  # fmt: skip
    heard = dict.fromkeys((answer.id, answer.emotion) for answer in answers)
    known = [Answer(*key, who, value) for key in heard for who, value in before[key].items()]
    told = {"round": found.round, "event": "answers", "source": source, "answers": len(answers),
            "new": len(entries), "annotators": sorted({answer.annotator for answer in answers}),
            "agreement": agreements(known, found.emotions)}  # fmt: skip
    return project.add(found, [*entries, told]), told


def agreements(answers: Sequence[Answer], emotions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """{emotion: {items, alpha, kappa}} of what several people answered; None is undefined."""
    found = {}
    for emotion in emotions:
        items: dict[str, list[int]] = {}
        for answer in answers:
            if answer.emotion == emotion:
                items.setdefault(answer.id, []).append(answer.value)
        several = [each for each in items.values() if len(each) > 1]
        measures = {"alpha": agreement.krippendorff(several), "kappa": agreement.fleiss(several)}
        found[emotion] = {"items": len(several)} | {
            key: None if math.isnan(value) else value for key, value in measures.items()
        }
    return found


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a round came to: decisions of the model by emotion and answer, and what is asked."""

    project: Project
    accepted: dict[str, tuple[int, int]]  # emotion -> yes, no
    asked: list[str]
    files: list[pathlib.Path]
    held_out: dict[str, tuple[float, int]]  # emotion -> balanced accuracy, over so many comments


def run(found: Project, config: str, flags: Sequence[str] = (), count: int = 0) -> Outcome:
    """One round; stopped anywhere, the same call goes on. `count`: at most so many to people."""
    folder = found.folder / "rounds" / f"{found.round + 1:02d}"
    dataset, workdir = folder / "corpus", folder / "run"
    if not dataset.exists():  # labels that came in since a stop wait for the next round
        rows = labelled(found)
        options = {"emotions": list(found.emotions)}
        corpus.build(rows, options, dataset, metadata={"project_round": found.round + 1})
    train(config, dataset, workdir, found.emotions, flags)
    exports = classify.load(sorted(str(path.parent) for path in workdir.rglob("model.safetensors")))
    return judge(found, exports, count)


def train(config: str, dataset, workdir, emotions: Sequence[str], flags: Sequence[str]) -> None:
    """The loop's own command; raises SystemExit with its status where it does not complete."""
    from affectjax import main

    argv = [
        "main", f"--config={config}", f"--workdir={workdir}", f"--config.data.dir={dataset}",
        f"--config.model.outputs={tuple(emotions)}", f"--config.examples.values={tuple(emotions)}",
        *flags,
    ]  # fmt: skip
    if (status := main.main(argv)) != COMPLETE:
        raise SystemExit(status)


def judge(found: Project, exports: Sequence[Any], count: int = 0) -> Outcome:
    """Predict what is undecided, accept what is sure, queue the rest; all in the ledger at once."""
    names = classify.emotions(exports)
    missing = sorted(set(found.emotions) - set(names))
    if missing:
        raise UserError(f"no classifier is of {missing[0]!r}", "classifiers", "Train one for each.")
    waiting = [name for name in found.comments if found.undecided(name)]
    table = classify.probabilities(exports, [found.comments[name].text for name in waiting])
    digest, number = classify.digest(exports), found.round + 1
    entries: list[dict[str, Any]] = [
        {"round": number, "event": "model", "model": digest, "read": len(waiting),
         "high": found.high, "low": found.low}
    ]  # fmt: skip
    accepted = {emotion: [0, 0] for emotion in found.emotions}
    unsure: dict[str, float] = {}
    probability = {}
    for name, line in zip(waiting, table):
        for emotion in found.emotions:
            p = round(float(line[names.index(emotion)]), 6)  # what the ledger says is compared
            probability[name, emotion] = p
            label = found.labels.get((name, emotion))
            if label is not None and label.value is not None:
                continue
            sure = 1 if p > found.high else 0 if p < found.low else None
            if sure is None or label is not None:  # where people are divided, people decide
                nearness = -abs(p - (found.high + found.low) / 2)
                unsure[name] = max(unsure.get(name, -1.0), nearness)
                continue
            accepted[emotion][1 - sure] += 1
            entries.append({"round": number, "id": name, "emotion": emotion, "value": float(sure),
                            "by": "model", "model": digest[:16], "p": p})  # fmt: skip
    asked = sorted(unsure, key=lambda name: -unsure[name])[: count or None]
    files: list[pathlib.Path] = []
    if asked:
        after = dataclasses.replace(
            found, labels=project.labels([*found.ledger, *entries])
        )  # what stands in the queue is what this round decided
        files = queue.write(after, asked, queues(found), probability, digest)
        entries.append({"round": number, "event": "queue", "queue": queues(found), "ids": asked})
    counts = {emotion: (yes, no) for emotion, (yes, no) in accepted.items()}
    return Outcome(project.add(found, entries), counts, asked, files, classify.scores(exports))


def labelled(found: Project) -> list[texts.Row]:
    """The comments that have a label, as rows of a corpus with their splits."""
    people = {name for name in found.comments if found.by_people(name)}
    if not people:
        mend = "Say `python -m data_prep.label ask`, fill in the queue, and `read` it."
        raise UserError("people have labelled no comment yet", str(found.folder), mend)
    groups = dict(zip(found.comments, corpus.joined(
        [texts.Row(c.id, c.text, c.group) for c in found.comments.values()]
    )))  # fmt: skip
    held = {groups[name]: part(groups[name]) for name in people}
    rows = []
    for name, comment in found.comments.items():
        marks = tuple((e, v) for e in found.emotions if (v := found.value(name, e)) is not None)
        side = held.get(groups[name], "train")
        if marks and (name in people or side == "train"):
            rows.append(texts.Row(name, comment.text, comment.group, side, None, marks))
    return rows


def part(group: str) -> str:
    """The part of a group, 8 : 1 : 1, always the same."""
    tenth = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 10
    return "train" if tenth < 8 else "validation" if tenth == 8 else "test"
