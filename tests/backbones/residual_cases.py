"""Small and full sizes of the residual networks, for the parity tests of both kinds."""

import dataclasses

from affectjax.backbones import resnet, resnet3d
from tests.backbones.networks import Case
from tests.backbones.parity import picture


def residual_case(name, module, shape, **arguments):
    s = module.Settings(**arguments)

    def twin():
        from tests.backbones.residual_twin import Residual

        return Residual(s)

    def ours(module, v, s, x):
        outputs = ("map", "classes") if s.classes else ("map",)
        return {o: module.apply(v, x, dataclasses.replace(s, output=o)) for o in outputs}

    return Case(name, twin, lambda: (picture(*shape),), ours, lambda twin, x: twin(x))


def case_3d(shape, **arguments):
    return residual_case("resnet3d", resnet3d, shape, **arguments)


def case_2d(shape, **arguments):
    return residual_case("resnet", resnet, shape, **arguments)


SMALL_3D = {
    "resnet3d": case_3d(
        (2, 5, 18, 15, 3), block="bottleneck", blocks=(2, 1, 2, 1), width=4, classes=7
    ),
    "resnet3d_basic": case_3d((1, 6, 16, 17, 3), block="basic", blocks=(2, 1, 1), width=4),
    "resnet3d_a": case_3d((1, 4, 16, 16, 3), block="basic", blocks=(1, 2), width=4, shortcut="A"),
}
FULL_3D = {
    "resnet3d_18": case_3d((1, 16, 112, 112, 3), depth=18, classes=400),
    "resnet3d_101": case_3d((1, 16, 112, 112, 3), depth=101, classes=700),
}
SMALL_2D = {
    "resnet": case_2d(
        (2, 33, 30, 3), block="bottleneck", blocks=(1, 2, 1, 1), width=4, classes=5
    ),
    "resnet_sound": case_2d(
        (2, 64, 32, 1), block="basic", blocks=(1, 1, 2, 1), width=4, channels=1,
        stem=(7, 1), stem_stride=(2, 1),
    ),
}  # fmt: skip
FULL_2D = {
    "resnet_18_sound": case_2d(
        (2, 256, 32, 1), depth=18, channels=1, stem=(7, 1), stem_stride=(2, 1)
    ),
    "resnet_50": case_2d((1, 224, 224, 3), depth=50, classes=1000),
}
