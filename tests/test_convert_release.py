"""Whole checkpoints of the authors, made up here, become exports that predict by the formulae."""

import io

import jax
import numpy as np
import pytest
import safetensors.numpy

import affectjax
from affectjax import convert, convert_release
from affectjax.backbones import residual, resnet, resnet3d
from affectjax.backbones.preprocess import normalise
from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from tests.models import test_releases as release

BLOCKS = {"blocks": (1, 1, 1, 1), "width": 2}
SIGHT = resnet3d.Settings(block="bottleneck", normalisation="less-100", **BLOCKS)
SOUND = resnet.Settings(block="basic", channels=1, stem=(7, 1), stem_stride=(2, 1), **BLOCKS)
SEEN, HEARD = SIGHT.features, SOUND.features  # 64 and 16


def names(name, classes=8):
    """The keys of a whole checkpoint: T = 3 segments for VAANet, 4 for CTEN."""
    found = release.network_names(SIGHT, "resnet.") | release.network_names(SOUND, "a_resnet.")
    if name == "vaanet":
        parts = [
            release.layer("conv0.0", SEEN, 512, (1,)), release.norm_names("conv0.1", 512),
            release.score_names("sa_net", 512, 16, False),
            release.score_names("cwa_net", 16, 512, False),
            release.score_names("ta_net", 512, 3, True),
            release.layer("a_fc.0", HEARD, 256), release.norm_names("a_fc.1", 256),
            release.score_names("aa_net", 256, 16, True),
            release.layer("av_fc", 768, classes), release.layer("fc", 512, classes),
        ]  # fmt: skip
    else:
        own = release.cten_names(SEEN, 4)
        parts = [
            {k: v for k, v in own.items() if "resnet" not in k},
            release.layer("a_fc.0", HEARD, SEEN),
            release.layer("fc", 2 * SEEN, classes),
        ]
    for part in parts:
        found |= part
    return found


def written(name, path, change=lambda arrays: None, **kind):
    arrays = release.drawn(names(name, **kind))
    change(arrays)
    safetensors.numpy.save_file({f"module.{k}": v for k, v in arrays.items()}, path)
    return arrays


def video(silent=False):
    """A record of real JPEG pictures and rows of sound."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    blobs = []
    for i in range(70):
        file = io.BytesIO()
        shade = np.full((112, 140, 3), 3 * i, np.uint8) + rng.integers(0, 40, 3).astype(np.uint8)
        image.fromarray(shade).save(file, "JPEG")
        blobs.append(file.getvalue())
    return {"id": "clip", "duration": 7.0, "frames": blobs, "features": {}, "rate": {},
            "frames_time": (np.arange(70) / 10).astype(np.float32)}, rng  # fmt: skip


@pytest.mark.parametrize("name", convert.MODELS)
def test_a_checkpoint_becomes_an_export_that_predicts_by_the_formulae(name, capsys):
    d = written(name, "whole.safetensors")
    assert convert.main([name, "whole.safetensors", "--out=made"]) == 0
    assert f"an export of {name}" in capsys.readouterr().out
    loaded = affectjax.load("made")
    assert loaded.config.model.form == "release" and loaded.config.model.outputs[4] == "joy"
    record, rng = video()
    width, rows = loaded.config.examples.mfcc, loaded.config.examples.mfcc_rows
    record["mfcc"] = rng.normal(size=(rows // 2, width)).astype(np.float32)
    found = loaded.predict(record)
    batch = loaded.examples.evaluate(record, 0)
    state = State(d)
    seen = residual.from_torch(state, SIGHT, "resnet.", sequential=True)
    heard = residual.from_torch(state, SOUND, "a_resnet.", sequential=True)

    @jax.jit
    def streams(frames, mfcc):
        maps = residual.run(seen, normalise(frames, "less-100"), SIGHT, False)[0]
        return maps.mean(1), residual.run(heard, mfcc, SOUND, False)[0].mean((1, 2))

    maps, sound = jax.device_get(streams(batch["frames"], batch["mfcc"][..., None]))
    maps = maps.reshape(1, len(maps), 16, -1)
    if name == "vaanet":
        logits, attention = release.plain_vaanet(d, maps, sound[None])
    else:
        logits, attention = release.plain_cten(d, maps.mean(2), sound[None])
    np.testing.assert_allclose(found["probability"], release.softmax(logits), atol=1e-4)
    assert np.ptp(found["probability"]) > 1e-3 and attention.shape == found["curve"].shape
    silent = loaded.predict(record | {"mfcc": np.zeros((0, width), np.float32)})
    assert np.isfinite(silent["probability"]).all()


def test_classes_are_named_where_their_number_does_not_tell(capsys):
    written("vaanet", "seven.safetensors", classes=7)
    assert convert.main(["vaanet", "seven.safetensors", "--out=made"]) == 2
    assert "7 classes" in capsys.readouterr().err
    command = ["vaanet", "seven.safetensors", "--out=made", "--classes=a,b,c,d,e,f,g"]
    assert convert.main([*command, "--positive=h"]) == 2
    assert "h, which is no class" in capsys.readouterr().err
    assert convert.main([*command, "--positive=a,c"]) == 0
    model = affectjax.load("made").config.model
    assert tuple(model.outputs) == tuple("abcdefg") and tuple(model.positive) == ("a", "c")
    assert convert.main([*command[:3], "--classes=a,b"]) == 2


def test_keys_that_nobody_understands_or_misses(capsys):
    def change(arrays):
        arrays["sa_net.extra"] = np.zeros(3, np.float32)
        del arrays["cwa_net.fc.weight"]
        arrays["resnet.7.0.conv9.weight"] = np.zeros(3, np.float32)

    written("vaanet", "odd.safetensors", change)
    assert convert.main(["vaanet", "odd.safetensors", "--out=made"]) == 2
    told = capsys.readouterr().err
    for words in ("missing: cwa_net.fc.weight", "sa_net.extra", "resnet.7.0.conv9.weight"):
        assert words in told
    assert told.count("\n") == 1


def test_what_else_is_refused(tmp_path, capsys):
    written("cten", "whole.safetensors")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("text")
    assert convert.main(["cten", "whole.safetensors", "--out=mine"]) == 2
    assert "something else" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "text"
    run = tmp_path / "run"  # a training's workdir has a config.json too
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.json").write_text('{"train.steps": 5}')
    for out in ("run", "whole.safetensors"):
        assert convert.main(["cten", "whole.safetensors", f"--out={out}"]) == 2
        assert "something else" in capsys.readouterr().err
    assert (run / "checkpoints").is_dir() and (run / "config.json").exists()
    assert convert.main(["cten", "whole.safetensors", "--out=x", "--positive=joy"]) == 2
    assert "no use for polarities" in capsys.readouterr().err
    assert convert.main(["cten", "whole.safetensors", "whole.safetensors", "--out=x"]) == 2
    assert convert.main(["cten", "whole.safetensors", "--out=x", "--normalisation=nice"]) == 2
    assert "nice" in capsys.readouterr().err
    assert convert.main(["resnet", "whole.safetensors", "--out=x", "--classes=a"]) == 2


def test_polarities_without_classes_are_those_of_the_known_ones():
    names_of = convert_release.names_of
    assert names_of(6, (), ("anger",), "x") == (convert_release.CLASSES[6], ("anger",))
    assert names_of(6, (), (), "x")[1] == convert_release.POSITIVE[6]
    with pytest.raises(UserError, match="angre, which is no class"):
        names_of(6, (), ("angre",), "x")
