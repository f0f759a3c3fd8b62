"""Exports for serving: a fresh process without the package gives the same numbers."""

import importlib
import json
import pathlib
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest
import safetensors.numpy

from affectjax import assemble, configlib, export, initialise, stablehlo
from affectjax.errors import BAD_INPUT, COMPLETE

MODELS = ("tam_finetune:scratch,small", "cten:small", "vaanet:small")
# The example of the module's docstring, for every export and two sizes of a batch.
SERVER = """
import sys
sys.modules["affectjax"] = None  # whoever imports it fails
def example(folder, size, np_zeros):
    import numpy
    class Batches:
        def __getattr__(self, name):
            return np_zeros if name == "zeros" else getattr(numpy, name)
EXAMPLE
    return found

import numpy
for folder in sys.argv[1:]:
    for size in (3, 1):
        rows = numpy.load(f"{folder}/rows.npz")
        names = iter(sorted(rows.files))
        found = example(folder, size, lambda shape, dtype: rows[next(names)][:size])
        numpy.savez(f"{folder}/found{size}.npz", **found)
"""


def export_of(folder: pathlib.Path, name: str) -> export.Export:
    """An export of a config with parameters out of the air."""
    file, _, variants = name.partition(":")
    config = importlib.import_module(f"configs.{file}").get_config(variants)
    model, examples = assemble.model(config, None), assemble.examples(config, None)
    shapes = {k: jax.ShapeDtypeStruct((1, *s), t) for k, (s, t) in examples.spec().items()}
    variables = dict(jax.eval_shape(lambda: initialise.variables(model, shapes, 0)))
    arrays = {f"params/{k}": v for k, v in export.paths(variables.pop("params")).items()}
    arrays |= {f"state/{k}": v for k, v in export.paths(variables).items()}
    random = np.random.default_rng(0)  # above zero, as deviations must be
    arrays = {k: 0.2 * random.random(v.shape).astype(v.dtype) for k, v in arrays.items()}
    folder.mkdir()
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    about = {"format": export.FORMAT, "config": configlib.to_plain(config)}
    (folder / "config.json").write_text(json.dumps(about))
    return export.load(folder)


def rows_of(loaded: export.Export, inputs: dict, size: int = 3) -> dict[str, np.ndarray]:
    random, rows = np.random.default_rng(0), {}
    for name, about in inputs.items():
        shape = (size, *about["shape"])
        rows[name] = random.normal(size=shape).astype(about["dtype"])
        if name.startswith("present/"):
            rows[name] = np.broadcast_to(np.arange(shape[1]) < 5, shape).copy()
    return rows


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Each model's export, what serving.json says, a batch, and what a fresh process predicted."""
    place = tmp_path_factory.mktemp("served")
    found = {}
    for i, name in enumerate(MODELS):
        folder = place / str(i)
        loaded = export_of(folder, name)
        assert stablehlo.main([str(folder)]) == COMPLETE
        about = json.loads((folder / "serving.json").read_text())
        rows = rows_of(loaded, about["inputs"])
        np.savez(folder / "rows.npz", **{k.replace("/", "|"): v for k, v in rows.items()})
        found[name] = (loaded, about, rows)
    example = stablehlo.__doc__.split("come back:\n")[1].split("\nFeatures")[0]
    example = textwrap.dedent(example).replace('"export/', 'folder + "/')
    example = example.replace("np.zeros([8,", "Batches().zeros([size,")
    code = SERVER.replace("EXAMPLE", textwrap.indent(example, "    "))
    folders = [str(loaded.folder) for loaded, _, _ in found.values()]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *folders], capture_output=True, text=True, cwd=place
    )
    assert done.returncode == 0, done.stderr
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_process_without_the_package_gives_the_same_numbers(served, name):
    loaded, about, rows = served[name]
    spec = loaded.examples.spec()
    rest = {k: np.zeros((3, *s), t) for k, (s, t) in spec.items() if k not in rows}
    ours = loaded.apply({**rows, **rest})
    theirs = np.load(loaded.folder / "found3.npz")
    assert set(theirs.files) == set(about["outputs"]) and "probability" in theirs.files
    for key in theirs.files:
        np.testing.assert_allclose(theirs[key], ours[key], rtol=1e-6, atol=1e-6)
        assert list(theirs[key].shape[1:]) == about["outputs"][key]["shape"]
    alone = np.load(loaded.folder / "found1.npz")["probability"]
    np.testing.assert_allclose(alone, theirs["probability"][:1], rtol=1e-6, atol=1e-6)
    assert np.ptp(theirs["probability"], axis=0).max() > 1e-4  # it does look at its input


@pytest.mark.parametrize("name", MODELS)
def test_it_asks_for_no_label_and_says_all_platforms(served, name):
    loaded, about, _ = served[name]
    asked = {
        f"{what}/{m}" for what in ("features", "present") for m in loaded.config.model.modalities
    }
    assert set(about["inputs"]) == asked
    assert about["platforms"] == ["cpu", "cuda", "tpu"] and about["batch"] is None
    assert about["names"] == list(loaded.config.model.outputs)
    assert not {"label", "truth", "duration"} & set(about["outputs"])
    assert export.load(loaded.folder)  # the export is as good as before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstc:valence,small", "danmaku:small", "danmaku_comments:small"])
def test_the_other_models_serve_any_size_too(name, tmp_path):
    loaded = export_of(tmp_path / "export", name)
    program, about = stablehlo.of_export(loaded, platforms=("cpu",))
    weights = safetensors.numpy.load_file(loaded.folder / "model.safetensors")
    for size in (2, 5):
        rows = {k: np.zeros((size, *one["shape"]), one["dtype"])
                for k, one in about["inputs"].items()}  # fmt: skip
        found = program.call(weights, rows)
        assert found and {len(values) for values in found.values()} == {size}


def test_one_size_and_one_platform(served, tmp_path):
    loaded = served[MODELS[-1]][0]
    words = [str(loaded.folder), f"--out={tmp_path}", "--batch=2", "--platforms=cpu"]
    assert stablehlo.main(words) == COMPLETE
    about = json.loads((tmp_path / "serving.json").read_text())
    assert (about["batch"], about["platforms"]) == (2, ["cpu"])


def test_what_is_wrong_is_one_line(served, tmp_path, capsys):
    folder = str(served[MODELS[-1]][0].folder)
    (tmp_path / "file").write_text("")
    for words in ([str(tmp_path)], [folder, "--platforms=abacus"], [folder, "--batch=-1"], [],
                  [folder, f"--batch={10**20}"],
                  [folder, f"--out={tmp_path / 'file'}", "--platforms=cpu"]):  # fmt: skip
        capsys.readouterr()
        assert stablehlo.main(words) == BAD_INPUT
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
