"""Do the claims of `lstc` hold on the sample's films, and do they go with what was planted?

    python -m tests.studies.films [--out=DIR] [--corpora=5] [--steps=120] [--hidden=32]
                                  [--worlds="as planted" "independent clips" "narrow features"]

On each corpus, at the paper's widths of features: modalities one after the other against all at
once (Baseline 1) and late averaging (Baseline 2), each clip by itself; valence across 4 clips
against 1; arousal with moving averages against none. Then with independent clips (no memory of
arousal, no context of valence), where the last two must vanish; the clips' model is Baseline 1
there. And, for the first claim, with narrow features, where over-fitting has less to hold on to.
`steps` are those of a stage; the baselines have twice as many, so that every LSTM learns in equally
many steps.

Validation films choose the step of every run and the order of the modalities; scores are those of
the test films, over all their seconds and averaged over films. Leads are paired by corpus, their
intervals are Student's t over corpora. Beside them: the mean of the training films, a linear probe
of each clip, and an observer who reads the clips' cues and knows the laws. Stops and goes on like
any run.
"""

import argparse
import csv
import json
import math
import pathlib
from collections.abc import Iterator

import jax
import numpy as np

from affectjax import (
    assemble,
    films,
    floors,
    intervals,
    metrics,
    progressive,
    recipes,
    train,
)
from affectjax.data import load
from affectjax.data import sample_films as sample
from affectjax.data import sample_films_gates as gates
from affectjax.data.sample_films import NARROW, SIZES, VALUES, Dials
from configs import lstc

PLANTED, APART, THIN = "as planted", "independent clips", "narrow features"
WORLDS = {PLANTED: Dials(), APART: Dials(slow=0.0, context=0.0), THIN: Dials()}
BETAS = (0.96, 0.97, 0.98, 0.99)
AVERAGE = "moving average {:g}"
# What a world is asked: an arm and those that it is compared with.
FUSION = ("progressive", ("baseline 1", "baseline 2"))
ACROSS = ("across 4 clips", ("each clip by itself",))
SMOOTH = (AVERAGE.format(0.98), ("each clip by itself",))
QUESTIONS = {PLANTED: (FUSION, ACROSS, SMOOTH), APART: (ACROSS, SMOOTH), THIN: (FUSION,)}
SCORES = ("mse", "pcc", "films/pcc")
Row = dict[str, str | int | float]


def rows(
    out: pathlib.Path, corpora: int, changes: dict, sizes: dict[str, str], worlds=tuple(WORLDS)
) -> Iterator[list[Row]]:
    """The rows of each world and corpus: world, corpus, value, arm and its scores.

    `changes` are config keys of every run; `sizes` says which size of the sample a world has.
    """
    for world in worlds:
        for corpus in range(corpora):
            folder = sample.prepare(out / "data", sizes[world], corpus, WORLDS[world])
            found: list[Row] = []
            for value in VALUES[:1] if world == THIN else VALUES:
                place = out / world.replace(" ", "_") / str(corpus) / value
                common = changes | {"data.dir": str(folder), "train.seed": corpus}
                ask = _apart if world == APART else _planted
                arms = ask(place, value, common, _widths(sizes[world]), world)
                beside = _beside(folder, value, sizes[world], corpus, WORLDS[world])
                for arm, scores in {**arms, **beside}.items():
                    known = {s: math.nan if scores[s] is None else scores[s] for s in SCORES}
                    found.append({"world": world, "corpus": corpus, "value": value, "arm": arm}
                                 | known)  # fmt: skip
            yield found


def _widths(size: str) -> str:
    return "small" if SIZES[size].widths == NARROW else ""


