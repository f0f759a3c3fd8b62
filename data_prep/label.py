"""Label comments with classifiers and people in turns: python -m data_prep.label STEP --project=DIR

start    a project of the comments in --comments=FILE,... (data_prep/labelling/texts.py says what
         they may be), for --emotions=NAME,...; labels that a file has are kept
ask      a first queue of --count comments at random, for people
read     people's answers, --answers=FILE,...: an export of Label Studio (JSON) or the CSV, filled
         in; several people may answer the same comments
round    train on all labels, label what the classifiers are sure of (above --high or below --low,
         set at the start), and queue the rest for people, with --count the --count least sure
status   who labelled how much, and how far people agree
corpus   the labelled comments as a dataset, --out=DIR

Repeat read and round until the queue is empty. Every label's origin stands in DIR/ledger.jsonl.
Flags of the training follow as they are: --config.train.epochs=8. Exit status: 0 complete, 2 bad
input (one line says what), 75 stopped before the end, 1 anything unexpected.
"""

import argparse
import collections
import pathlib
import sys

from affectjax import exits
from affectjax.errors import COMPLETE, UserError, nearest
from affectjax.flags import Parser
from data_prep import command, place
from data_prep.labelling import answers, corpus, project, rounds

CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "danmaku_comments.py"
DOUBTFUL = 0.6  # a balanced accuracy; guessing has 0.5
STEPS = ("start", "ask", "read", "round", "status", "corpus")


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv, again="the same command goes on from there")


def parser() -> argparse.ArgumentParser:
    """All flags of `label`."""
    found = Parser("python -m data_prep.label", __doc__)
    add = found.add_argument
    add("step", metavar="STEP", help=", ".join(STEPS))
    add("--project", metavar="DIR", help="the project's folder")
    add("--comments", metavar="FILE,...", help="of `start`")
    add("--emotions", default="", metavar="NAME,...", help="of `start`; default: the labels there")
    add("--high", type=float, default=0.8, help="of `start`: above it, yes")
    add("--low", type=float, default=0.4, help="of `start`: below it, no")
    add("--options", default="{}", metavar="JSON", help="of `start`: separator, labels, neutral")
    add("--count", type=int, default=0, metavar="N", help="of `ask` and `round`; 0: all")
    add("--seed", type=int, default=0, help="of `ask`")
    add("--answers", metavar="FILE,...", help="of `read`")
    add("--annotator", default="", metavar="NAME", help="of `read`, where the file names nobody")
    add("--config", default=str(CONFIG), metavar="FILE[:VARIANT,...]", help="of `round`")
    add("--out", metavar="DIR", help="of `corpus`")
    return found


def _main(argv: list[str] | None) -> int:
    flags, further = parser().parse_known_args(argv)
    stray = [word for word in further if not word.startswith("--config.")]
    if stray or (further and flags.step != "round"):
        raise UserError(f"there is no flag {(stray or further)[0]}", mend="See --help.")
    if flags.step not in STEPS:
        raise UserError(f"there is no step {flags.step!r}", mend=nearest(flags.step, STEPS))
    if not flags.project:
        raise UserError("--project is missing", mend="Say --project=DIR, the project's folder.")
    if flags.count < 0:
        raise UserError(f"--count={flags.count} is no number of comments")
    if flags.seed < 0:
        raise UserError("--seed is at least 0", mend="Say --seed=N.")
    folder = pathlib.Path(flags.project).absolute()
    with place.lock(folder):
        if flags.step == "start":
            return _start(flags, folder)
        found = project.load(folder)
        match flags.step:
            case "ask":
                _queued(rounds.ask(found, flags.count or len(found.comments), flags.seed))
            case "read":
                _read(flags, found)
            case "round":
                _round(flags, found, further)
            case "status":
                print(status(found))
            case "corpus":
                _corpus(flags, found)
    return COMPLETE


