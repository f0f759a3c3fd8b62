"""Xception, with the wide layer for faces and as an ImageNet network: equal to torch."""

import pytest

from affectjax.backbones import xception
from affectjax.errors import UserError
from tests.backbones.live import differences
from tests.backbones.parity import drawn, keep, kept
from tests.backbones.separable_cases import FULL_XCEPTION, SMALL_XCEPTION, xception_case
from tests.backbones.test_parity import ours, theirs, unlike


@pytest.mark.parametrize("name", SMALL_XCEPTION)
def test_small_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(SMALL_XCEPTION[name])
    assert unlike(ours(SMALL_XCEPTION[name], arrays), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_XCEPTION)
def test_full_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(FULL_XCEPTION[name])
    assert unlike(ours(FULL_XCEPTION[name], arrays), wanted) == []


@pytest.mark.parametrize("name", SMALL_XCEPTION)
def test_small_networks_answer_as_their_twins_once_did(name):
    shapes, wanted = kept(name)
    assert unlike(ours(SMALL_XCEPTION[name], drawn(shapes)), wanted) == []


def test_live_statistics_equal_torch_in_training():
    pytest.importorskip("torch", reason="the twin is written for torch")
    # maps stay large: the moments of a handful of values would magnify every rounding
    found = differences(
        xception_case(
            (2, 60, 60, 3), 0, 3, stem=(4, 6), entry=(8, 10), middle=1, leave=(12, 14, 16)
        )
    )
    assert max(found.values()) <= 1e-4, found


@pytest.mark.parametrize("wrong", [{"output": "mop"}, {"output": "classes"}])
def test_outputs_that_are_not_there_are_refused(wrong):
    with pytest.raises(UserError, match="xception has no output"):
        xception.Settings(**wrong)


if __name__ == "__main__":
    for name, case in SMALL_XCEPTION.items():
        shapes, _, outputs = theirs(case)
        keep(name, shapes, outputs)
