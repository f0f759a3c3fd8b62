"""What the studies share: a command's result, trained where it is not there yet."""

import json
import pathlib

from affectjax.errors import COMPLETE
from affectjax.main import main

ROOT = pathlib.Path(__file__).parents[2]


def result(config: str, variant: str, workdir: pathlib.Path, *words: str) -> dict:
    """The result.json of `--config=configs/<config>.py:<variant>` in `workdir`."""
    named = f"--config={ROOT}/configs/{config}.py:{variant}"
    if (code := main(["main", named, f"--workdir={workdir}", *words])) != COMPLETE:
        raise SystemExit(code)
    return json.loads((workdir / "result.json").read_text())
