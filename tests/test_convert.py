"""Checkpoints as people have them become ours bit by bit, or are refused in one line."""

import json
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from affectjax import convert
from affectjax.backbones import catalogue, weights
from affectjax.errors import BAD_INPUT, UserError
from tests.backbones.networks import SMALL
from tests.backbones.parity import differing, drawn, kept
from tests.backbones.residual_cases import SMALL_2D, SMALL_3D
from tests.backbones.separable_cases import SMALL_EFFICIENTNET, SMALL_XCEPTION
from tests.backbones.test_parity import tied

# Parts of keys that may be left out: counters, what is tied to others, heads of other tasks.
NEEDLESS = (
    "num_batches_tracked",
    "decoder",
    "seq_relationship",
    "classifier",
    "fc.",
    "last_linear",
)

FILES = SMALL | {
    "resnet3d": SMALL_3D["resnet3d"],
    "resnet": SMALL_2D["resnet"],
    "xception": SMALL_XCEPTION["xception"],
    "efficientnet": SMALL_EFFICIENTNET["efficientnet"],
}
CASES = {case.name: (file, case) for file, case in FILES.items()}


def checkpoint(name):
    """(arrays, config, arguments) of a small checkpoint with the published names."""
    file, case = CASES[name]
    return tied(drawn(kept(file)[0])), case.config, case.arguments


def converted(name):
    arrays, config, arguments = checkpoint(name)
    return convert.from_torch(name, arrays, config, **arguments)


@pytest.mark.parametrize("name", CASES)
def test_convert_save_and_load_is_bit_equal(name, tmp_path):
    made = converted(name)
    weights.save(tmp_path / "w", made)
    found = weights.load(tmp_path / "w", name)
    assert differing(made.variables, found.variables) == []
    assert found.settings == made.settings and found.trained and found.digest == made.digest
    assert hash(found.settings) == hash(made.settings)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fault", ["renamed", "missing", "another shape", "one more"])
