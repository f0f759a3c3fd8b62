"""MediaEval 2018: a valence and an arousal for every second of a film, with the holes they have."""

import pathlib
import re

import numpy as np

from affectjax.errors import UserError
from data_prep import find
from data_prep.builders import lists
from data_prep.builders.liris_tables import DIMENSIONS, HOME
from data_prep.plan import Clip, Lookup, Plan, Request


def plan(request: Request) -> Plan:
    """Films with a valence and an arousal every second."""
    files = {d: _files(request.annotations, d) for d in DIMENSIONS}
    names = sorted(set().union(*files.values()), key=_number)
    for name in find.videos(request.videos):  # films whose annotations were never given out
        bare = name.rpartition("/")[2]
        if re.fullmatch(r"MEDIAEVAL18_\d+", bare) and bare not in names:
            names.append(bare)
    if not any(files.values()):
        what = " and ".join(f"<film>_{d.capitalize()}.txt" for d in DIMENSIONS)
        mend = f"LIRIS-ACCEDE: its owners give it out at {HOME}."
        raise UserError(f"{what} are missing", str(request.annotations), mend)
    sources, skipped = lists.sources(sorted(names, key=_number), request.videos)
    curves = {name: [_curve(files[d].get(name)) for d in DIMENSIONS] for name in names}
    notes = [
        f"{name}: no second has a {dimension}"
        for name in sorted(curves, key=_number)
        for dimension, curve in zip(DIMENSIONS, curves[name])
        if not curve
    ]
    first_test = request.options["test_from"]

    def clips(lookup: Lookup) -> dict[str, list[Clip]]:
        out = {"train": [], "test": []}
        for one in sources:
            found = lookup(one)
            if found is not None:
                targets = table(curves[one.name], found.duration)
                split = "test" if _number(one.name) >= first_test else "train"
                out[split].append(Clip(one.name, one.name, one.name, targets=targets))
        return {split: clips for split, clips in out.items() if clips}

    return Plan(
        sources=sources,
        spec={"value_names": DIMENSIONS},
        clips=clips,
        metadata={
            "protocol": f"MediaEval 2018: films from number {first_test} on test; a value a second",
            "scale": {d: [-1, 1] for d in DIMENSIONS},
        },
        skipped=skipped,
        notes=notes,
    )


def table(curves: list[dict[int, float]], duration: float) -> dict[str, np.ndarray]:
    """values [n, V], NaN in the holes, and values_time [n], the middles of the n seconds."""
    last = max((max(curve) for curve in curves if curve), default=-1)
    count = max(int(np.ceil(duration)), last + 1, 0)
    values = np.full((count, len(curves)), np.nan, np.float32)
    for column, curve in enumerate(curves):
        for second, value in curve.items():
            values[second, column] = value
    return {"values": values, "values_time": np.arange(count, dtype=np.float32) + 0.5}


def _files(root: pathlib.Path, dimension: str) -> dict[str, pathlib.Path]:
    """{film: its file of one dimension}."""
    tail = f"_{dimension}.txt"
    return {
        path.name[: -len(tail)]: path
        for path in sorted(root.rglob("*"))
        if path.name.lower().endswith(tail) and path.is_file()
    }


def _number(name: str) -> int:
    return int((re.findall(r"\d+", name) or ["0"])[-1])


def _curve(path: pathlib.Path | None) -> dict[int, float]:
    """{second: mean}; lines give the second, the mean and the deviation, maybe under a header."""
    found = {}
    for number, line in enumerate(find.lines(path) if path else [], 1):
        words = line.replace(",", " ").replace(";", " ").split()
        try:
            second, value = float(words[0]), float(words[1])
            if not (second >= 0 and second == int(second)):
                raise ValueError
        except (ValueError, IndexError, OverflowError):
            if number == 1:  # a header
                continue
            mend = "A line gives a second, its mean and its deviation."
            raise UserError(f"{line!r} is no second", f"{path}, line {number}", mend) from None
        if np.isfinite(value):
            found[int(second)] = value
    return found
