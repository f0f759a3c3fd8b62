"""Does pre-training on comments help where labels are few? Three beginnings, the same few labels.

    python -m tests.studies.fewlabels [--out=DIR] [--corpora=5] [--seeds=2] [--per-class=8]
                                      [--steps=300] [--pretrain="FLAGS"] [--finetune="FLAGS"]

On each corpus of the sample, `tam` is pre-trained on the comments as they are and on comments
permuted between clips; then recognition is trained on a few labelled clips of each class from both
exports and from scratch, for equally many steps and without validation, and scored on the same
held-out sources. Every training seed also draws its own clips. Differences are paired by corpus and
seed, averaged over seeds, and their intervals run over corpora. Stops and goes on like any run.
"""

import argparse
import json
import pathlib
import shlex

import numpy as np

from affectjax import floors, intervals, metrics
from affectjax.data import load, sample
from tests.studies import runs

PRETRAINING = {"pre-trained": "small", "permuted": "small,permuted"}
ARMS = ("pre-trained", "permuted", "scratch")
METRICS = ("accuracy", "balanced_accuracy", "macro_f1")


def run(
    out: pathlib.Path,
    corpora: int = 5,
    seeds: int = 2,
    per_class: int = 8,
    pretrain: tuple[str, ...] = (),
    finetune: tuple[str, ...] = (),
    size: str = "study",
    labelled: str = "labelled",
    steps: int = 300,
) -> list[dict]:
    """A row for each training: corpus, seed, arm and its metrics on the test clips."""
    rows = []
    for corpus in range(corpora):
        place = out / f"corpus-{corpus}"
        data = (
            f"--config.data.sample_dir={out / 'data'}", f"--config.data.sample_size={size}",
            f"--config.data.sample_seed={corpus}",
        )  # fmt: skip
        for name, variant in PRETRAINING.items():
            runs.result("tam_pretrain", variant, place / name, *data, *pretrain)
        for seed in range(seeds):
            chosen = (
                *data, f"--config.data.train={labelled}", f"--config.data.per_class={per_class}",
                f"--config.data.per_class_seed={seed}", f"--config.train.seed={seed}",
                "--config.data.validation=0", "--config.checkpoint.best=",
                f"--config.train.steps={steps}",
            )  # fmt: skip
            for arm in ARMS:
                variant, start = "small,scratch", ()
                if arm != "scratch":
                    variant = "small"
                    start = (f"--config.train.init_from={place / arm / 'export'}",)
                folder = place / f"{arm}-{per_class}-{seed}"
                found = runs.result("tam_finetune", variant, folder, *chosen, *start, *finetune)
                scores = {name: found["metrics"][name] for name in METRICS}
                rows.append({"corpus": corpus, "seed": seed, "arm": arm} | scores)
            rows += _floors(out, size, labelled, corpus, seed, per_class)
    return rows


def _floors(out, size: str, labelled: str, corpus: int, seed: int, per_class: int) -> list[dict]:
    """The same clips without a model of time: probes of pooled features."""
    data = load.load(
        train=labelled, per_class=per_class, per_class_seed=seed, sample_size=size,
        sample_seed=corpus, sample_dir=str(out / "data"),
    )  # fmt: skip
    spec, (fit, held) = data.dataset.spec, (data.parts["train"], data.parts["test"])
    names, truth = tuple(spec.modalities), np.asarray(held.labels)
    scores = floors.of_classes(
        floors.pooled(fit, names), fit.labels, fit.groups, floors.pooled(held, names),
        len(spec.label_names),
    )  # fmt: skip
    rows = []
    for name, found in scores.items():
        if name == "majority class":  # equally many clips of each: none is the commonest
            continue
        scored = metrics.classification(found, truth, spec.label_names)
        row = {"corpus": corpus, "seed": seed, "arm": name}
        rows.append(row | {key: scored[key] for key in METRICS})
    return rows


def compare(rows: list[dict], metric: str = "accuracy") -> dict:
    """{"score": {arm: interval over corpora}, "lead": {arm: of pre-trained over it}}."""
    corpora = sorted({row["corpus"] for row in rows})
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    mean = {
        arm: [np.mean([r[metric] for r in rows if (r["arm"], r["corpus"]) == (arm, c)])
              for c in corpora]
        for arm in arms
    }  # fmt: skip
    first = np.array(mean[ARMS[0]])
    return {
        "score": {arm: intervals.over_seeds(values) for arm, values in mean.items()},
        "lead": {
            arm: intervals.over_seeds(first - np.array(values))
            for arm, values in mean.items()
            if arm != ARMS[0]
        },
    }


def ceilings(rows: list[dict], size: str = "study") -> dict[str, float]:
    """What the sample allows, averaged over the corpora: the oracle and the commonest class."""
    found = [sample.gates(sample.make(size, c)) for c in sorted({row["corpus"] for row in rows})]
    return {
        "oracle": float(np.mean([one["ceiling"] for one in found])),
        "commonest class of the test": float(np.mean([one["majority"] for one in found])),
    }


def show(rows: list[dict], known: dict[str, float]) -> str:
    """All figures as text."""
    out = []
    for metric in METRICS:
        found = compare(rows, metric)
        out.append(f"{metric:32} mean     95 % over corpora   lead of pre-trained")
        for arm, score in found["score"].items():
            line = f"  {arm:30} {score.mean:.4f}   {score.low:.4f} to {score.high:.4f}"
            if arm in found["lead"]:
                lead = found["lead"][arm]
                line += f"   {lead.mean:+.4f} ({lead.low:+.4f} to {lead.high:+.4f})"
            out.append(line)
    return "\n".join([*out, *(f"{name}, accuracy: {value:.4f}" for name, value in known.items())])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".runs/fewlabels_study"))
    parser.add_argument("--corpora", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--per-class", type=int, default=8)
    parser.add_argument("--pretrain", default="", help="further flags of every pre-training")
    parser.add_argument("--steps", type=int, default=300, help="of recognition")
    parser.add_argument("--finetune", default="", help="further flags of every recognition")
    return parser.parse_args()


if __name__ == "__main__":
    a = arguments()
    table = run(a.out, a.corpora, a.seeds, a.per_class, tuple(shlex.split(a.pretrain)),
                tuple(shlex.split(a.finetune)), steps=a.steps)  # fmt: skip
    (a.out / f"rows-{a.per_class}.json").write_text(json.dumps(table, indent=1))
    print(show(table, ceilings(table)))
