"""Predict what videos evoke: python -m affectjax.predict EXPORT VIDEO... --out=DIR

EXPORT is a folder that training left, of any model that reads video; a VIDEO is a file or a folder
of them. DIR gets for each video NAME.html (the player beside its timeline), NAME.json
(affectjax/predicting/schema.py says what it holds), NAME.csv and NAME.png, and index.html over all
that stands there. Of a model that reads frames, page and picture show some with what in them speaks
for the emotion. Start the same command again and finished videos are passed over. A file in DIR
that is none of ours stays: a video that would replace one gives nothing. Exit status: 0 complete, 1
some videos gave nothing (the last lines name them), 2 bad input (one line says what), 75 stopped
before the end.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import time

from affectjax import exits, files
from affectjax.errors import COMPLETE, FAULT, UserError
from affectjax.flags import Parser
from affectjax.media.files import said

SOME_FAILED = FAULT


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    again = "finished videos are kept; the same command goes on from there"
    return exits.of(_main, argv, again=again)


def _parser() -> argparse.ArgumentParser:
    found = Parser("python -m affectjax.predict", __doc__, mixed=True)
    add = found.add_argument
    add("export", metavar="EXPORT", help="the model")
    add("videos", metavar="VIDEO", nargs="+", help="files, or folders of them")
    add("--out", metavar="DIR", help="where the pages go")
    add(
        "--window",
        type=float,
        metavar="SECONDS",
        help="what the model looks at at once; unset: as long as the clips it learned from",
    )
    add(
        "--stride",
        type=float,
        metavar="SECONDS",
        help="from one window to the next, a window at most; unset: an eighth of one",
    )
    add(
        "--threshold",
        type=float,
        metavar="SHARE",
        help="attention from which a segment is detected; unset: the model's own",
    )
    add(
        "--maps",
        type=int,
        default=6,
        metavar="N",
        help="moments whose frame shows what in it speaks for the emotion (Grad-CAM), where the "
        "model reads frames; 0: none",
    )
    add("--batch", type=int, default=16, metavar="N", help="windows predicted together")
    add("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="decoding processes")
    add(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for a decoder that is silent",
    )
    add(
        "--weights",
        metavar="DIR|random",
        help="of the extractors' networks: a folder, or DIR/<extractor> of each",
    )
    add(
        "--extractors",
        default="",
        metavar="NAME,...",
        help="instead of those that the export names; built in, or package.module:Class",
    )
    add("--extractor-options", default="{}", metavar="JSON", help="{extractor: {option: value}}")
    add(
        "--page-video",
        default="link",
        choices=("link", "copy", "embed"),
        help="pages point to the videos where they lie, to copies beside them, or hold them",
    )
    add(
        "--compile-cache",
        "--compile_cache",  # as the trainer spells it
        default="~/.cache/affectjax/compiled",
        metavar="DIR",
        help="compiled programs; empty for none",
    )
    return found


def _main(argv: list[str] | None) -> int:
    flags = _parser().parse_args(argv)
    chosen = _checked(flags)
    if not flags.out:
        raise UserError("--out is missing", mend="Say --out=DIR, where the pages are to go.")
    out = pathlib.Path(flags.out).absolute()
    from affectjax.predicting import ours
    from affectjax.predicting import videos as naming

    videos = naming.named(flags.videos)
    if not any(video.path.exists() for video in videos):
        mend = "Name files, or folders of them."
        raise UserError("there is no such file", ", ".join(flags.videos), mend)
    ours.check_index(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder cannot be made: {error.strerror}", str(out)) from error

    import affectjax
    from affectjax import hosts

    cache = flags.compile_cache
    hosts.start(cache=os.path.expanduser(cache) if cache else None)
    from affectjax.predicting.run import Predictor, Settings

    predictor = Predictor(affectjax.load(flags.export), Settings(**chosen))
    _heard(flags, predictor)
    return _predict(predictor, videos, out, flags.page_video)


def _checked(flags: argparse.Namespace) -> dict:
    """The settings of the flags, or one clear line."""
    if flags.maps < 0:
        raise UserError(f"--maps is 0 or more, not {flags.maps}")
    for name in ("batch", "workers", "timeout"):
        if not getattr(flags, name) > 0:
            raise UserError(f"--{name} is above 0, not {getattr(flags, name)}")
    if flags.threshold is not None and not 0 <= flags.threshold <= 1:
        raise UserError(f"--threshold is from 0 to 1, not {flags.threshold}")
    try:
        options = json.loads(flags.extractor_options)
    except ValueError as error:
        raise UserError(f"--extractor-options is no JSON: {error}") from error
    names = [name.strip() for name in flags.extractors.split(",") if name.strip()]
    fits = isinstance(options, dict) and all(isinstance(o, dict) for o in options.values())
    if not fits or set(options) - set(names):
        raise UserError(
            "--extractor-options has options of other extractors than --extractors names",
            flags.extractor_options,
            "Write {extractor: {option: value}}.",
        )
    return {
        "window": flags.window,
        "stride": flags.stride,
        "threshold": flags.threshold,
        "maps": flags.maps,
        "batch": flags.batch,
        "extractors": tuple((name, options.get(name, {})) for name in names),
        "weights": flags.weights,
        "workers": flags.workers,
        "timeout": flags.timeout,
    }


def _heard(flags: argparse.Namespace, predictor) -> None:
    """A flag that this export has no use for is one clear line."""
    from affectjax.media.extractor import takes_weights

    model, names = predictor.model["name"], [name for name, _ in predictor.named]
    if flags.weights is not None and not any(map(takes_weights, names)):
        what = "no extractor of this model takes weights"
        raise UserError(what, ", ".join(names), "Leave --weights out.")
    if flags.threshold is not None and not hasattr(predictor.export.model, "curve_threshold"):
        what = f"{model} tells no attention that could reach a threshold"
        raise UserError(what, str(predictor.export.folder), "Leave --threshold out.")


def _predict(predictor, videos, out: pathlib.Path, source: str) -> int:
    from affectjax.media.workers import Failure
    from affectjax.predicting import index, ours, writing
    from affectjax.predicting.memory import told
    from affectjax.progress import Progress, duration

    shared = writing.basis(predictor, source)
    bad, new = {}, []
    progress = Progress("videos", len(videos))

    def failed(where: str, what: str) -> None:
        bad[where] = what
        progress.line(f"failed: {where}: {what}")

    def free(video) -> bool:
        """Whether no file of another's is in the way; else the video is one of the bad ones."""
        if (path := ours.in_the_way(out, video, source)) is not None:
            what = f"{said(str(path))} is none of ours, and stays. Say another --out."
            failed(said(str(video.path)), what)
        return path is None

    begun, seconds = time.monotonic(), 0.0
    try:
        for video in videos:
            known = writing.finished(out, video, shared) is not None
            if not known and free(video):
                new.append(video)
            else:
                progress.step(known=known)
        for video, made in predictor(new, lambda one, at: progress.within(one.name, at)):
            if isinstance(made, Failure):
                what, where = told(made, video.path)
                failed(where, what)
            elif free(video):  # still
                with _writing(out):
                    card = writing.write(out, video, made, shared)["card"]
                seconds += card["duration"]
                page = ours.place(out, video.name, ".html")
                progress.line(f"{video.name}: {card['headline']} ({page})")
                for note in card["notes"]:
                    progress.line(f"  note: {note}")
            progress.step()
    finally:  # of what stands, whatever happened
        progress.close()
        with _writing(out):
            files.put(out / ours.INDEX, index.of(out, bad).encode())
    took = time.monotonic() - begun
    if seconds:
        print(f"{duration(seconds)} of video in {duration(took)}", end="; ")
    print(f"open {out / ours.INDEX}", flush=True)
    if bad:
        print(f"{len(bad)} of {len(videos)} videos gave nothing:", file=sys.stderr)
        for path, reason in bad.items():
            print(f"  {path}: {reason}", file=sys.stderr, flush=True)
        return SOME_FAILED
    return COMPLETE


@contextlib.contextmanager
def _writing(out: pathlib.Path):
    """What cannot be written is one line."""
    try:
        yield
    except OSError as error:
        mend = "Make room or make it writable; the same command goes on."
        where = str(error.filename or out)
        raise UserError(f"it cannot be written: {error.strerror}", where, mend) from error


if __name__ == "__main__":
    sys.exit(main())
