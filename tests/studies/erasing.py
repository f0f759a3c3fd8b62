"""Does erasing keyframes make the context count? CTEN with it and without, and VAANet beside them.

    python -m tests.studies.erasing [--out=DIR] [--corpora=5] [--steps=600]

Trains the three on the sample's keyframe stories, as planted and with each of its dials at 0, on
several corpora; all are scored on the same held-out sources. Intervals are Student's t over the
corpora, of each score and of CTEN's lead, paired by corpus.
"""

import argparse
import csv
import pathlib

import numpy as np

from affectjax import detection, intervals, train
from affectjax.data import sample_keyframes as stories
from affectjax.data.sample_keyframes import CONSTANTS, Dials
from configs import cten, vaanet

RUNS = {
    "cten": (cten, "small"),
    "cten, nothing erased": (cten, "small,erasing_off"),
    "vaanet": (vaanet, "small"),
}
DIALS = {
    "as planted": Dials(),
    "context tells nothing": Dials(context=0.0),
    "testing as training": Dials(shift=0.0),
    "no distractors": Dials(distractors=0.0),
}
SCORES = ("accuracy", "map_any@0.3", "map@0.3", "key_only/map_any@0.3")


def scores(
    out: pathlib.Path, corpora: int = 5, steps: int = 600, size: str = "study", dials=DIALS
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """{dial: {model: [scores of each corpus]}}; runs that stand are not trained again."""
    found: dict = {}
    for dial, setting in dials.items():
        for corpus in range(corpora):
            folder = stories.prepare(out / "data", size, corpus, setting)
            for name, (module, variant) in RUNS.items():
                config = module.get_config(variant)
                config.data.dir, config.train.steps = str(folder), steps
                config.train.evaluate_every = min(config.train.evaluate_every, steps)
                config.train.seed, config.train.tensorboard = corpus, False
                workdir = out / dial.replace(" ", "_") / name.replace(", ", "-").replace(" ", "_")
                workdir = workdir / str(corpus)
                workdir.mkdir(parents=True, exist_ok=True)
                metrics = train.run(config, workdir)["metrics"]
                keys = key_only(workdir / "predictions_test.csv", size, corpus, setting)
                found.setdefault(dial, {}).setdefault(name, []).append(
                    {score: (metrics | keys)[score] for score in SCORES}
                )
    return found


def key_only(path: pathlib.Path, size: str, corpus: int, dials: Dials) -> dict[str, float]:
    """The same predictions against the keyframe alone."""
    rows = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            rows[row["id"]] = row
    clips = stories.make(size, corpus, dials)["test"]

    def column(name: str) -> np.ndarray:
        return np.array([
            [float(v) for k, v in rows[clip.id].items() if k.startswith(f"{name}_")]
            for clip in clips
        ])  # fmt: skip

    seconds = np.array([clip.duration for clip in clips])
    predicted = detection.intervals(column("curve"), column("probability"), seconds, 0.5)
    true = [
        detection.Interval(i, clip.place * part, (clip.place + 1) * part, clip.label)
        for i, clip in enumerate(clips)
        for part in [clip.duration / CONSTANTS["segments"]]
    ]
    return {"key_only/map_any@0.3": detection.average_precision(predicted, true, 0.3)}


def show(found: dict) -> str:
    """Every score with its interval, and CTEN's lead over each of the others."""
    lines = []
    for dial, models in found.items():
        lines.append(dial)
        for score in SCORES:
            lines.append(f"  {score}")
            own = np.array([one[score] for one in models["cten"]])
            for name, runs in models.items():
                values = np.array([one[score] for one in runs])
                text = f"    {name:22} {_told(intervals.over_seeds(values))}"
                if name != "cten":
                    text += f"   cten leads by {_told(intervals.over_seeds(own - values))}"
                lines.append(text)
    return "\n".join(lines)


def _told(found: intervals.Interval) -> str:
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=".runs/erasing_study", type=pathlib.Path)
    parser.add_argument("--corpora", default=5, type=int)
    parser.add_argument("--steps", default=600, type=int)
    given = parser.parse_args()
    print(show(scores(given.out, given.corpora, given.steps)))
