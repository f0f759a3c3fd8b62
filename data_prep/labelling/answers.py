"""People's answers read back: an export of Label Studio as JSON, or a filled-in queue as CSV.

In Label Studio a person ticks what a comment has, and so says no to every other emotion. In a table
an empty cell says nothing. Whoever did not say their name is called after the flag or the file.
"""

import csv
import io
import json
import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from affectjax.errors import UserError, nearest
from data_prep.comments.encoding import decode
from data_prep.labelling import texts
from data_prep.labelling.project import Project
from data_prep.labelling.queue import CHOICES


class Answer(NamedTuple):
    """One person on one comment and emotion."""

    id: str
    emotion: str
    annotator: str
    value: int


def read(path: pathlib.Path, project: Project, annotator: str = "") -> list[Answer]:
    """All answers of a file, each checked against the project."""
    where = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"The answers cannot be read: {error.strerror}", where) from error
    notes: Counter[str] = Counter()
    text = decode(data, notes).lstrip("\ufeff")
    if notes["unreadable bytes"]:
        what = f"{notes['unreadable bytes']} bytes of the answers are no text"
        raise UserError(what, where, "Save the file as UTF-8.")
    name = annotator or path.stem
    found = list((_tasks if text.lstrip()[:1] in "[{" else _table)(text, project, name, where))
    if not found:
        raise UserError("there is no answer in it", where, "Fill it in, or export the annotations.")
    seen: dict[tuple[str, str, str], int] = {}
    for answer in found:
        if answer.id not in project.comments:
            mend = "Give answers to this project's queue."
            raise UserError(f"there is no comment {answer.id!r} in the project", where, mend)
        if answer.emotion not in project.emotions:
            mend = nearest(answer.emotion, project.emotions)
            raise UserError(f"{answer.id}: {answer.emotion!r} is no emotion", where, mend)
        if answer[:3] in seen:
            what = f"{answer.annotator} answers {answer.id!r} twice"
            raise UserError(what, where, "Keep one of the two, or give each person a name.")
        seen[answer[:3]] = answer.value
    return found


def _tasks(text: str, project: Project, name: str, where: str) -> Iterator[Answer]:
    mend = "Export the project from Label Studio as JSON."
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"The JSON is broken: {error}", where, mend) from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError("The JSON is no list of tasks", where, mend)
    for number, task in enumerate(tasks, 1):
        try:
            key, done = str(task["data"]["id"]), task["annotations"]
            for annotation in done:
                if annotation.get("was_cancelled"):
                    continue
                chosen = _chosen(annotation["result"])
                who = _who(annotation.get("completed_by"), name)
                unknown = [choice for choice in chosen if choice not in project.emotions]
                if unknown:
                    yield Answer(key, unknown[0], who, 1)  # the reader says what is wrong with it
                for emotion in project.emotions:
                    yield Answer(key, emotion, who, int(emotion in chosen))
        except (KeyError, TypeError, AttributeError) as error:
            what = f"task {number} is not as Label Studio exports it ({error!r})"
            raise UserError(what, where, mend) from error


def _chosen(results: list[dict[str, Any]]) -> list[str]:
    ours = [one for one in results if one["from_name"] == CHOICES]
    return [choice for one in ours for choice in one["value"]["choices"]]


def _who(person: Any, name: str) -> str:
    """Label Studio names a person by a number, or by a table with an e-mail address."""
    if isinstance(person, dict):
        person = person.get("id", person.get("email"))
    return name if person is None else f"person-{person}"


def _table(text: str, project: Project, name: str, where: str) -> Iterator[Answer]:
    line = text.partition("\n")[0].rstrip("\r")
    separator = max(",;\t", key=line.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        names = [cell.strip() for cell in next(table)]
        if "id" not in names or len(set(names)) < len(names):
            mend = "Keep the header of the queue's CSV."
            raise UserError("The table has no column id, or one twice", where, mend)
        known = {"id", "text", "annotator"}
        emotions = [n for n in names if n not in known and not n.startswith("p:")]
        for cells in table:
            place = f"{where}, line {table.line_num}"
            if not any(cells):
                continue
            if len(cells) != len(names):
                what = f"A row has {len(cells)} cells, the header {len(names)}"
                raise UserError(what, place, "Quote texts with commas.")
            cell = dict(zip(names, (value.strip() for value in cells)))
            for emotion in emotions:
                if cell[emotion]:
                    said = int(texts.mark(cell[emotion], place))
                    yield Answer(cell["id"], emotion, cell.get("annotator") or name, said)
    except csv.Error as error:
        raise UserError(f"The table cannot be read: {error}", where, "Save it as CSV.") from error
