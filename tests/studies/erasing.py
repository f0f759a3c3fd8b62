"""Does erasing keyframes make the context count? CTEN with it and without, and VAANet beside them.

    python -m tests.studies.erasing [--out=DIR] [--corpora=5] [--steps=1000]

Trains the three on the sample's keyframe stories, as planted and with each of its dials at 0, on
several corpora; the localisers of the paper's table of detection on the stories as planted. All
are scored on the same held-out sources. Intervals are Student's t over the corpora, of each score
and of CTEN's lead, paired by corpus. Beside them stand what needs no training (the whole video and
its centre half as intervals) and, for accuracy, an observer who knows the law of the stories, with
and without sight of the context.

The settings are those of the variant `small`. Its size, steps and learning rate were chosen on a
sixth corpus as planted: with 1,000 clips in place of 10,000 no model finds the place.
"""

import argparse
import csv
import json
import pathlib
from collections.abc import Iterator

import jax
import numpy as np

from affectjax import detection, intervals, train
from affectjax.data import sample_keyframes as stories
from affectjax.data import sample_keyframes_gates as gates
from affectjax.data.sample_keyframes import CONSTANTS, Dials
from configs import cten, vaanet

RUNS = {
    "cten": (cten, "small"),
    "cten, nothing erased": (cten, "small,erasing_off"),
    "vaanet": (vaanet, "small"),
}
LOCALISERS = {
    name: (cten, f"small,{name}")
    for name in ("untrimmed", "step_by_step", "coactivity", "outer_inner")
}
PLANTED = "as planted"
DIALS = {
    PLANTED: Dials(),
    "context tells nothing": Dials(context=0.0),
    "testing as training": Dials(shift=0.0),
    "no distractors": Dials(distractors=0.0),
    "no style of sources": Dials(style=0.0),
}
PLAN = {dial: RUNS for dial in DIALS} | {
    f"{PLANTED}: localisers beside it": {"cten": RUNS["cten"]} | LOCALISERS
}
MAPS = ("map_any@0.3", "map@0.3", "map_any@0.5")
SCORES = ("accuracy", *MAPS, "key_only/map_any@0.3", "attention_lead")
Scores = dict[str, list[dict[str, float]]]  # of each model those of each corpus
FLOORS = ("whole_video", "centre_half")
OBSERVERS = {"observer": True, "observer, keyframe alone": False}  # does it see the context
TOLD = ("erased", "empty_key", "empty_left", "intervals_per_video")  # of how a model behaves


def scores(
    out: pathlib.Path, corpora: int = 5, steps: int = 1000, size: str = "large", plan=None
) -> Iterator[tuple[str, Scores]]:
    """(dial, {model: [scores of each corpus]}) one after another.

    `plan` is {dial: models}; runs that stand are not trained again.
    """
    for dial, models in (PLAN if plan is None else plan).items():
        here: Scores = {}
        for corpus in range(corpora):
            setting = DIALS[dial.partition(":")[0]]
            folder = stories.prepare(out / "data", size, corpus, setting)
            clips = stories.make(size, corpus, setting)["test"]
            for name, (module, variant) in models.items():
                place = out / f"{size}-{steps}" / _plain(dial.partition(":")[0])
                workdir = place / _plain(name) / str(corpus)
                metrics = trained(workdir, module.get_config(variant), folder, corpus, steps)
                metrics |= beside_the_truth(workdir / "predictions_test.csv", clips)
                told = {key: metrics[key] for key in (*SCORES, *TOLD) if key in metrics}
                here.setdefault(name, []).append(told)
                if name == "cten":
                    for floor in FLOORS:
                        own = {s: metrics[f"{floor}/{s}"] for s in MAPS}
                        here.setdefault(floor, []).append(own)
            label = np.array([clip.label for clip in clips])
            for name, context in OBSERVERS.items():
                right = gates.ideal(clips, setting, context) == label
                here.setdefault(name, []).append({"accuracy": float(np.mean(right))})
        yield dial, here


def trained(workdir: pathlib.Path, config, folder, corpus: int, steps: int) -> dict[str, float]:
    """The metrics of a finished run, which is trained first where it does not stand."""
    stands = workdir / "result.json"
    if stands.exists():
        return json.loads(stands.read_text())["metrics"]
    config.data.dir, config.train.steps = str(folder), steps
    config.train.evaluate_every, config.train.checkpoint_every = max(steps // 10, 1), steps
    config.train.seed, config.train.tensorboard = corpus, False
    workdir.mkdir(parents=True, exist_ok=True)
    return train.run(config, workdir)["metrics"]


def beside_the_truth(path: pathlib.Path, clips: list[stories.Clip]) -> dict[str, float]:
    """The same predictions against the keyframe alone, and attention in the truth less outside."""
    with open(path, newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}

    def column(name: str) -> np.ndarray:
        return np.array([
            [float(v) for k, v in rows[clip.id].items() if k.startswith(f"{name}_")]
            for clip in clips
        ])  # fmt: skip

    seconds = np.array([clip.duration for clip in clips])
    curve = column("curve")
    predicted = detection.intervals(curve, column("probability"), seconds, 0.5)
    true = [
        detection.Interval(i, clip.place * part, (clip.place + 1) * part, clip.label)
        for i, clip in enumerate(clips)
        for part in [clip.duration / CONSTANTS["segments"]]
    ]
    t = np.arange(curve.shape[1])
    inside = np.array([(t >= clip.start) & (t < clip.stop) for clip in clips])
    lead = [row[own].mean() - row[~own].mean() for row, own in zip(curve, inside)]
    return {
        "key_only/map_any@0.3": detection.average_precision(predicted, true, 0.3),
        "attention_lead": float(np.mean(lead)),
    }


def show(dial: str, models: Scores) -> str:
    """Every score with its interval, and CTEN's lead over each of the others."""
    lines = [dial]
    for score in (*SCORES, *TOLD):
        lines.append(f"  {score}")
        own = np.array([one[score] for one in models["cten"]])
        for name, runs in models.items():
            values = np.array([one[score] for one in runs if score in one])
            if not len(values):
                continue
            text = f"    {name:25} {_told(intervals.over_seeds(values))}"
            if name != "cten" and score in SCORES:
                text += f"   cten leads by {_told(intervals.over_seeds(own - values))}"
            lines.append(text)
    return "\n".join(lines)


def _told(found: intervals.Interval) -> str:
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _plain(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "_")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=".runs/erasing_study", type=pathlib.Path)
    parser.add_argument("--corpora", default=5, type=int)
    parser.add_argument("--steps", default=1000, type=int)
    given = parser.parse_args()
    cache = given.out / "compiled"  # the same few steps are compiled again for every corpus
    jax.config.update("jax_compilation_cache_dir", str(cache.absolute()))
    made = {}
    for setting, found in scores(given.out, given.corpora, given.steps):
        made[setting] = found
        print(show(setting, found), flush=True)
    (given.out / "scores.json").write_text(json.dumps(made, indent=1))
