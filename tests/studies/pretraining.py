"""Does pre-training find what the sample planted? Three trainings, every floor and the oracle.

    python -m tests.studies.pretraining [--out=DIR] [any flag of affectjax.main]

Trains `tam` on the sample as it is, on comments permuted between clips, and with the video hidden;
all are scored on the same held-out sources. Intervals are a bootstrap over sources, paired by clip.
"""

import collections
import csv
import pathlib
import sys

import numpy as np

from affectjax.data import sample, sample_references
from affectjax.main import main

ROOT = pathlib.Path(__file__).parents[2]
RUNS = {"tam": "small", "permuted": "small,permuted", "text only": "small,text_only"}
# What is compared: (name, hits in the predictions, their count, floors of the sample, its oracle)
TASKS = (
    ("masked word, top-1", "word_top1", "word_count", "words", ("frequent_word",), "oracle"),
    ("appearing time, top-1", "time_top1", "time_count", "comments", ("prior_top1",), "time_top1"),
)
RESAMPLES = 4000


def train(out: pathlib.Path, *words: str, size: str = "study", seed: int = 0) -> dict[str, list]:
    """The predictions of each of the runs, trained where they are not there yet."""
    found = {}
    for name, variant in RUNS.items():
        workdir = out / name.replace(" ", "_")
        code = main([
            "main", f"--config={ROOT}/configs/tam_pretrain.py:{variant}", f"--workdir={workdir}",
            f"--config.data.sample_dir={out / 'data'}", f"--config.data.sample_size={size}",
            f"--config.data.sample_seed={seed}", *words,
        ])  # fmt: skip
        if code:
            raise SystemExit(code)
        found[name] = read(workdir / "predictions_test.csv")
    return found


def read(path: pathlib.Path) -> dict[str, dict[str, float]]:
    """{clip: sums of its rows} of a file of predictions."""
    clips: dict[str, collections.Counter] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            sums = clips.setdefault(row["id"], collections.Counter())
            sums.update({k: float(v) for k, v in row.items() if k not in ("id", "group")})
    return clips


def compare(predictions: dict, size: str = "study", seed: int = 0) -> list[dict]:
    """A row for each task: every score, and the model's lead over each rival with its interval."""
    known = sample_references.by_clip(sample.make(size, seed), "test")
    groups = np.unique([clip["group"] for clip in known], return_inverse=True)[1]
    rng = np.random.default_rng(0)
    draws = rng.multinomial(groups.max() + 1, np.full(groups.max() + 1, 1 / (groups.max() + 1)),
                            RESAMPLES)  # fmt: skip
    rows = []
    for title, hits, count, per, floors, oracle in TASKS:
        series = {
            name: [(p[clip["id"]][hits], p[clip["id"]][count]) for clip in known]
            for name, p in predictions.items()
        }
        series |= {name: [(clip[name], clip[per]) for clip in known] for name in floors}
        series["oracle"] = [(clip[oracle], clip[per]) for clip in known]
        # sums over the clips of a source, then any resample is one product
        totals = {}
        for name, pairs in series.items():
            sums = np.zeros((groups.max() + 1, 2))
            np.add.at(sums, groups, np.array(pairs, float))
            if sums[:, 1].sum():
                totals[name] = sums
        score = {name: sums[:, 0].sum() / sums[:, 1].sum() for name, sums in totals.items()}
        resampled = {
            name: (draws @ sums)[:, 0] / (draws @ sums)[:, 1] for name, sums in totals.items()
        }
        lead = {
            name: tuple(np.quantile(resampled["tam"] - values, (0.025, 0.975)))
            for name, values in resampled.items()
            if name not in ("tam", "oracle")
        }
        rows.append({"task": title, "score": score, "lead": lead,
                     "of_oracle": score["tam"] / score["oracle"]})  # fmt: skip
    return rows


def show(rows: list[dict]) -> str:
    """The comparison as text, all figures beside each other."""
    out = []
    for row in rows:
        out.append(row["task"])
        out.append(f"  {'tam':16} {row['score']['tam']:.4f}   {row['of_oracle']:.0%} of the oracle")
        for name, score in row["score"].items():
            if name in row["lead"]:
                low, high = row["lead"][name]
                out.append(f"  {name:16} {score:.4f}   tam leads by {low:+.4f} to {high:+.4f}")
            elif name == "oracle":
                out.append(f"  {name:16} {score:.4f}")
    return "\n".join(out)


if __name__ == "__main__":
    place = pathlib.Path(".runs/pretraining_study")
    given = [word for word in sys.argv[1:] if not word.startswith("--out=")]
    for word in sys.argv[1:]:
        if word.startswith("--out="):
            place = pathlib.Path(word.removeprefix("--out="))
    print(show(compare(train(place, *given))))