def _planted(place: pathlib.Path, value: str, changes: dict, small: str, world: str) -> dict:
    """Arm -> scores: the whole chain, and both baselines."""
    asked = f"{value},{small}".rstrip(",")
    single = f"{asked},intra" if world == THIN or value == "arousal" else asked
    chain = walked(place / "chain", settings(single, changes))
    last = f"seed-{changes['train.seed']}"
    own = chain.get(f"{last}/stages/whole", chain[last])
    arms = {"progressive": own}
    for number in (1, 2):
        config = settings(f"{asked},baseline{number}", as_often(changes))
        arms[f"baseline {number}"] = trained(place / f"baseline-{number}", config)
    if world == THIN:
        return {arm: result["metrics"] for arm, result in arms.items()}
    more = {"each clip by itself": own["metrics"]}
    if value == "valence":
        more["across 4 clips"] = chain[last]["metrics"]
    else:
        more |= averaged(pathlib.Path(own["export"]).parent / "predictions_test.csv")
    return {arm: result["metrics"] for arm, result in arms.items()} | more


def _apart(place: pathlib.Path, value: str, changes: dict, small: str, world: str) -> dict:
    """Arm -> scores where clips tell nothing of each other: all modalities trained at once."""
    asked = f"{value},{small}".rstrip(",")
    config = settings(f"{asked},baseline1", as_often(changes))
    single = trained(place / "single", config)
    arms = {"each clip by itself": single["metrics"]}
    if value == "arousal":
        return arms | averaged(place / "single" / "predictions_test.csv")
    config = settings(asked, changes)
    names = sorted(config.model.modalities)
    *_, stage = progressive.stages(names, True, lambda: names, 1.0)
    config = progressive.settings(config, stage, changes["train.seed"])
    result = trained(place / "across", config, single["export"])
    return arms | {"across 4 clips": result["metrics"]}


def settings(variants: str, changes: dict):
    """A config with these keys changed."""
    config = lstc.get_config(variants)
    for m in config.model.tuned.keys():  # the sample's rows are what tuned layers would give
        config.model.tuned[m] = 0
    config.update_from_flattened_dict(changes)
    return config


def as_often(changes: dict) -> dict:
    """Steps in which every LSTM learns as often as in the chain: where it joins, and in the end."""
    return changes | {"train.steps": 2 * changes["train.steps"]}


def walked(place: pathlib.Path, config) -> dict[str, dict]:
    """The results of all runs of a config's recipe."""
    config.recipe.times, config.recipe.first = 1, config.train.seed
    recipe, finished = recipes.of(config), {}
    while (run := recipe.next_run(config, finished)) is not None:
        finished[run.name] = trained(place / run.name, run.config, run.init_from)
    return finished


def trained(workdir: pathlib.Path, config, start: str | None = None) -> dict:
    """The result of a run, which is trained first where it does not stand."""
    if not (workdir / "result.json").exists():
        workdir.mkdir(parents=True, exist_ok=True)
        train.run(config, workdir, start)
    return json.loads((workdir / "result.json").read_text())


def averaged(path: pathlib.Path) -> dict[str, dict[str, float]]:
    """Arm -> scores of the same predictions, a row a second, after each moving average."""
    with open(path, newline="") as file:
        table = list(csv.DictReader(file))
    ids, groups = ([row[key] for row in table] for key in ("id", "group"))
    guess, truth = (
        np.array([float(row[f"{key}_arousal"] or "nan") for row in table])[:, None]
        for key in ("prediction", "truth")
    )
    _, first, clip = np.unique(ids, return_index=True, return_inverse=True)
    arms = {}
    for beta in BETAS:
        smooth = np.empty((len(first), 1))
        for film in dict.fromkeys(groups):
            own = [i for i, row in enumerate(first) if groups[row] == film]  # sorted by name
            smooth[own] = films.moving_average(guess[first[own]], beta)
        arms[AVERAGE.format(beta)] = scored(smooth[clip], truth, groups, "arousal")
    return arms


def scored(guess: np.ndarray, truth: np.ndarray, groups, value: str) -> dict[str, float]:
    """The scores of predictions of every second, [n, 1]."""
    whole = metrics.regression(guess, truth, (value,))
    return whole | films.by_film(guess, truth, groups, (value,))


