"""Which outputs, experts and gates of `danmaku` find the sample's distributions best?

    python -m tests.studies.distributions [--out=DIR] [--corpora=5] [--steps=300]
                                          [--rows="NAME;..."] [--flags="FLAGS"]

Every option is trained on several corpora of the sample, in the sizes of the variant `small`, for
equally many steps with validation choosing among them, and scored on held-out videos. Once more on
corpora of videos of one kind (dial `kinds` at 0), where nothing is planted that a mixture could
find and one product could not. Differences to the base are paired by corpus; intervals are
Student's t over corpora. Stops and goes on like any run.
"""

import argparse
import json
import pathlib
import shlex

import numpy as np

from affectjax import intervals
from affectjax.data import sample_danmaku
from affectjax.data.sample_danmaku import Dials
from affectjax.data.sample_danmaku_gates import gates
from tests.studies import runs

BASE = "clamp, 8 linear experts"
ROWS = {
    BASE: "",
    "softmax": "softmax",
    "clamp, divided by the sum": "renormalise",
    "sigmoid experts, gates by emotion": "sigmoid",
    "softmax and one expert": "softmax,experts1",
    "1 expert": "experts1",
    "4 experts": "experts4",
    "16 experts": "experts16",
    "no context gating": "ungated",
    "sound alone": "audio",
    "picture alone": "visual",
}
WORLDS = {"as planted": Dials(), "one kind": Dials(kinds=0.0)}
METRICS = ("kl", "chebyshev", "intersection")
MEAN = "the mean always"


def run(
    out: pathlib.Path,
    corpora: int = 5,
    steps: int = 300,
    names: tuple[str, ...] = tuple(ROWS),
    flags: tuple[str, ...] = (),
    size: str = "study",
) -> list[dict]:
    """A row for each training: world, corpus, the option's name, and its scores."""
    found = []
    for corpus in range(corpora):
        for world, dials in WORLDS.items():
            data = sample_danmaku.prepare(out / "data", size, corpus, dials)
            for name in names:
                variant = ",".join(filter(None, ("small", ROWS[name])))
                place = out / world.replace(" ", "_") / f"{variant.replace(',', '-')}-{corpus}"
                result = runs.result(
                    "danmaku", variant, place, f"--config.data.dir={data}",
                    f"--config.train.steps={steps}", f"--config.train.seed={corpus}", *flags,
                )["metrics"]  # fmt: skip
                own = {"world": world, "corpus": corpus}
                found.append(own | {"row": name} | {key: result[key] for key in METRICS})
                mean = own | {"row": MEAN} | {key: result[f"mean/{key}"] for key in METRICS}
                if mean not in found:
                    found.append(mean)
    return found


def compare(rows: list[dict], world: str, metric: str = "kl") -> dict:
    """{row: (score, difference to the base or None)}, intervals over corpora."""
    here = [row for row in rows if row["world"] == world]
    corpora = sorted({row["corpus"] for row in here})
    score = {(row["row"], row["corpus"]): row[metric] for row in here}
    names = list(dict.fromkeys(row["row"] for row in here))
    first = np.array([score[names[0], corpus] for corpus in corpora])
    found = {}
    for name in names:
        own = np.array([score[name, corpus] for corpus in corpora])
        apart = None if name == names[0] else intervals.over_seeds(own - first)
        found[name] = (intervals.over_seeds(own), apart)
    return found


def oracles(corpora: list[int], size: str = "study") -> dict[str, float]:
    """{world: KL of the planted truth, the mean over corpora}: what drawing comments leaves."""
    return {
        world: float(
            np.mean([gates(sample_danmaku.make(size, c, dials), dials)["oracle"] for c in corpora])
        )
        for world, dials in WORLDS.items()
    }


def show(rows: list[dict], known: dict[str, float]) -> str:
    """Both worlds as Markdown."""
    out = []
    for world in dict.fromkeys(row["world"] for row in rows):
        out += [f"{world} (oracle: KL {known[world]:.3f})", ""]
        heads = [f"{metric} | less the first" for metric in METRICS]
        out += ["| option | " + " | ".join(heads) + " |", "|---" * (1 + 2 * len(METRICS)) + "|"]
        tables = [compare(rows, world, metric) for metric in METRICS]
        for name in tables[0]:
            cells = [cell for table in tables for cell in _cells(*table[name])]
            out.append(f"| {name} | " + " | ".join(cells) + " |")
        out.append("")
    return "\n".join(out)


def _cells(score: intervals.Interval, apart: intervals.Interval | None) -> tuple[str, str]:
    told = "" if apart is None else f"{apart.mean:+.3f} ({apart.low:+.3f} to {apart.high:+.3f})"
    return f"{score.mean:.3f}", told


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".runs/distributions"))
    parser.add_argument("--corpora", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rows", default=";".join(ROWS), help="names of options, ; between them")
    parser.add_argument("--flags", default="", help="further flags of every run")
    return parser.parse_args()


if __name__ == "__main__":
    a = arguments()
    table = run(
        a.out, a.corpora, a.steps, tuple(a.rows.split(";")), tuple(shlex.split(a.flags))
    )  # fmt: skip
    (a.out / "rows.json").write_text(json.dumps(table, indent=1))
    print(show(table, oracles(list(range(a.corpora)))))
