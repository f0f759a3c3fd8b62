"""How large a model is and how much it has to do for one clip, from what its export says."""

from typing import NamedTuple

import numpy as np

from affectjax.data import full
from affectjax.errors import UserError
from affectjax.report.runs import Run


class Size(NamedTuple):
    """None where the run does not say it."""

    parameters: int | None = None
    flops: float | None = None  # of one forward pass over a clip that fills every row


def of_run(run: Run) -> Size:
    """The size of a run's model; nothing for predictions whose model is not ours."""
    if run.folder is None:
        return Size()
    return Size(_parameters(run), _flops(run))


def _parameters(run: Run) -> int | None:
    from safetensors import SafetensorError, safe_open

    path = run.folder / "export" / "model.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith("params/")]
            return sum(int(np.prod(file.get_slice(name).get_shape())) for name in names)
    except FileNotFoundError:
        return None
    except SafetensorError as error:
        raise UserError("the export is damaged", str(path), "Export that run again.") from error


def _flops(run: Run) -> float | None:
    """By the model's own formula."""
    if "model" not in run.export.get("config", {}):
        return None
    from ml_collections import config_dict

    from affectjax import assemble

    config = config_dict.ConfigDict(run.export["config"])
    if assemble.reads_comments(config):  # what one clip takes depends on how much was said
        return None
    model = assemble.model(config, None)
    one = full.batch(assemble.examples(config, None), 1)
    return float(model.flops(one)) if hasattr(model, "flops") else None
