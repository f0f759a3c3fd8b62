"""Real sequences of two modalities: every fusion on the same clips, the test set counted once.

    python -m tests.studies.mmmo --features=DIR [--out=DIR] [--fusions=ctm,joint,...] [--seeds=5]

Made for ICT-MMMO: sequences of 20 aligned steps, audio and video, and a sentiment from 1 to 5, to
be told above or not above 3.5. DIR is what `python -m data_prep.build import` reads. Its parts
train and valid train together. The settings below were chosen on five folds of these clips alone,
with ctm, simple and gmu at a constant rate, whose loss hardly changed between 60 and 130 steps; so
nothing is left to be chosen here, and the test part is scored once a seed.
Features are compressed as sign(x) log(1 + |x|). Stops and goes on like any run.
"""

import argparse
import json
import pathlib

import numpy as np

from affectjax import floors, metrics
from affectjax.data import records
from affectjax.errors import COMPLETE
from affectjax.main import main
from data_prep import build

ROOT = pathlib.Path(__file__).parents[2]
FUSIONS = {
    "ctm": "scratch", "inner": "inner", "cross": "cross", "simple": "simple", "divide": "divide",
    "joint": "joint", "gmu": "gmu", "tensor": "tensor", "mult": "mult",
}  # fmt: skip
NAMES = ("low", "high")
SETTINGS = (
    "--config.model.width=32", "--config.model.layers=1", "--config.model.heads=4",
    "--config.model.ffn=64", "--config.model.dropout=0.4", "--config.model.smoothing=0.3",
    "--config.optim.learning_rate=1e-3", "--config.optim.schedule=cosine",
    "--config.optim.weight_decay=0.01", "--config.optim.decoupled=True",
    "--config.train.batch=32", "--config.train.steps=120", "--config.train.evaluate_every=0",
    "--config.train.tensorboard=False", "--config.checkpoint.best=", "--config.data.validation=0",
)  # fmt: skip


def prepare(features: pathlib.Path, out: pathlib.Path, target: str = "y", above: float = 3.5):
    """The dataset with its parts for training joined and its features compressed."""
    raw, joined = out / "imported", out / "dataset"
    if not raw.exists():
        options = {"values": {"sentiment": target},
                   "label": {"value": "sentiment", "above": above, "names": NAMES}}  # fmt: skip
        words = [f"--out={raw}", f"--features={features}", f"--options={json.dumps(options)}"]
        if (code := build.main(["import", *words])) != COMPLETE:
            raise SystemExit(code)
    if not joined.exists():
        dataset = records.open_dataset(raw)

        def made(*splits):
            for split in splits:
                source = dataset.split(split)
                for record in (source[i] for i in range(len(source))):
                    yield record | {
                        "features": {m: compressed(x) for m, x in record["features"].items()}
                    }

        fit = [name for name in dataset.splits if name != "test"]
        records.write(joined, "joined", dataset.spec,
                      {"train": made(*fit), "test": made("test")})  # fmt: skip
    return records.open_dataset(joined)


def compressed(x: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|), which tames features of very different sizes."""
    wide = x.astype(np.float64)
    return (np.sign(wide) * np.log1p(np.abs(wide))).astype(np.float16)


def run(dataset, out: pathlib.Path, fusions: list[str], seeds: int, *words: str) -> list[dict]:
    """A row for each fusion: accuracy of every seed and the number of parameters."""
    spec, rows = dataset.spec, []
    for fusion in fusions:
        workdir = out / fusion
        heads = ("--config.model.heads=1",) if fusion in ("ctm", "inner", "cross") else ()
        argv = [
            "main", f"--config={ROOT}/configs/tam_finetune.py:ek6,{FUSIONS[fusion]}",
            f"--workdir={workdir}", f"--config.data.dir={dataset.folder}",
            f"--config.model.modalities={dict(spec.modalities)}",
            f"--config.model.outputs={tuple(spec.label_names)}", f"--config.recipe.times={seeds}",
            "--config.model.segments=20", "--config.examples.segment_seconds=1.0",
            *SETTINGS, *heads, *words,
        ]  # fmt: skip
        if (code := main(argv)) != COMPLETE:
            raise SystemExit(code)
        found = [json.loads((workdir / f"seed-{i}" / "result.json").read_text())["metrics"]
                 for i in range(seeds)]  # fmt: skip
        rows.append({"name": fusion, "accuracy": [one["accuracy"] for one in found],
                     "macro_f1": [one["macro_f1"] for one in found]})  # fmt: skip
    return rows


def probes(dataset) -> list[dict]:
    """The floors: the commonest class, and closed-form probes on means and deviations."""
    spec, (fit, held) = dataset.spec, (dataset.split("train"), dataset.split("test"))
    names = tuple(spec.modalities)
    scores = floors.of_classes(floors.pooled(fit, names), fit.labels, fit.groups,
                               floors.pooled(held, names), len(spec.label_names))  # fmt: skip
    rows = []
    for name, found in scores.items():
        scored = metrics.classification(found, held.labels, spec.label_names)
        rows.append({"name": name, "accuracy": [scored["accuracy"]],
                     "macro_f1": [scored["macro_f1"]]})  # fmt: skip
    return rows


def show(rows: list[dict]) -> str:
    """Mean and spread of every row as text."""
    out = [f"{'':28}  accuracy           macro-F1           seeds"]
    for row in rows:
        cells = []
        for key in ("accuracy", "macro_f1"):
            spread = f" +- {np.std(row[key], ddof=1):.3f}" if len(row[key]) > 1 else ""
            cells.append(f"{np.mean(row[key]):.3f}{spread}")
        each = " ".join(f"{value:.3f}" for value in row["accuracy"])
        out.append(f"{row['name']:28}  {cells[0]:17}  {cells[1]:17}  {each}")
    return "\n".join(out)


def arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".runs/mmmo_study"))
    parser.add_argument("--fusions", default=",".join(FUSIONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--target", default="y", help="what the files of the target are called")
    parser.add_argument("--above", type=float, default=3.5)
    return parser.parse_known_args()


if __name__ == "__main__":
    a, further = arguments()
    found = prepare(a.features.absolute(), a.out, a.target, a.above)
    table = run(found, a.out, a.fusions.split(","), a.seeds, *further)
    print(show([*table, *probes(found)]))
