"""Make a dataset: python -m data_prep.build DATASET --videos=DIR --out=DIR

DATASET is video_tsc, videoemotion8, ekman6, caer, liris_accede or danmaku_ldl; `labelled`, for
videos of your own with a table of clips and labels; `import`, for features that others extracted
(see data_prep/importing.py); or `comment_corpus`, for labelled comments without videos (see
data_prep/labelling/corpus.py). The extractors `frames` and `mfcc` keep pictures and sound
themselves, for networks that are trained with the model. Start it again after any interruption:
what was finished stays finished, and a source that failed is tried again once it has changed, or
with --retry. Exit status: 0 complete, 2 bad input (one line says what), 75 stopped before the end,
1 anything unexpected.
"""

import inspect
import json
import pathlib
import sys
import time
from typing import Any

from affectjax import exits
from affectjax.data import records
from affectjax.errors import COMPLETE, UserError, nearest
from affectjax.media import extractor as extractors
from affectjax.progress import Progress, duration
from data_prep import (
    assemble,
    builders,
    command,
    find,
    importing,
    job,
    lexicon,
    place,
    report,
    runner,
)
from data_prep.comments import clean, tokenise
from data_prep.labelling import corpus
from data_prep.plan import Plan, Request


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    again = "what is finished is kept; the same command goes on from there"
    return exits.of(_main, argv, again=again)


def _main(argv: list[str] | None) -> int:
    flags = command.parser(__doc__).parse_args(argv)
    if flags.out is None:
        raise UserError("--out is missing", mend="Say --out=DIR, the dataset's folder.")
    out = pathlib.Path(flags.out).absolute()
    if flags.dataset == "import":
        return importing.main(flags, out)
    if flags.dataset == "comment_corpus":
        return corpus.main(flags, out)
    begun = time.monotonic()
    builder = builders.named(flags.dataset)
    command.check(flags)
    with_comments = getattr(builder, "COMMENTS", False)
    words = lexicon.load(flags.lexicon) if with_comments else None
    if words is not None:
        print(f"lexicon: {words.told()}")
    request = Request(
        videos=find.folder(flags.videos, "--videos", "the folder of the videos"),
        comments=find.folder(flags.comments, "--comments", "their folder")
        if flags.comments
        else None,
        annotations=pathlib.Path(flags.annotations) if flags.annotations else None,
        options=builders.options(builder, command.json_flag(flags, "options")),
        lexicon=words,
        classifiers=tuple(name for name in flags.classifiers.split(",") if name),
    )
    if request.classifiers and not getattr(builder, "CLASSIFIERS", False):
        raise UserError(f"{flags.dataset} takes no --classifiers", mend="`danmaku_ldl` does.")
    share = command.share(flags.hosts)
    settings = _settings(flags, builder, out, with_comments)
    local = runner.Local(settings)
    plan = builder.plan(request)
    spec = assemble.spec(plan, local)
    metadata = _metadata(flags, request, plan, local)
    place.check(out, {**metadata, "format": flags.format}, flags.overwrite)
    with place.lock(out, alone=share is None):
        mine = plan.sources if share is None else plan.sources[share[0] :: share[1]]
        local.store.sweep()
        _extract(flags, local, mine)
        if share is not None:
            failed = sum(local.failure(source) is not None for source in mine)
            told = f", {failed} of them failed" if failed else ""
            print(
                f"share {share[0]} of {share[1]} is done: {len(mine)} sources{told}. When all "
                "shares are, the same command without --hosts writes the dataset."
            )
            return COMPLETE
        sources = assemble.Sources(plan, local)
        clips = assemble.chosen(plan, sources)
        metadata |= assemble.partition_table(plan, clips)
        metadata["build"] = assemble.digest(metadata, flags.format, spec, clips, sources)
        if stands := place.stands(out, metadata):
            print(f"already there: {out}")
        else:
            place.sweep(out)
            if not flags.overwrite and (out / records.METADATA).exists():
                what = "A dataset of other inputs stands there, or a damaged one"
                raise UserError(what, str(out), place.OTHER)
            assemble.write(
                out, flags.dataset, spec, clips, sources, metadata, flags.format, flags.overwrite
            )
    told = report.of_sources(plan, sources, clips)
    told["skipped"] = {**told["skipped"], **_left_out(request, plan)}
    page = report.write(out, told)
    if not stands:
        print(f"made: {out}")
    if local.store.damaged:
        print(f"  note: {len(local.store.damaged)} items were damaged and made again")
    if sources.skipped:
        print("  note: what failed is tried again when it has changed, or with --retry")
    took = duration(time.monotonic() - begun)
    print(f"{report.summary(page)}\nreport: {out / report.PAGE} ({took} in all)")
    return COMPLETE


