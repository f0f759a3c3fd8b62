"""Runs in one page, or beside a paper's tables.

    python -m affectjax.report WORKDIR... [--out=DIR]
    python -m affectjax.report --paper=tam WORKDIR... [--dataset=DIR] [--predictions NAME=CSV]

A WORKDIR is what --workdir named in training, or a folder of such; .runs holds those that were not
named. Runs may be unfinished, and of any recipe.

The first form writes report.html (curves, scores, confusions, the papers' tables that the runs
belong to, where the time went, settings), report.md, and CSV files into DIR, .runs/report if unset.

The second prints the paper's tables as Markdown; --out=DIR writes it there too, with tables.csv (a
row a cell), runs.csv (a row a metric of every run) and confusion.csv, and for vaanet, cten and lstc
the pictures that the runs allow: with --dataset also frames under attention, how faithful it is,
and where lstc puts clips.

--dataset makes floors (the commonest class or the mean, probes on the mean and the deviation of the
features over time, their late fusion) on the very splits of the runs. --predictions scores another
system on the test clips of the runs: a CSV file with an `id`, a `run` (`split-3`) where the test
clips differ from run to run, and `class`, or a score for each class, or the values, in columns that
are named like them. Exit status: 0, 2 for bad input, said in one line, 75 when stopped.
"""

import argparse
import pathlib
import sys

from affectjax import exits, tables
from affectjax.errors import COMPLETE, UserError
from affectjax.files import put
from affectjax.flags import Parser
from affectjax.report import (
    beside_papers,
    fill,
    history,
    overview,
    page,
    runs,
    sheets,
    text,
    write,
)

PICTURED = ("vaanet", "cten", "lstc")  # papers that show pictures


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m affectjax.report", __doc__)
    parser.add_argument("workdirs", nargs="*", metavar="WORKDIR", help="what training left")
    parser.add_argument("--paper", help=", ".join(tables.names()))
    parser.add_argument("--out", metavar="DIR", help="write the files here")
    parser.add_argument(
        "--dataset", action="append", default=[], metavar="DIR", help="records to make floors from"
    )
    parser.add_argument(
        "--predictions", action="append", default=[], metavar="NAME=CSV", help="another system's"
    )
    given = parser.parse_args(argv)
    if given.paper is None:
        if given.dataset or given.predictions:
            raise UserError(
                "--dataset and --predictions belong to a paper's tables", mend="--paper"
            )
        return _page(_workdirs(given.workdirs), pathlib.Path(given.out or ".runs/report"))
    return _paper(given)


def _page(folders: list[pathlib.Path], out: pathlib.Path) -> int:
    """Everything about some workdirs, in one page."""
    if not folders:
        raise UserError("no workdir given", mend="Name one, or .runs for all in it.")
    experiments = history.read(folders)
    found = {each.number: overview.scores(each) for each in experiments}
    papers, notes = beside_papers.of(folders)
    files = {
        "report.html": page.html(experiments, found, papers, notes),
        "report.md": text.markdown(experiments, found, papers, notes),
        **sheets.all_of(experiments, found),
    }
    if papers:
        files["tables.csv"] = write.tables_csv(papers)
    _write(out, files)
    for each in experiments:
        print(f"{each.number:>3}  {each.name}: {each.state}")
    print(f"page: {out / 'report.html'}")
    return COMPLETE


def _paper(given: argparse.Namespace) -> int:
    """One paper's tables, with all that is missing in them."""
    paper = tables.load(given.paper)
    found = [runs.read(folder) for folder in _workdirs(given.workdirs)]
    beside = fill.nothing
    if given.dataset or given.predictions:
        from affectjax.report.beside import Beside  # starts the whole house, which takes seconds

        beside = Beside(given.dataset, _named(given.predictions))
    sections, placed = [], []
    for table in paper.tables:
        filled, used = fill.sections(table, found, beside)
        sections += filled
        placed += used
    if beside is not fill.nothing:
        beside.check()
    text = write.markdown(paper, sections, list(_notes(found, placed)))
    print(text, end="")
    if given.out:
        _write(
            pathlib.Path(given.out),
            {
                "tables.md": text,
                "tables.csv": write.tables_csv([(paper, sections)]),
                "runs.csv": write.runs_csv(sections),
                "confusion.csv": write.confusion_csv(sections),
            },
        )
        if paper.name in PICTURED:
            from affectjax.report import gallery

            held = beside.folders if given.dataset else {}
            for name in gallery.write(pathlib.Path(given.out), sections, found, held):
                print(f"picture: {pathlib.Path(given.out) / name}", file=sys.stderr)
    return COMPLETE


def _workdirs(given: list[str]) -> list[pathlib.Path]:
    """The workdirs named, and those in the folders named."""
    found: dict[pathlib.Path, pathlib.Path] = {}
    for folder in map(pathlib.Path, given):
        if not folder.is_dir():
            raise UserError("there is no such folder", str(folder), "Name a workdir.")
        inside = [] if (folder / "config.json").exists() else sorted(folder.glob("*/config.json"))
        for one in [path.parent for path in inside] or [folder]:
            found[one.resolve()] = one
    return list(found.values())


def _named(given: list[str]) -> dict[str, str]:
    files = {}
    for word in given:
        name, _, path = word.partition("=")
        if not name or not path:
            raise UserError(f"'{word}' is not NAME=CSV", "--predictions")
        if name in files:
            raise UserError(f"the name '{name}' stands twice", "--predictions")
        files[name] = path
    return files


def _notes(found: list[runs.Workdir], placed: list[runs.Workdir]):
    for workdir in found:
        said = ",".join(sorted(workdir.variants)) or "no variant"
        name = f"{workdir.folder} ({workdir.config}: {said})"
        if len(workdir.runs) < workdir.expected:
            yield f"{name}: {len(workdir.runs)} of {workdir.expected} runs finished"
        if workdir.runs and workdir not in placed:
            yield f"{name} is no row of these tables"


def _write(out: pathlib.Path, files: dict[str, str]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            put(out / name, text)
    except OSError as error:
        raise UserError(
            f"the report cannot be written: {error.strerror}", str(out), "Say another --out."
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
