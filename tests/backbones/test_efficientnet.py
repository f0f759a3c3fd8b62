"""EfficientNet, read by torchvision's names and by timm's: equal to torch."""

import pytest

from affectjax.backbones import efficientnet
from affectjax.errors import UserError
from tests.backbones.live import differences
from tests.backbones.parity import drawn, keep, kept
from tests.backbones.separable_cases import (
    FULL_EFFICIENTNET,
    SHALLOW,
    SMALL_EFFICIENTNET,
    efficientnet_case,
)
from tests.backbones.test_parity import ours, theirs, unlike


@pytest.mark.parametrize("name", SMALL_EFFICIENTNET)
def test_small_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(SMALL_EFFICIENTNET[name])
    assert unlike(ours(SMALL_EFFICIENTNET[name], arrays), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_EFFICIENTNET)
def test_full_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(FULL_EFFICIENTNET[name])
    assert unlike(ours(FULL_EFFICIENTNET[name], arrays), wanted) == []


@pytest.mark.parametrize("name", SMALL_EFFICIENTNET)
def test_small_networks_answer_as_their_twins_once_did(name):
    shapes, wanted = kept(name)
    assert unlike(ours(SMALL_EFFICIENTNET[name], drawn(shapes)), wanted) == []


def test_live_statistics_equal_torch_in_training():
    pytest.importorskip("torch", reason="the twin is written for torch")
    # maps stay large: the moments of a handful of values would magnify every rounding
    found = differences(efficientnet_case((2, 50, 50, 3), False, 3, **SHALLOW))
    assert max(found.values()) <= 1e-4, found


@pytest.mark.parametrize("wrong", [{"output": "mop"}, {"output": "classes"}])
def test_outputs_that_are_not_there_are_refused(wrong):
    with pytest.raises(UserError, match="efficientnet has no output"):
        efficientnet.Settings(**wrong)


if __name__ == "__main__":
    for name, case in SMALL_EFFICIENTNET.items():
        shapes, _, outputs = theirs(case)
        keep(name, shapes, outputs)
