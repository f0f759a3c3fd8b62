"""Do the claims of `tam`'s Tables 1 to 4 hold on the sample, and do they go with what was planted?

    python -m tests.studies.claims [--out=DIR] [--tables=1,2,3,4] [--corpora=5] [--steps=400]
                                   [--per-class=128] [--pretrain="FLAGS"]

Every row of a table is trained on several corpora of the sample, in the sizes of the variant
`small`, for equally many steps and without validation, and scored on held-out sources. Then once
more with what the claim lives on taken away, where its lead must vanish:

    1  modalities: features that show nothing (dial `signal` at 0)
    2  fusions: no clip that only image and audio together explain (dial `binding` at 0)
    3  masking, 4 tasks: pre-trained on comments permuted between clips

Leads of the table's main row are paired by corpus; their intervals are Student's t over corpora.
Stops and goes on like any run.
"""

import argparse
import json
import pathlib
import shlex

import numpy as np

from affectjax import intervals, tables
from affectjax.data import sample
from affectjax.data.sample import Dials
from tests.studies import runs

WITHOUT = {"1": Dials(signal=0.0), "2": Dials(binding=0.0), "3": None, "4": None}
PLANTED = "as planted"
TAKEN = {
    "1": "features show nothing",
    "2": "no binding clips",
    "3": "comments permuted",
    "4": "comments permuted",
}
METRIC = "balanced_accuracy"


def run(
    out: pathlib.Path,
    numbers: tuple[str, ...] = ("1", "2", "3", "4"),
    corpora: int = 5,
    steps: int = 400,
    per_class: int = 128,
    pretrain: tuple[str, ...] = (),
    finetune: tuple[str, ...] = (),
    size: str = "study",
    labelled: str = "labelled",
) -> list[dict]:
    """A row for each training: table, world, corpus, the row's name, and its score."""
    found = []
    for corpus in range(corpora):
        common = (
            f"--config.data.train={labelled}", f"--config.data.per_class={per_class}",
            "--config.data.validation=0", "--config.checkpoint.best=",
            f"--config.train.steps={steps}", f"--config.train.seed={corpus}", *finetune,
        )  # fmt: skip
        for number, world in ((n, w) for n in numbers for w in (PLANTED, TAKEN[n])):
            dials = WITHOUT[number] if world != PLANTED else None
            folder = sample.prepare(out / "data", size, corpus, dials or Dials())
            permuted = world != PLANTED and dials is None
            for row in _table(number).rows:
                start = _start(out, row.variant, folder, corpus, permuted, pretrain)
                # tables share rows, and those that start from nothing know no comments
                place = _plain(PLANTED if permuted and not start else world)
                workdir = out / place / f"{row.variant or 'tam'}-{corpus}"
                variant = ",".join(filter(None, ("small", row.variant)))
                result = runs.result(
                    "tam_finetune", variant, workdir, f"--config.data.dir={folder}", *common, *start
                )
                found.append(
                    {"table": number, "world": world, "corpus": corpus, "row": row.name}
                    | {METRIC: result["metrics"][METRIC]}
                )
    return found


def _start(out, variant: str, folder, corpus: int, permuted: bool, words: tuple) -> tuple[str, ...]:
    """The flag that names the pre-training which a row starts from; none where it has none."""
    from configs import tam_finetune

    if tam_finetune.get_config(variant).train.init_from is None:
        return ()
    variant = ",".join(filter(None, ("small", variant, "permuted" if permuted else "")))
    workdir = out / "pretrained" / f"{variant.replace(',', '-')}-{corpus}"
    seeds = f"--config.train.seed={corpus}"
    runs.result("tam_pretrain", variant, workdir, f"--config.data.dir={folder}", seeds, *words)
    return (f"--config.train.init_from={workdir / 'export'}",)


def _table(number: str) -> tables.Table:
    return next(table for table in tables.load("tam").tables if table.number == number)


def _plain(name: str) -> str:
    return name.replace(" ", "_")


def compare(rows: list[dict], number: str, world: str) -> dict:
    """{row: (score, lead of the main row over it or None)}, intervals over corpora."""
    here = [row for row in rows if (row["table"], row["world"]) == (number, world)]
    corpora = sorted({row["corpus"] for row in here})
    score = {(row["row"], row["corpus"]): row[METRIC] for row in here}
    main = _table(number).main
    found = {}
    for name in dict.fromkeys(row["row"] for row in here):
        own = np.array([score[name, corpus] for corpus in corpora])
        first = np.array([score[main, corpus] for corpus in corpora])
        lead = None if name == main else intervals.over_seeds(first - own)
        found[name] = (intervals.over_seeds(own), lead)
    return found


def show(rows: list[dict]) -> str:
    """All tables as Markdown: in each world the score, and what the main row leads by."""
    out = []
    for number in dict.fromkeys(row["table"] for row in rows):
        table, worlds = _table(number), (PLANTED, TAKEN[number])
        found = [compare(rows, number, world) for world in worlds]
        out += [
            f"Table {number}, {table.title} ({METRIC.replace('_', ' ')})",
            "",
            "| row | " + " | ".join(f"{w} | lead of {table.main}" for w in worlds) + " |",
            "|---" * 5 + "|",
        ]
        for name in found[0]:
            cells = [cell for one in found for cell in _cells(*one[name])]
            out.append(f"| {name} | " + " | ".join(cells) + " |")
        out.append("")
    return "\n".join(out)


def _cells(score: intervals.Interval, lead: intervals.Interval | None) -> tuple[str, str]:
    told = "" if lead is None else f"{lead.mean:+.3f} ({lead.low:+.3f} to {lead.high:+.3f})"
    return f"{score.mean:.3f}", told


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".runs/claims_study"))
    parser.add_argument("--tables", default="1,2,3,4")
    parser.add_argument("--corpora", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400, help="of recognition")
    parser.add_argument("--per-class", type=int, default=128, help="labelled clips; 0 for all")
    parser.add_argument("--pretrain", default="", help="further flags of every pre-training")
    parser.add_argument("--finetune", default="", help="further flags of every recognition")
    return parser.parse_args()


if __name__ == "__main__":
    a = arguments()
    told = run(
        a.out, tuple(a.tables.split(",")), a.corpora, a.steps, a.per_class,
        tuple(shlex.split(a.pretrain)), tuple(shlex.split(a.finetune)),
    )  # fmt: skip
    (a.out / f"rows-{a.tables.replace(',', '')}.json").write_text(json.dumps(told, indent=1))
    print(show(told))