def _left_out(request: Request, plan: Plan) -> dict[str, str]:
    """{file: reason} of the files that became no source and are no part of one."""
    kinds = [(request.videos, find.VIDEOS, [one.video for one in plan.sources])]
    if said := [one.comments for one in plan.sources if one.comments]:
        kinds.append((request.comments or request.videos, find.COMMENTS, said))
    found = {}
    for root, endings, taken in kinds:
        found |= find.unnamed(root, endings) | find.passed_over(taken, root, endings)
    return found


def _settings(flags, builder, out: pathlib.Path, with_comments: bool) -> runner.Settings:
    cleaning = None
    if with_comments:
        tokenise.tokeniser(flags.tokeniser)
        defaults = {f: v.default for f, v in inspect.signature(clean.Rules).parameters.items()}
        rules = builders.filled(
            {**defaults, **builder.RULES}, command.json_flag(flags, "rules"), "the cleaning"
        )
        cleaning = job.Cleaning(flags.tokeniser, str(_absolute(flags.lexicon)), rules)
    return runner.Settings(
        extractors=_extractors(flags),
        cleaning=cleaning,
        folder=str(pathlib.Path(flags.cache or f"{out}.items").absolute()),
        workers=flags.workers,
        timeout=flags.timeout,
        memory=None if flags.memory is None else int(flags.memory * 2**30),
        retry=flags.retry,
    )


def _absolute(name: str) -> str | pathlib.Path:
    """Workers of another machine may stand in another folder."""
    return name if name == "sample" else pathlib.Path(name).absolute()


def _extractors(flags) -> tuple:
    """(name, options) of each that is asked for; weights go to those that can take them."""
    names = [name.strip() for name in flags.extractors.split(",") if name.strip()]
    given = command.json_flag(flags, "extractor_options")
    for name in given:
        if name not in names:
            raise UserError(f"{name!r} is no chosen extractor", "--extractor-options",
                            nearest(name, names))  # fmt: skip
    found, weighed = [], False
    for name in names:
        if ":" not in name and name not in extractors.BUILT_IN:
            mend = nearest(name, [*extractors.BUILT_IN, "package.module:Class"])
            raise UserError(f"there is no extractor {name!r}", "--extractors", mend)
        options = given.get(name, {})
        if not isinstance(options, dict):
            mend = "Write {extractor: {option: value}}."
            raise UserError(f"{name} has no options but {options!r}", "--extractor-options", mend)
        if flags.weights is not None and extractors.takes_weights(name):
            weighed = True
            options = {**extractors.weights_of(name, flags.weights), **options}
        found.append((name, json.dumps(options, sort_keys=True)))
    if not found or len(set(names)) < len(names):
        raise UserError("--extractors names none, or one twice", flags.extractors)
    if flags.weights is not None and not weighed:
        mend = "Leave --weights out, or choose an extractor that has weights."
        raise UserError("no chosen extractor takes weights", flags.extractors, mend)
    return tuple(found)


def _metadata(flags, request: Request, plan: Plan, local: runner.Local) -> dict[str, Any]:
    modalities = assemble.modalities(local)
    found = {
        "builder": flags.dataset,
        "options": dict(request.options),
        "modalities": modalities,
        "trained": all(each["trained"] for each in modalities.values()),
        **plan.metadata,
    }
    if local.how is not None:
        name = flags.lexicon if flags.lexicon == "sample" else pathlib.Path(flags.lexicon).name
        found["lexicon"] = {
            "name": name,
            "digest": local.how["lexicon"],
            "entries": len(request.lexicon),
        }
        found["tokeniser"] = local.how["tokeniser"]
        found["rules"] = local.how["rules"]
    return json.loads(json.dumps(found))


def _extract(flags, local: runner.Local, sources: list) -> None:
    if flags.runner == "beam":
        from data_prep import beam

        beam.run(local.settings, sources, flags.beam_options.split())
        return
    progress = Progress("sources", len(sources))
    try:
        for _, known in local.make(sources):
            progress.step(known)
    finally:
        progress.close()


if __name__ == "__main__":
    sys.exit(main())
