"""The flags of `python -m data_prep.build`, and one clear line for each that is wrong."""

import argparse
import json
import math
import os
from typing import Any

from affectjax.errors import UserError
from affectjax.flags import Parser


def parser(description: str) -> argparse.ArgumentParser:
    """All flags of `build`."""
    found = Parser("python -m data_prep.build", description)
    add = found.add_argument
    add("dataset", metavar="DATASET", help="which one, or `import`")
    add("--out", metavar="DIR", help="the dataset's folder")
    add("--videos", metavar="DIR", help="the videos")
    add("--comments", metavar="DIR", help="comment files, where not beside the videos")
    add("--annotations", metavar="DIR", help="the benchmark's own annotation files")
    add(
        "--extractors",
        default="lowlevel",
        metavar="NAME,...",
        help="built in, or package.module:Class",
    )
    add("--extractor-options", default="{}", metavar="JSON", help="{extractor: {option: value}}")
    add("--weights", metavar="DIR|random", help="of the extractor, or DIR/<extractor> of each")
    add("--options", default="{}", metavar="JSON", help="options of the dataset")
    add(
        "--lexicon",
        default="sample",
        metavar="FILE",
        help="emotional words; `sample`: the sample's",
    )
    add("--classifiers", default="", metavar="EXPORT,...", help="of comments, for `danmaku_ldl`")
    add("--tokeniser", default="jieba", metavar="NAME", help="jieba, whitespace, wordpiece:FOLDER")
    add("--rules", default="{}", metavar="JSON", help="cleaning of comments")
    add("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="decoding processes")
    add(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for a decoder that is silent",
    )
    add("--memory", type=float, metavar="GIB", help="what one decoding process may take")
    add(
        "--retry",
        action="store_true",
        help="try sources again that failed before, though nothing about them has changed",
    )
    add("--format", default="tfrecord", choices=["tfrecord", "array_record"])
    add("--cache", metavar="DIR", help="finished items; OUT.items if unset")
    add("--runner", default="local", choices=["local", "beam"])
    add("--beam-options", default="", metavar="'--KEY=VALUE ...'", help="for Beam's own runner")
    add(
        "--hosts",
        default="",
        metavar="I/N",
        help="extract share I of N (from 0), and write nothing",
    )
    add("--overwrite", action="store_true", help="replace a dataset that is there")
    add("--manifest", metavar="CSV", help="of `import`: the clips")
    add("--features", metavar="DIR", help="of `import`: the arrays, or an MMSA-FET .pkl")
    return found


def check(flags: argparse.Namespace) -> None:
    """Numbers that are out of their range."""
    if flags.workers < 1:
        raise UserError("--workers is at least 1", mend="Say --workers=N.")
    for name in ("timeout", "memory"):
        value = getattr(flags, name)
        if value is not None and not (0 < value < math.inf):
            raise UserError(f"--{name} is above 0, not {value}", mend=f"Say --{name}=NUMBER.")


def json_flag(flags: argparse.Namespace, name: str) -> dict[str, Any]:
    """A flag that holds a JSON object."""
    text = getattr(flags, name)
    flag = f"--{name.replace('_', '-')}"
    try:
        found = json.loads(text)
    except ValueError as error:
        mend = f"Write it as JSON: {flag}='{{\"name\": 1}}'."
        raise UserError(f"{flag} is no JSON: {error}", text, mend) from error
    if not isinstance(found, dict):
        raise UserError(f"{flag} is no JSON object", text, "Write {name: value}.")
    return found


def share(text: str) -> tuple[int, int] | None:
    """(I, N) of --hosts=I/N, None where it is unset."""
    if not text:
        return None
    first, _, second = text.partition("/")
    if not (first.isdigit() and second.isdigit() and int(first) < int(second)):
        raise UserError(f"--hosts={text} is no share", mend="Say I/N with I from 0 to N - 1.")
    return int(first), int(second)
