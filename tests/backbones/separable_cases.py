"""Small and full sizes of the networks of depthwise convolutions."""

import dataclasses

from affectjax.backbones import efficientnet, xception
from tests.backbones.networks import Case
from tests.backbones.parity import picture


def every_output(outputs):
    def ours(module, v, s, x):
        return {o: module.apply(v, x, dataclasses.replace(s, output=o)) for o in outputs}

    return ours


def xception_case(shape, face, classes, **arguments):
    s = xception.Settings(face=face, classes=classes, output="pooled", **arguments)

    def twin():
        from tests.backbones.separable_twins import Xception

        return Xception(s.stem, s.entry, s.middle, s.leave, face, classes)

    outputs = ("map", "pooled", "face", "classes") if face else ("map", "pooled", "classes")
    feed = lambda: (picture(*shape),)  # noqa: E731
    run = lambda twin, x: twin(x)  # noqa: E731
    return Case("xception", twin, feed, every_output(outputs), run, arguments=arguments)


def efficientnet_case(shape, timm, classes, **arguments):
    s = efficientnet.Settings(classes=classes, **arguments)

    def twin():
        from tests.backbones.separable_twins import EfficientNet

        return EfficientNet(s, timm)

    feed = lambda: (picture(*shape),)  # noqa: E731
    run = lambda twin, x: twin(x)  # noqa: E731
    ours = every_output(("map", "classes"))
    return Case("efficientnet", twin, feed, ours, run, arguments=arguments)


NARROW = dict(stem=(4, 6), entry=(8, 10), middle=2, leave=(12, 14, 16))
SHALLOW = dict(
    stem=4, stages=((1, 3, 1, 4, 2), (6, 5, 2, 6, 2), (3, 3, 1, 8, 1), (6, 3, 2, 10, 1)),
    features=24,
)  # fmt: skip

SMALL_XCEPTION = {
    "xception": xception_case((2, 45, 50, 3), 20, 7, **NARROW),
    "xception_imagenet": xception_case((1, 40, 40, 3), 0, 9, **NARROW),
}
FULL_XCEPTION = {"xception_faces": xception_case((1, 160, 160, 3), 3072, 7)}
SMALL_EFFICIENTNET = {
    "efficientnet": efficientnet_case((2, 37, 40, 3), False, 7, **SHALLOW),
    "efficientnet_timm": efficientnet_case((2, 37, 40, 3), True, 7, **SHALLOW),
}
FULL_EFFICIENTNET = {"efficientnet_b0": efficientnet_case((1, 224, 224, 3), False, 1000)}
