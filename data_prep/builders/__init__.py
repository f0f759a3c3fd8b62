"""The datasets: a small file each, with `OPTIONS` and `plan(request)`."""

import importlib
import inspect
import json
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from affectjax.errors import UserError, nearest

NAMES = (
    "video_tsc", "videoemotion8", "ekman6", "caer", "liris_accede", "danmaku_ldl", "labelled",
)  # fmt: skip


LEAST = {"seed": 0, "seconds": 0.1, "grid": 0.01}  # below, memory ends before the clips do


def named(name: str) -> ModuleType:
    """The builder of a dataset, or the nearest right name."""
    if name not in NAMES:
        mend = nearest(name, (*NAMES, "import"))
        raise UserError(f"There is no dataset {name!r} to build", mend=mend)
    return importlib.import_module(f"data_prep.builders.{name}")


def options(builder: ModuleType, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of the builder, with the given ones on top."""
    found = filled(builder.OPTIONS, given, inspect.getmodulename(builder.__file__))
    for name, least in LEAST.items():
        if name in found and not found[name] >= least:
            raise UserError(f"the option {name} is at least {least}", "--options")
    return found


def filled(known: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`known` with `given` on top; a name or a kind that does not fit is said in one line."""
    for key, value in given.items():
        if key not in known:
            raise UserError(f"{where} has no option {key!r}", "--options", nearest(key, known))
        kind = type(known[key])
        fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
        if isinstance(value, bool) and kind is not bool:
            fits = False
        if known[key] is not None and not fits:
            example = json.dumps(known[key])
            mend = f"It is of the kind of {example}."
            raise UserError(f"the option {key} cannot be {value!r}", "--options", mend)
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"the option {key} cannot be {value}", "--options")
    return {**known, **given}
