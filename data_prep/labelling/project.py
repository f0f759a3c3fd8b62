"""A labelling project: a folder with its comments and a ledger of who or what labelled each.

project.json    emotions, thresholds, and the digest of comments.csv
comments.csv    id, text, group: every comment of the project, as it was given
ledger.jsonl    what happened, in order, a JSON object a line, never rewritten but only added to:
    {"round", "event", ...}: a queue, a training, a reading of answers
    {"round", "id", "emotion", "value", "by": "people", "answers": {name: 0 or 1}}
    {"round", "id", "emotion", "value", "by": "model", "model": digest, "p": probability}
    {"round", "id", "emotion", "value", "by": "file", "file": name}
What a comment's label is follows from the ledger alone: the last word of people or a file, before
the last word of a model. `value` null: people were asked and are divided.
"""

import csv
import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from affectjax import files
from affectjax.errors import UserError

FORMAT = 1
COMMENTS, LEDGER, PROJECT = "comments.csv", "ledger.jsonl", "project.json"
PEOPLE = ("people", "file")


@dataclasses.dataclass(frozen=True)
class Comment:
    """One comment; `group` is what stays together when comments are parted."""

    id: str
    text: str
    group: str


@dataclasses.dataclass(frozen=True)
class Label:
    """What is said of one comment and emotion; `answers` of people, `p` of a model."""

    value: float | None
    by: str
    round: int
    answers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    p: float | None = None


@dataclasses.dataclass(frozen=True)
class Project:
    """An opened project; `labels` by (comment's id, emotion)."""

    folder: pathlib.Path
    emotions: tuple[str, ...]
    high: float
    low: float
    comments: dict[str, Comment]
    ledger: list[dict[str, Any]]
    labels: dict[tuple[str, str], Label]

    @property
    def round(self) -> int:
        """How many rounds of a model are in the ledger."""
        return sum(entry.get("event") == "model" for entry in self.ledger)

    def value(self, name: str, emotion: str) -> float | None:
        """What is decided of a comment and an emotion; None where nothing is."""
        found = self.labels.get((name, emotion))
        return None if found is None else found.value

    def undecided(self, name: str) -> list[str]:
        """The emotions of a comment that nobody and nothing has decided."""
        return [emotion for emotion in self.emotions if self.value(name, emotion) is None]

    def by_people(self, name: str) -> bool:
        """Whether people decided every emotion of a comment."""
        found = [self.labels.get((name, emotion)) for emotion in self.emotions]
        return all(one is not None and one.by in PEOPLE and one.value is not None for one in found)


def create(
    folder: pathlib.Path,
    comments: Sequence[Comment],
    emotions: Sequence[str],
    high: float,
    low: float,
    entries: Sequence[Mapping[str, Any]] = (),
) -> Project:
    """A new project; one that stands there already is refused."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        mend = "Go on with it, or choose another --project."
        what = "The folder is not empty" if folder.is_dir() else "There is a file of that name"
        raise UserError(what, str(folder), mend)
    if not emotions or len(set(emotions)) < len(emotions) or any("," in e for e in emotions):
        what = f"emotions cannot be {', '.join(emotions)!r}"
        raise UserError(what, "--emotions", "Name each once.")
    if not 0 <= low < high <= 1:
        mend = "Choose 0 <= low < high <= 1."
        raise UserError(f"thresholds cannot be {low} and {high}", "--low, --high", mend)
    if not comments:
        raise UserError("there are no comments", "--comments", "Name a file that has some.")
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["id", "text", "group"])
    rows.writerows([c.id, c.text, c.group] for c in comments)
    data = table.getvalue().encode()
    facts = {"format": FORMAT, "emotions": list(emotions), "high": high, "low": low,
             "comments": hashlib.sha256(data).hexdigest()}  # fmt: skip
    save(folder / COMMENTS, data)
    save(folder / LEDGER, b"".join(map(_line, entries)))
    save(folder / PROJECT, (json.dumps(facts, indent=1) + "\n").encode())  # last: now it stands
    return load(folder)


def load(folder: pathlib.Path) -> Project:
    """Open a project and read its ledger."""
    mend = "Begin one with `python -m data_prep.label start`."
    try:
        facts = json.loads((folder / PROJECT).read_bytes())
        data = (folder / COMMENTS).read_bytes()
        lines = (folder / LEDGER).read_bytes().splitlines()
    except (OSError, ValueError) as error:
        raise UserError("The folder holds no labelling project", str(folder), mend) from error
    whole = isinstance(facts, dict) and facts.keys() >= {"emotions", "high", "low", "comments"}
    known = whole and facts.get("format") == FORMAT
    if not known or hashlib.sha256(data).hexdigest() != facts["comments"]:
        what = f"{COMMENTS} or {PROJECT} is not as it was written"
        raise UserError(what, str(folder), "Bring them back: labels belong to these comments.")
    table = csv.DictReader(io.StringIO(data.decode(), newline=""))
    comments = {row["id"]: Comment(row["id"], row["text"], row["group"]) for row in table}
    ledger = []
    for number, line in enumerate(lines, 1):
        try:
            ledger.append(dict(json.loads(line)))
            labels(ledger[-1:])
        except (ValueError, TypeError, KeyError) as error:
            where = f"{folder / LEDGER}, line {number}"
            raise UserError("The ledger is damaged", where, "Bring back its last copy.") from error
    return Project(
        folder, tuple(facts["emotions"]), facts["high"], facts["low"], comments, ledger,
        labels(ledger),
    )  # fmt: skip


def labels(ledger: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Label]:
    """The labels that follow from the entries, in their order."""
    found: dict[tuple[str, str], Label] = {}
    for entry in ledger:
        if "id" not in entry:
            continue
        key = entry["id"], entry["emotion"]
        if entry["by"] == "model" and key in found and found[key].by in PEOPLE:
            continue
        found[key] = Label(
            entry["value"], entry["by"], entry["round"], entry.get("answers", {}), entry.get("p")
        )
    return found


def add(project: Project, entries: Sequence[Mapping[str, Any]]) -> Project:
    """The project with these entries in its ledger: all of them are on the disk, or none."""
    before = (project.folder / LEDGER).read_bytes()
    save(project.folder / LEDGER, before + b"".join(map(_line, entries)))
    return load(project.folder)


def _line(entry: Mapping[str, Any]) -> bytes:
    return (json.dumps(entry, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n").encode()


def save(path: pathlib.Path, data: bytes) -> None:
    """Make a file of these bytes at one stroke; an error says why it could not be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.put(path, data)
    except OSError as error:
        what = f"The project cannot be written: {error.strerror}"
        mend = "Free space there or allow writing; what stood there is untouched."
        raise UserError(what, str(path), mend) from error
