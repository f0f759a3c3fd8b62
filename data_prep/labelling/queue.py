"""What people are asked, written twice: as Label Studio tasks with pre-annotations, and as CSV.

queue-NN.json      tasks: the text, and what the classifiers think as a prediction
queue-NN.csv       id, text, annotator, a column for each emotion (1 or 0 where a classifier is
                   sure, empty where people must say) and p:<emotion>
label_config.xml   the labelling interface of a Label Studio project for these tasks
"""

import csv
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from data_prep.labelling.project import Project, save

CHOICES, TEXT = "emotions", "text"  # what the interface calls its controls


def write(
    project: Project,
    ids: Sequence[str],
    number: int,
    probability: Mapping[tuple[str, str], float],
    model: str = "",
) -> list[pathlib.Path]:
    """Write the queue; gives its files. `probability` of (id, emotion), as far as there are any."""
    stem = project.folder / f"queue-{number:02d}"
    files = {
        stem.with_suffix(".json"): _tasks(project, ids, probability, model),
        stem.with_suffix(".csv"): _table(project, ids, probability),
        project.folder / "label_config.xml": interface(project.emotions),
    }
    for path, text in files.items():
        save(path, text.encode())
    return list(files)


def guess(project: Project, name: str, emotion: str, p: float | None) -> float | None:
    """What stands in the queue before people look: what is decided, or a sure classifier's word."""
    known = project.value(name, emotion)
    if known is not None or p is None:
        return known
    return 1.0 if p > project.high else 0.0 if p < project.low else None


def _tasks(
    project: Project,
    ids: Sequence[str],
    probability: Mapping[tuple[str, str], float],
    model: str,
) -> str:
    tasks = []
    for name in ids:
        found = {e: probability.get((name, e)) for e in project.emotions}
        likely = [e for e, p in found.items() if (guess(project, name, e, p) or 0) > 0.5]
        task: dict[str, Any] = {"data": {"id": name, "text": project.comments[name].text}}
        if model:
            task["data"]["p"] = {e: round(p, 4) for e, p in found.items() if p is not None}
            task["predictions"] = [{
                "model_version": model[:16],
                "score": round(min(max(p, 1 - p) for p in found.values() if p is not None), 4),
                "result": [{"from_name": CHOICES, "to_name": TEXT, "type": "choices",
                            "value": {"choices": likely}}],
            }]  # fmt: skip
        tasks.append(task)
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def _table(
    project: Project, ids: Sequence[str], probability: Mapping[tuple[str, str], float]
) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    told = [e for e in project.emotions if any((name, e) in probability for name in ids)]
    rows.writerow(["id", "text", "annotator", *project.emotions, *(f"p:{e}" for e in told)])
    for name in ids:
        cells = [guess(project, name, e, probability.get((name, e))) for e in project.emotions]
        rows.writerow([
            name, project.comments[name].text, "",
            *("" if cell is None else int(cell) for cell in cells),
            *(f"{probability[name, e]:.4f}" if (name, e) in probability else "" for e in told),
        ])  # fmt: skip
    return text.getvalue()


def interface(emotions: Sequence[str]) -> str:
    """Label Studio's description of the page on which a comment is labelled."""
    choices = "".join(f"\n    <Choice value={quoteattr(emotion)}/>" for emotion in emotions)
    return (
        f'<View>\n  <Text name="{TEXT}" value="$text"/>\n'
        f'  <Choices name="{CHOICES}" toName="{TEXT}" choice="multiple">{choices}\n'
        "  </Choices>\n</View>\n"
    )
