"""MTCNN's three networks side by side, each fed with crops of its size."""

from tests.backbones.networks import Case
from tests.backbones.parity import picture

SIZES = {"pnet": (19, 24), "rnet": (24, 24), "onet": (48, 48)}


def twin():
    from tests.backbones.mtcnn_twin import Mtcnn

    return Mtcnn()


def named(answers):
    """{network: its answers} -> {output: array}."""
    return {f"{net}_{i}": x for net, found in answers.items() for i, x in enumerate(found)}


def ours(module, v, s, *fed):
    return named({net: module.run(net, v["params"][net], x) for net, x in zip(SIZES, fed)})


def theirs(twin, *fed):
    return named({net: twin.get_submodule(net)(x) for net, x in zip(SIZES, fed)})


CASE = Case(
    "mtcnn", twin, lambda: tuple(picture(2, *size, 3) for size in SIZES.values()), ours, theirs
)
