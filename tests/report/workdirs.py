"""Workdirs as training leaves them, without the training."""

import csv
import json
import pathlib

import numpy as np
import safetensors.numpy

from affectjax import metrics

EIGHT = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")


def of_classes(scores: np.ndarray, label: np.ndarray, names) -> dict[str, np.ndarray]:
    """Columns of predictions_test.csv, and the metrics that belong to them."""
    columns = {"label": label}
    columns |= {f"probability_{name}": scores[:, i] for i, name in enumerate(names)}
    return {"columns": columns, "metrics": metrics.classification(scores, label, names)}


def of_values(prediction: np.ndarray, truth: np.ndarray, names) -> dict[str, np.ndarray]:
    columns = {f"prediction_{name}": prediction[:, i] for i, name in enumerate(names)}
    columns |= {f"truth_{name}": truth[:, i] for i, name in enumerate(names)}
    return {"columns": columns, "metrics": metrics.regression(prediction, truth, names)}


def write(
    folder: pathlib.Path,
    variants: str,
    runs: dict[str, dict],
    dataset: tuple[str, str] = ("videoemotion8", "d1"),
    overrides: dict | None = None,
    config: str = "tam_finetune",
    exported: dict | None = None,
    times: int | None = None,
) -> pathlib.Path:
    """`runs` is {name: {ids, groups, columns, metrics}}, columns or ids may be left out."""
    folder.mkdir(parents=True)
    path = f"somewhere/configs/{config}.py" + (f":{variants}" if variants else "")
    dump(folder / "command.json", {"config": path, "overrides": overrides or {}})
    dump(folder / "config.json", {"recipe.times": times or len(runs)})
    for name, run in runs.items():
        own = folder / name
        (own / "export").mkdir(parents=True)
        found = {k: None if np.isnan(v) else v for k, v in run["metrics"].items()}
        dump(own / "result.json", {"steps": 1, "metrics": found})
        about = {"dataset": {"name": dataset[0], "digest": dataset[1]}}
        arrays = {"params/w": np.zeros((3, 4)), "params/b": np.zeros(4), "state/s": np.zeros(9)}
        safetensors.numpy.save_file(arrays, own / "export" / "model.safetensors")
        dump(own / "export" / "config.json", about | {"config": exported or {}})
        if "ids" in run:
            table(own / "predictions_test.csv", run["ids"], run["columns"], run["groups"])
    return folder


def table(path: pathlib.Path, ids, columns: dict, groups=None) -> pathlib.Path:
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", *(["group"] if groups is not None else []), *columns])
        for i, name in enumerate(ids):
            group = [groups[i]] if groups is not None else []
            rows.writerow([name, *group, *(column[i] for column in columns.values())])
    return path


def dump(path: pathlib.Path, value: dict) -> None:
    path.write_text(json.dumps(value))


def ten_splits(random: np.random.Generator, skill: float, clips: int = 90) -> dict[str, dict]:
    """Runs on ten random thirds of the same clips, right with about this probability."""
    label = np.random.default_rng(0).integers(8, size=clips)
    runs = {}
    for number in range(10):
        test = np.random.default_rng(100 + number).permutation(clips)[: clips // 3]
        scores = random.random((len(test), 8))
        right = random.random(len(test)) < skill
        scores[right, label[test[right]]] += 1
        ids = [f"clip{i}" for i in test]
        found = of_classes(scores, label[test], EIGHT)
        runs[f"split-{number}"] = found | {"ids": ids, "groups": ids}
    return runs
