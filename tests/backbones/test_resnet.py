"""2-D residual networks for pictures and for sound: equal to torch."""

import pytest

from affectjax import convert
from affectjax.backbones import resnet
from tests.backbones.parity import drawn, keep, kept
from tests.backbones.residual_cases import FULL_2D, SMALL_2D
from tests.backbones.test_parity import ours, theirs, unlike


@pytest.mark.parametrize("name", SMALL_2D)
def test_small_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(SMALL_2D[name])
    assert unlike(ours(SMALL_2D[name], arrays), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_2D)
def test_full_networks_equal_their_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(FULL_2D[name])
    assert unlike(ours(FULL_2D[name], arrays), wanted) == []


@pytest.mark.parametrize("name", SMALL_2D)
def test_small_networks_answer_as_their_twins_once_did(name):
    shapes, wanted = kept(name)
    assert unlike(ours(SMALL_2D[name], drawn(shapes)), wanted) == []


def test_the_stem_tells_pictures_from_sound():
    pictures = convert.from_torch("resnet", drawn(kept("resnet")[0])).settings
    sound = convert.from_torch("resnet", drawn(kept("resnet_sound")[0])).settings
    assert (pictures.stem, pictures.stem_stride) == ((7, 7), (2, 2))
    assert (sound.stem, sound.stem_stride, sound.channels) == ((7, 1), (2, 1), 1)
    assert (pictures.normalisation, sound.normalisation) == ("imagenet", "none")


def test_features_of_the_published_depths():
    assert [resnet.Settings(depth=d).features for d in (18, 34, 50, 101)] == [512, 512, 2048, 2048]


if __name__ == "__main__":
    for name, case in SMALL_2D.items():
        shapes, _, outputs = theirs(case)
        keep(name, shapes, outputs)
