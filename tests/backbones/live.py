"""Live normalisation against torch in training: the map, and the statistics afterwards."""

import jax
import numpy as np

from affectjax import convert
from affectjax.backbones import catalogue
from affectjax.backbones.weights import flat
from tests.backbones.parity import drawn, further, load, shapes_of


def differences(case):
    """{what: how far ours lies from torch's}, relative to the largest value."""
    import torch

    twin = case.twin()
    arrays = drawn(shapes_of(twin))
    load(twin, arrays).train()
    (x,) = case.feed()
    with torch.no_grad():
        wanted = twin(torch.tensor(x))["map"]
    arguments = {**case.arguments, "output": "map"}
    found = convert.from_torch(case.name, arrays, **arguments)
    module = catalogue.row(case.name).module
    y, new = jax.jit(lambda v: module.live(v, x, found.settings))(found.variables)
    trained = {key: np.asarray(value) for key, value in twin.state_dict().items()}
    after = convert.from_torch(case.name, trained, **arguments).variables["batch_stats"]
    after, new = flat(after), flat(new)
    assert set(after) == set(new)
    return {"map": further(y, wanted)} | {path: further(new[path], after[path]) for path in after}
