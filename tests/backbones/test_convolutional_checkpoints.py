"""Checkpoints of the convolutional networks: kept bit by bit, or refused with the key's name."""

import numpy as np
import pytest
import safetensors.numpy

from affectjax import convert
from affectjax.backbones import weights
from affectjax.errors import UserError
from tests.backbones.mtcnn_case import CASE, SIZES
from tests.backbones.parity import differing, drawn, kept
from tests.backbones.residual_cases import SMALL_2D, SMALL_3D
from tests.backbones.separable_cases import SMALL_EFFICIENTNET, SMALL_XCEPTION

CASES = SMALL_3D | SMALL_2D | SMALL_XCEPTION | SMALL_EFFICIENTNET | {"mtcnn": CASE}


def checkpoint(file):
    return drawn(kept(file)[0])


def converted(file, arrays, where=""):
    case = CASES[file]
    return convert.from_torch(case.name, arrays, case.config, where, **case.arguments)


@pytest.mark.parametrize("file", CASES)
def test_convert_save_and_load_is_bit_equal(file, tmp_path):
    made = converted(file, checkpoint(file))
    weights.save(tmp_path / "w", made)
    found = weights.load(tmp_path / "w", made.name)
    assert differing(made.variables, found.variables) == []
    assert found.settings == made.settings and found.digest == made.digest
    assert hash(found.settings) == hash(made.settings)


@pytest.mark.parametrize("file", CASES)
@pytest.mark.parametrize("fault", ["renamed", "missing", "another shape", "one more"])
def test_a_checkpoint_that_does_not_fit_is_refused_with_the_key_in_one_line(file, fault):
    arrays = checkpoint(file)
    for key in list(arrays)[:: max(len(arrays) // 9, 1)]:
        if key.endswith("num_batches_tracked"):
            continue  # may be left out
        damaged = dict(arrays)
        if fault == "one more":
            damaged[f"{key}_2"] = arrays[key]
        elif fault == "another shape":
            damaged[key] = np.stack([arrays[key]] * 2)
        else:
            array = damaged.pop(key)
            if fault == "renamed":
                damaged[f"renamed.{key}"] = array
        with pytest.raises(UserError) as caught:
            converted(file, damaged, "some.pth")
        text = str(caught.value)
        assert key in text and "some.pth" in text and "\n" not in text


@pytest.mark.parametrize("file", [file for file in CASES if file != "mtcnn"])
def test_prefixes_and_counters_do_not_matter(file):
    arrays = checkpoint(file)
    wrapped = {f"module.{k}": a for k, a in arrays.items() if "num_batches" not in k}
    assert differing(converted(file, wrapped).variables, converted(file, arrays).variables) == []


def test_three_files_of_mtcnn_are_read_as_one(tmp_path):
    arrays = checkpoint("mtcnn")
    paths = []
    for net in SIZES:
        own = {k.removeprefix(f"{net}."): a for k, a in arrays.items() if k.startswith(f"{net}.")}
        paths.append(str(tmp_path / f"{net}.safetensors"))
        safetensors.numpy.save_file(own, paths[-1])
    np.savez(tmp_path / "all.npz", **arrays)
    three, _ = convert.convert("mtcnn", paths, str(tmp_path / "three"))
    one, _ = convert.convert("mtcnn", [str(tmp_path / "all.npz")], str(tmp_path / "one"))
    assert differing(three.variables, one.variables) == []
    assert differing(three.variables, converted("mtcnn", arrays).variables) == []
