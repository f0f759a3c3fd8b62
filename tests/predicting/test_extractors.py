"""Extractors are made again as the dataset describes them, or one line says what is wrong."""

import numpy as np
import pytest

from affectjax.backbones import weights as stored
from affectjax.errors import UserError
from affectjax.media.extractor import Frames, resolve
from affectjax.predicting import extractors


def described(name, **options):
    """What a dataset says of an extractor's modalities."""
    one = resolve(name, options)
    return {
        m: {"extractor": one.name, "settings": dict(one.settings), "weights": one.weights,
            "trained": one.trained, "width": width, "rate": one.wants[m].rate}
        for m, width in one.modalities.items()
    }  # fmt: skip


class Own:
    """An extractor of the user's own."""

    name, settings, weights, trained = "mine", {}, "", True
    modalities, wants = {"image": 32}, {"image": Frames(1.0, (8, 8))}

    def prepare(self, modality, window):
        return np.zeros((len(window), 32), np.float32)


def test_the_sample_is_read_with_lowlevel():
    planted = {m: {"extractor": "planted", "rate": 2.0} for m in ("image", "audio")}
    assert extractors.named({"image": 32, "audio": 16}, planted) == [("lowlevel", {})]
    with pytest.raises(UserError, match="no extractor makes the sample's invented 'image'"):
        extractors.named({"image": 33}, planted)
    with pytest.raises(UserError, match="nobody said what made the features 'scene'"):
        extractors.named({"scene": 32}, planted)


def test_what_was_built_is_built_again():
    about = described("lowlevel") | described("clip", weights="random", rate=1.0, seed=3)
    both = {"motion": 48, **{m: about[m]["width"] for m in ("image",)}}
    found = extractors.named(both, about)
    assert [name for name, _ in found] == ["lowlevel", "clip"]
    assert described(found[1][0], **found[1][1])["image"] == about["image"]


def test_other_weights_are_refused():
    about = described("clip", weights="random", seed=3)
    about["image"]["weights"] = "0123"
    with pytest.raises(UserError, match="its weights are not named"):
        extractors.named({"image": 512}, about)
    with pytest.raises(UserError, match="weights of clip are not those"):
        extractors.named({"image": 512}, about, weights="random")
    given = [("clip", {})]
    assert extractors.named({"image": 512}, about, "random", given) == [
        ("clip", {"weights": "random"})
    ]


def test_a_folder_of_weights_holds_those_that_find_faces_too(tmp_path):
    small = dict(stem=[4, 6], entry=[8, 10], middle=1, leave=[12, 14, 16], face=20)
    stored.save(tmp_path / "xception", stored.random("xception", **small))
    stored.save(tmp_path / "mtcnn", stored.random("mtcnn"))
    both = {"weights": str(tmp_path / "xception"), "faces": str(tmp_path / "mtcnn")}
    about = described("xception", **both)
    ((name, options),) = extractors.named({"expression": 20}, about, str(tmp_path))
    assert name == "xception" and both.items() <= options.items()
    assert described(name, **options) == about


def test_an_own_extractor_is_named_by_its_user():
    about = {"image": {"extractor": "mine", "weights": ""}}
    with pytest.raises(UserError, match="'mine', which is none of ours"):
        extractors.named({"image": 32}, about)
    given = [(f"{__name__}:Own", {})]
    assert extractors.named({"image": 32}, about, None, given) == given
    with pytest.raises(UserError, match="of width 32, the model reads 16"):
        extractors.named({"image": 16}, about, None, given)