def _beside(folder, value: str, size: str, corpus: int, dials: Dials) -> dict[str, dict]:
    """Floors and the observer, on the same seconds."""
    config = lstc.get_config(value)
    for m in config.model.modalities:
        config.model.modalities[m] = SIZES[size].widths[m]
    rule = assemble.examples(config, None).single()
    parts = {name: rule.into_clips(part) for name, part in load.load(dir=str(folder)).parts.items()}
    pooled = [floors.pooled(parts[name], sorted(rule.modalities)) for name in ("train", "test")]
    x, z = (np.concatenate([*one.values()], 1) for one in pooled)
    y = np.stack([rule.evaluate(record, 0)["values"][0] for record in _each(parts["train"])])
    known = np.isfinite(y[:, 0])
    held = [rule.evaluate(record, 0) for record in _each(parts["test"])]
    truth = np.concatenate([one["truth"][0][: one["length"][0]] for one in held])
    count = [int(one["length"][0]) for one in held]
    observed = [gates.ideal(one, dials) for one in sample.stories(size, corpus, dials)["test"]]
    latent = np.concatenate(observed)[:, [VALUES.index(value)]]
    guesses = {
        "training mean": np.full((len(z), 1), y[known].mean()),
        "linear probe": gates.ridge(x[known], y[known], z),
        "observer": np.tanh(sample.CONSTANTS["spread"] * latent),
    }
    groups = np.repeat(parts["test"].groups, count)
    return {
        name: scored(np.repeat(guess, count, 0), truth, groups, value)
        for name, guess in guesses.items()
    }


def _each(part) -> Iterator[dict]:
    return (part[i] for i in range(len(part)))


def show(table: list[Row]) -> str:
    """Every score with its interval, and the leads that are asked for; a lead is less error."""
    lines = []
    for world in dict.fromkeys(row["world"] for row in table):
        lines.append(world)
        for value in VALUES:
            here = [row for row in table if (row["world"], row["value"]) == (world, value)]
            for score in SCORES if here else ():
                lines.append(f"  {value}, {score}")
                arms = {
                    arm: np.array([row[score] for row in here if row["arm"] == arm])
                    for arm in dict.fromkeys(row["arm"] for row in here)
                }
                for arm, values in arms.items():
                    text = f"    {arm:22} {_told(intervals.over_seeds(values))}"
                    for first, others in QUESTIONS[world]:
                        if arm in others and first in arms:
                            lead = (arms[first] - values) * (-1 if score == "mse" else 1)
                            text += f"   {first} leads by {_told(intervals.over_seeds(lead))}"
                    lines.append(text)
    return "\n".join(lines)


def _told(found: intervals.Interval) -> str:
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def main() -> None:
    """Walk all worlds and print what is known after each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".runs/films_study"))
    parser.add_argument("--corpora", type=int, default=5)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    a = parser.parse_args()
    changes = {
        "train.steps": a.steps, "train.evaluate_every": max(a.steps // 5, 1),
        "train.checkpoint_every": a.steps, "train.log_every": a.steps, "train.patience": 0,
        "train.batch": 32, "train.tensorboard": False, "data.validation": 0.2,
        "model.hidden": a.hidden, "model.width": a.hidden, "model.inter_hidden": a.hidden,
    }  # fmt: skip
    sizes = {PLANTED: "study", APART: "study", THIN: "narrow"}
    jax.config.update("jax_compilation_cache_dir", str((a.out / "compiled").absolute()))
    table = []
    for found in rows(a.out / f"{a.steps}-{a.hidden}", a.corpora, changes, sizes, a.worlds):
        table += found
        plain = [{k: v if v == v else None for k, v in row.items()} for row in table]
        (a.out / "rows.json").write_text(json.dumps(plain, indent=1))
        print(show(table), flush=True)


if __name__ == "__main__":
    main()