def test_a_checkpoint_that_does_not_fit_is_refused_with_the_key_in_one_line(name, fault):
    arrays, config, arguments = checkpoint(name)
    for key in list(arrays)[:: max(len(arrays) // 20, 1)]:
        if any(word in key for word in NEEDLESS):
            continue
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
            convert.from_torch(name, damaged, config, "some.pth", **arguments)
        text = str(caught.value)
        assert key in text and "some.pth" in text and "\n" not in text


def hub(folder, arrays, config, form):
    """A folder as the hub publishes it, with its arrays in one of four forms."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    if form == "safetensors":
        safetensors.numpy.save_file(arrays, folder / "model.safetensors")
        return
    keys = sorted(arrays)
    parts = {"one": keys[::2], "two": keys[1::2]}
    if form == "sharded":
        for part, names in parts.items():
            chosen = {key: arrays[key] for key in names}
            safetensors.numpy.save_file(chosen, folder / f"{part}.safetensors")
        index = {key: f"{part}.safetensors" for part, names in parts.items() for key in names}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
        return
    import torch

    tensors = {key: torch.tensor(array) for key, array in arrays.items()}
    torch.save(tensors, folder / "pytorch_model.bin")


@pytest.mark.parametrize("form", ["safetensors", "sharded", "bin"])
def test_folders_of_the_hub(form, tmp_path):
    if form == "bin":
        pytest.importorskip("torch", reason="it reads and writes .bin files")
    arrays, config, _ = checkpoint("bert")
    config = {**config, "num_attention_heads": 2}  # not what the width would suggest
    hub(tmp_path / "hub", arrays, config, form)
    made, about = convert.convert("bert", [str(tmp_path / "hub")], str(tmp_path / "out"))
    assert made.settings.heads == 2 and about["settings"]["heads"] == 2
    assert len(about["sources"]) == (2 if form == "sharded" else 1)
    assert differing(made.variables, converted("bert").variables) == []


def test_the_colours_of_a_folder_of_the_hub(tmp_path):
    arrays, config, _ = checkpoint("clip")
    hub(tmp_path / "hub", arrays, config, "safetensors")
    about = tmp_path / "hub" / "preprocessor_config.json"
    about.write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    made, _ = convert.convert("clip", [str(tmp_path / "hub")], str(tmp_path / "out"))
    assert made.settings.normalisation == "symmetric"
    about.write_text(json.dumps({"image_mean": [0.1] * 3, "image_std": [0.5] * 3}))
    with pytest.raises(UserError, match=r"mean \[0.1, 0.1, 0.1\]"):
        convert.convert("clip", [str(tmp_path / "hub")], str(tmp_path / "out"))
    out = str(tmp_path / "out")
    made, _ = convert.convert("clip", [str(tmp_path / "hub")], out, normalisation="clip")
    assert made.settings.normalisation == "clip"


def test_old_names_of_norms_and_a_bare_encoder():
    arrays, config, _ = checkpoint("bert")
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for key, array in arrays.items()
    }
    old["bert.embeddings.position_ids"] = np.arange(12)[None]
    assert (
        differing(convert.from_torch("bert", old, config).variables, converted("bert").variables)
        == []
    )
    bare = {k.removeprefix("bert."): a for k, a in arrays.items() if k.startswith("bert.")}
    bare = {k: a for k, a in bare.items() if not k.startswith("pooler")}
    found = convert.from_torch("bert", bare, config)
    assert not found.settings.head and not found.settings.pooler


def test_a_head_that_is_not_tied_is_refused():
    arrays, config, _ = checkpoint("bert")
    arrays["cls.predictions.decoder.weight"] = arrays["cls.predictions.decoder.weight"] + 1
    with pytest.raises(UserError, match=r"decoder\.weight differs from what it is tied to"):
        convert.from_torch("bert", arrays, config)


def test_a_whole_clip_gives_its_image_tower():
    arrays, config, _ = checkpoint("clip")
    text = {"text_model.encoder.layers.0.mlp.fc1.weight": np.ones((3, 3)),
            "logit_scale": np.ones(()), "text_projection.weight": np.ones((2, 3)),
            "vision_model.embeddings.position_ids": np.arange(10)[None]}  # fmt: skip
    found = convert.from_torch("clip", arrays | text, {"vision_config": config})
    assert differing(found.variables, converted("clip").variables) == []
    assert found.settings.heads == 4


def torch_file(path, value, **options):
    torch = pytest.importorskip("torch", reason="it writes the file")
    torch.save(value, path, **options)
    return str(path)


def tensors(arrays):
    torch = pytest.importorskip("torch", reason="it holds the tensors")
    return {key: torch.tensor(array) for key, array in arrays.items()}


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_with_wrappers_prefixes_and_other_entries(zipped, tmp_path):
    arrays, _, arguments = checkpoint("openpose")
    inner = tensors({f"module.{key}": array for key, array in arrays.items()})
    value = {"arch": "body", "epoch": 3, "state_dict": inner}
    path = torch_file(tmp_path / "a.pth", value, _use_new_zipfile_serialization=zipped)
    made, _ = convert.convert("openpose", [path], str(tmp_path / "out"), **arguments)
    assert differing(made.variables, converted("openpose").variables) == []


def test_two_files_are_read_as_one_and_arrays_of_numpy_in_torch_files(tmp_path):
    arrays, _, arguments = checkpoint("vggish")
    pca = {"pca_eigen_vectors": np.eye(12), "pca_means": np.ones((12, 1))}
    first = torch_file(tmp_path / "a.pth", tensors(arrays))
    second = torch_file(tmp_path / "pca.pth", pca)
    made, about = convert.convert("vggish", [first, second], str(tmp_path / "out"), **arguments)
    assert made.settings.pca and set(about["sources"]) == {"a.pth", "pca.pth"}
    again = torch_file(tmp_path / "b.pth", tensors(arrays))
    with pytest.raises(
        UserError, match=r"not understood: a\.features.*missing|missing.*a\.features"
    ):
        convert.convert("vggish", [first, again], str(tmp_path / "out"), **arguments)


def test_nets_of_several_files_get_their_files_names():
    files = {pathlib.Path("x/p.pt"): {"w": np.ones(1)}, pathlib.Path("r.pt"): {"w": np.zeros(2)}}
    found = convert.joined(files)
    assert {key: array.size for key, array in found.items()} == {"p.w": 1, "r.w": 2}
    files[pathlib.Path("y/p.pt")] = {"w": np.ones(1)}
    with pytest.raises(UserError, match="Two files are called p"):
        convert.joined(files)


def test_half_precision_widens_without_change(tmp_path):
    torch = pytest.importorskip("torch", reason="it writes bfloat16")
    arrays, _, arguments = checkpoint("vggish")
    from safetensors.torch import save_file

    for kind in (torch.bfloat16, torch.float16):
        half = {key: value.to(kind) for key, value in tensors(arrays).items()}
        save_file(half, tmp_path / "h.safetensors")
        paths = [str(tmp_path / "h.safetensors"), torch_file(tmp_path / "h.pth", half)]
        for path in paths:
            made, _ = convert.convert("vggish", [path], str(tmp_path / "out"), **arguments)
            kernel = made.variables["params"]["dense_1"]["kernel"]
            assert kernel.dtype == np.float32
            np.testing.assert_array_equal(kernel.T, half["embeddings.0.weight"].float().numpy())


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("torch", reason="its weights-only loading is what refuses")
    torch_file("evil.pth", {"features.0.weight": Evil()})
    pathlib.Path("plain.bin").write_bytes(pickle.dumps({"a": Evil()}))
    pathlib.Path("old.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    np.savez("evil.npz", a=np.array([Evil()], object))
    for file in ("evil.pth", "plain.bin", "old.pth", "evil.npz"):
        with pytest.raises(UserError, match=file) as caught:
            convert.convert("vggish", [file], "out")
        assert "\n" not in str(caught.value)
        assert not pathlib.Path("executed").exists() and not pathlib.Path("out").exists()
    with pytest.raises(UserError, match="asks to run code"):
        convert.convert("vggish", ["evil.pth"], "out")


@pytest.mark.parametrize("kind", ["pth", "old.pth", "safetensors", "npz"])
def test_a_truncated_file_is_refused(kind, tmp_path):
    arrays, _, arguments = checkpoint("vggish")
    path = tmp_path / f"a.{kind}"
    if kind == "safetensors":
        safetensors.numpy.save_file(arrays, path)
    elif kind == "npz":
        np.savez(path, **arrays)
    else:
        torch_file(path, tensors(arrays), _use_new_zipfile_serialization=kind == "pth")
    whole = path.read_bytes()
    convert.convert("vggish", [str(path)], str(tmp_path / "out"), **arguments)
    for part in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        with pytest.raises(UserError, match=str(path)) as caught:
            convert.convert("vggish", [str(path)], str(tmp_path / "out2"), **arguments)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out2").exists()


def test_without_torch_a_torch_file_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(UserError, match="needs torch.*safetensors"):
        convert.convert("vggish", [str(tmp_path / "a.pth")], str(tmp_path / "out"))


def test_folders_that_hold_no_checkpoint(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        convert.convert("clip", [str(tmp_path / "gone")], str(tmp_path / "out"))
    with pytest.raises(UserError, match="holds no checkpoint"):
        convert.convert("clip", [str(tmp_path)], str(tmp_path / "out"))
    (tmp_path / "config.json").write_text("{}")
    index = {"weight_map": {"a": "../a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"names \.\./a\.safetensors"):
        convert.convert("clip", [str(tmp_path)], str(tmp_path / "out"))


def test_an_out_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        weights.save(tmp_path / "out", converted("vggish"))
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"
    weights.save(tmp_path / "new", converted("vggish"))
    weights.save(tmp_path / "new", converted("places365"))  # ours may be replaced
    assert weights.describe(tmp_path / "new")["backbone"] == "places365"


def test_damaged_folders_of_ours_are_refused(tmp_path):
    made = converted("places365")
    weights.save(tmp_path / "w", made)
    with pytest.raises(UserError, match="weights of places365, not clip"):
        weights.load(tmp_path / "w", "clip")
    file = tmp_path / "w" / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1, whole[-1]]))
    with pytest.raises(UserError, match="damaged"):
        weights.load(tmp_path / "w")
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        weights.load(tmp_path / "w")
    arrays = weights.flat(made.variables)
    arrays.pop("params/conv1_1/bias")
    safetensors.numpy.save_file({k: np.ascontiguousarray(a) for k, a in arrays.items()}, file)
    with pytest.raises(UserError, match="conv1_1/bias is missing"):
        weights.load(tmp_path / "w")
    about = json.loads((tmp_path / "w" / "config.json").read_text())
    (tmp_path / "w" / "config.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(UserError, match="format 99"):
        weights.load(tmp_path / "w")
    with pytest.raises(
        UserError, match=r"no converted weights.*vgg16_places365.*affectjax\.convert"
    ):
        weights.load(tmp_path / "nowhere", "places365")


def test_random_weights_are_marked_and_follow_their_seed():
    sizes = CASES["vggish"][1].arguments
    one, again, other = (weights.random("vggish", seed, **sizes) for seed in (0, 0, 1))
    assert not one.trained and one.digest == again.digest != other.digest
    weights.check(one, "")


def test_names_and_settings_that_do_not_exist():
    with pytest.raises(UserError, match="Did you mean 'vggish'"):
        catalogue.row("vgish")
    with pytest.raises(UserError, match="clip has no setting 'colour'"):
        catalogue.settings("clip", {"colour": 1})
    arrays, _, arguments = checkpoint("places365")
    with pytest.raises(UserError, match="no normalisation 'nice'"):
        convert.from_torch("places365", arrays, normalisation="nice", **arguments)


def test_the_layout_decides_the_colours_unless_said_otherwise():
    arrays, _, arguments = checkpoint("places365")
    assert convert.from_torch("places365", arrays, **arguments).settings.normalisation == "imagenet"
    names = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3",
             "conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3"]  # fmt: skip
    keys = [key for key in arrays if key.startswith("features.") and key.endswith(".weight")]
    keys.sort(key=lambda key: int(key.split(".")[1]))
    caffe = {"fc8a.weight": np.ones((3, 3))}
    for name, key in zip(names, keys, strict=True):
        caffe[f"{name}.weight"] = arrays[key]
        caffe[f"{name}.bias"] = arrays[key.replace("weight", "bias")]
    found = convert.from_torch("places365", caffe, **arguments)
    assert found.settings.normalisation == "caffe"
    assert differing(found.variables, converted("places365").variables) == []
    said = convert.from_torch("places365", caffe, normalisation="imagenet", **arguments)
    assert said.settings.normalisation == "imagenet"
    assert differing(said.variables, found.variables) == []


def test_the_command(tmp_path, capsys):
    arrays, config, _ = checkpoint("clip")
    hub(tmp_path / "hub", arrays, config, "safetensors")
    out = str(tmp_path / "out")
    assert convert.main(["clip", str(tmp_path / "hub"), f"--out={out}"]) == 0
    assert "clip, " in capsys.readouterr().out
    assert differing(weights.load(out).variables, converted("clip").variables) == []
    del arrays["visual_projection.weight"]
    safetensors.numpy.save_file(arrays, tmp_path / "less.safetensors")
    assert convert.main(["clip", str(tmp_path / "less.safetensors"), f"--out={out}"]) == 2
    told = capsys.readouterr().err
    assert "visual_projection.weight" in told and told.count("\n") == 1


@pytest.mark.slow
def test_the_command_as_a_process_gives_its_status_and_help(tmp_path):
    command = [sys.executable, "-m", "affectjax.convert"]
    done = subprocess.run([*command, "clip", "gone", "--out=x"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "vggish-10086976.pth" in done.stdout


@pytest.mark.parametrize("words", [[], ["vaanet"], ["cten", "checkpoint"], ["x", "y", "--ot=z"]])
def test_a_wrong_command_is_one_line(capsys, words):
    assert convert.main(words) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