def _start(flags: argparse.Namespace, folder: pathlib.Path) -> int:
    if not flags.comments:
        raise UserError("--comments is missing", mend="Say --comments=FILE.")
    emotions = [name.strip() for name in flags.emotions.split(",") if name.strip()]
    options = command.json_flag(flags, "options")
    wrong = sorted(set(options) - {"separator", "labels", "neutral"})
    if wrong:
        mend = nearest(wrong[0], ("separator", "labels", "neutral"))
        raise UserError(f"start has no option {wrong[0]!r}", "--options", mend)
    files = flags.comments.split(",")
    print(status(rounds.start(folder, files, emotions, flags.high, flags.low, options)))
    return COMPLETE


def _read(flags: argparse.Namespace, found: project.Project) -> None:
    if not flags.answers:
        raise UserError("--answers is missing", mend="Say --answers=FILE.")
    files = [pathlib.Path(name) for name in flags.answers.split(",")]
    given = [one for file in files for one in answers.read(file, found, flags.annotator)]
    found, told = rounds.take(found, given, ", ".join(file.name for file in files))
    print(f"{told['answers']} answers of {', '.join(told['annotators'])}; {told['new']} are new")
    print(_agreement(told))
    print(status(found))


def _round(flags: argparse.Namespace, found: project.Project, further: list[str]) -> None:
    outcome = rounds.run(found, flags.config, further, flags.count)
    print(f"round {outcome.project.round}")
    for emotion, (yes, no) in outcome.accepted.items():
        print(f"  {emotion:16} {yes:8} accepted as yes, {no:8} as no{_held_out(outcome, emotion)}")
    if outcome.files:
        print(f"{len(outcome.asked)} comments wait for people")
        _queued(outcome.files)
    else:
        print("no comment waits for people")


def _held_out(outcome: rounds.Outcome, emotion: str) -> str:
    """How far the classifier is to be trusted, by the comments of people that it never saw."""
    if emotion not in outcome.held_out:
        return "; no held-out comments say how well"
    score, count = outcome.held_out[emotion]
    doubt = ": little better than guessing" if score < DOUBTFUL else ""
    return f"; balanced accuracy {score:.2f} on {count} held out{doubt}"


def _queued(files: list[pathlib.Path]) -> None:
    print("\n".join(f"queue: {file}" for file in files))


def _corpus(flags: argparse.Namespace, found: project.Project) -> None:
    if not flags.out:
        raise UserError("--out is missing", mend="Say --out=DIR, the dataset's folder.")
    out = pathlib.Path(flags.out).absolute()
    options = {"emotions": list(found.emotions)}
    corpus.build(rounds.labelled(found), options, out, metadata={"rounds": found.round})
    print(f"made: {out}\n{corpus.told(out)}")


def _agreement(told: dict) -> str:
    lines = []
    for emotion, one in told["agreement"].items():
        if one["items"]:
            alpha, kappa = (
                "undefined" if one[key] is None else f"{one[key]:.3f}" for key in ("alpha", "kappa")
            )
            lines.append(
                f"  {emotion:16} Krippendorff's alpha {alpha}, Fleiss' kappa {kappa} on "
                f"{one['items']} comments"
            )
    return "\n".join(lines) or "  no comment has answers of several people"


def status(found: project.Project) -> str:
    """Labels by origin, an emotion a line, and the agreement of every reading."""
    lines = [f"{len(found.comments)} comments, {found.round} rounds"]
    for emotion in found.emotions:
        counts = collections.Counter(
            "divided" if (label := found.labels[name, emotion]).value is None
            else f"{label.by} {'yes' if label.value else 'no'}"
            for name in found.comments
            if (name, emotion) in found.labels
        )  # fmt: skip
        counts["open"] = len(found.comments) - sum(counts.values())
        said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()) if count)
        lines.append(f"  {emotion:16} {said}")
    for entry in found.ledger:
        if entry.get("event") == "answers":
            lines += [f"{entry['source']}, {', '.join(entry['annotators'])}:", _agreement(entry)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
