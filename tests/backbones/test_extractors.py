"""Backbones as extractors: prepared without jax, embedded in few shapes, equal to the network."""

import json
import pathlib
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest

from affectjax.backbones import embedding, mtcnn, vggish_sound, weights
from affectjax.backbones.preprocess import NORMALISATIONS, normalise
from affectjax.errors import UserError
from affectjax.media.extractor import BUILT_IN, Extractor, resolve
from tests.test_convert import converted

ROOT = pathlib.Path(__file__).parent.parent.parent
SIZES = {
    "clip": dict(size=32, patch=16, width=32, layers=1, heads=2, ffn=48, projection=12),
    "vggish": dict(widths=[4, 6, 8, 8, 10, 10], hidden=24, width=12, pca=True),
    "places365": dict(widths=[4, 6, 8, 10, 12]),
    "openpose": dict(widths=[4, 6, 8, 10], narrow=[8, 6], stages=0, size=[48, 64]),
    "efficientnet": dict(stem=4, stages=[[1, 3, 1, 6, 1], [2, 3, 2, 8, 1]], features=12),
    "resnet3d": dict(blocks=[1, 1], block="basic", width=8),
    "resnet50": dict(blocks=[1, 1], block="bottleneck", width=8),
}
FACES = {"xception": dict(stem=[4, 6], entry=[8, 10], middle=1, leave=[12, 14, 16], face=20)}
OURS = [name for name in BUILT_IN if BUILT_IN[name].startswith("affectjax.backbones")]


def random(name, **options):
    return resolve(name, {"weights": "random", "sizes": SIZES[name], **options})


def windows(extractor, count, seed=0):
    """Windows of one modality, as the decoder gives them."""
    (modality, want), rng = *extractor.wants.items(), np.random.default_rng(seed)
    if modality == "audio":
        samples = round(want.seconds * want.samples)
        return modality, rng.normal(0, 0.1, (count, samples)).astype(np.float32)
    return modality, rng.integers(0, 256, (count, want.count, *want.size, 3), np.uint8)


@pytest.mark.parametrize("name", SIZES)
def test_an_extractor_gives_what_the_network_makes_of_the_normalised_window(name):
    extractor = random(name, batch=2)
    assert isinstance(extractor, Extractor) and not extractor.trained
    json.dumps(dict(extractor.settings))
    modality, window = windows(extractor, 3)
    rows = extractor.prepare(modality, window)
    found = extractor.embed(modality, rows)
    assert found.dtype == np.float32 and found.shape == (3, extractor.modalities[modality])
    network = extractor.read()
    if hasattr(network.settings, "normalisation"):
        rows = normalise(rows, network.settings.normalisation)
    run = jax.jit(lambda v, x: network.module.apply(v, x, network.settings))
    wanted = np.asarray(run(network.variables, rows))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert extractor.embed(modality, rows[:0]).shape == (0, found.shape[1])


def test_every_backbone_is_listed_and_tested():
    assert set(OURS) == set(SIZES) | set(FACES)


@pytest.fixture
def seen(monkeypatch):
    """A detector that finds the bright square of a picture, and a smaller one beside it."""

    def apply(variables, frames, settings):
        mask = frames[..., 0] > 250
        rows, columns = mask.any(2), mask.any(1)
        first = lambda x: x.argmax(1)  # noqa: E731
        last = lambda x: x.shape[1] - x[:, ::-1].argmax(1)  # noqa: E731
        box = [first(columns) + 1, first(rows) + 1, last(columns), last(rows)]
        big = jax.numpy.stack(box, 1).astype(np.float32)
        small = big - np.array([0, 0, 3, 3], np.float32)
        found = jax.numpy.stack([mask.any((1, 2))] * 2, 1)
        return {"boxes": jax.numpy.stack([small, big], 1), "found": found}

    monkeypatch.setattr(mtcnn, "apply", apply)


def test_the_largest_face_is_cut_out_and_none_gives_zeros(seen):
    extractor = resolve("xception", {"weights": "random", "sizes": FACES["xception"]})
    assert not extractor.trained and extractor.modalities == {"expression": 20}
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 200, (3, 1, 200, 240, 3), np.uint8)
    frames[0, 0, 20:180, 40:200, 0] = 255  # 160 x 160: cut out without scaling
    frames[2, 0, 30:60, 50:80, 0] = 255
    rows = extractor.prepare("expression", frames)
    found = extractor.embed("expression", rows)
    network = extractor.read()
    face = normalise(frames[:1, 0, 20:180, 40:200], network.settings.normalisation)
    run = jax.jit(lambda v, x: network.module.apply(v, x, network.settings))
    wanted = np.asarray(run(network.variables, face))
    np.testing.assert_allclose(found[:1], wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert not found[1].any() and found[2].any()


def test_faces_need_a_detector(tmp_path):
    made = weights.random("xception", **FACES["xception"])
    weights.save(tmp_path / "w", made)
    with pytest.raises(UserError, match=r"affectjax\.convert mtcnn .*--weights=W with W/mtcnn"):
        resolve("xception", {"weights": str(tmp_path / "w")})
    weights.save(tmp_path / "m", weights.random("mtcnn"))
    both = {"weights": str(tmp_path / "w"), "faces": str(tmp_path / "m")}
    extractor = resolve("xception", both)
    assert extractor.weights.startswith(made.digest) and not extractor.trained
    assert extractor.read_detector().name == "mtcnn"


@pytest.mark.slow
def test_faces_by_the_real_detector_run_whole():
    extractor = resolve("xception", {"weights": "random", "sizes": FACES["xception"], "batch": 1})
    modality, window = windows(extractor, 1)
    assert extractor.embed(modality, extractor.prepare(modality, window)).shape == (1, 20)


def test_rows_do_not_depend_on_how_they_are_batched_and_few_shapes_are_compiled():
    traced = []

    def function(variables, rows):
        traced.append(rows.shape)
        return rows @ variables["kernel"] + rows.sum(1, keepdims=True)

    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 4)).astype(np.float32)
    run = embedding.batched(function, {"kernel": kernel}, batch=32)
    for count in range(1, 80, 3):
        rows = rng.normal(size=(count, 5)).astype(np.float32)
        wanted = rows @ kernel + rows.sum(1, keepdims=True)
        np.testing.assert_allclose(run(rows), wanted, rtol=1e-5, atol=1e-5)
    assert len(traced) == len(set(traced)) == 3  # 8, 16 and 32 rows


def test_bfloat16_is_near_and_not_the_same():
    one, two = random("clip"), random("clip", dtype="bfloat16")
    assert one.settings != two.settings
    modality, window = windows(one, 2)
    a, b = (e.embed(modality, e.prepare(modality, window)) for e in (one, two))
    assert 0 < np.abs(a - b).max() < 0.05 * np.abs(a).max()


def test_components_and_their_quantisation():
    plain, pca, quantised = (random("vggish", post=post) for post in ("none", "pca", "quantised"))
    modality, window = windows(plain, 3)
    rows = plain.prepare(modality, window)
    assert rows.shape == (3, 96, 64)
    p = plain.read().variables["params"]["pca"]
    wanted = (plain.embed(modality, rows) - p["mean"]) @ p["components"].T
    found = pca.embed(modality, rows)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
    levels = quantised.embed(modality, rows)
    np.testing.assert_array_equal(levels, vggish_sound.quantise(found, "round"))
    with pytest.raises(UserError, match="no principal components.*vggish_pca_params"):
        resolve("vggish", {"weights": "random", "post": "pca"})


@pytest.mark.parametrize("name", OURS)
def test_without_weights_one_line_says_what_to_do(name):
    with pytest.raises(UserError) as caught:
        resolve(name)
    text = str(caught.value)
    network = {"resnet50": "resnet"}.get(name, name)
    assert (
        f"python -m affectjax.convert {network} CHECKPOINT --out=DIR" in text and "\n" not in text
    )


def test_weights_from_a_folder_are_trained_and_known_by_their_digest(tmp_path):
    made = converted("clip")
    weights.save(tmp_path / "w", made)
    extractor = resolve("clip", {"weights": str(tmp_path / "w")})
    assert extractor.trained and extractor.weights == made.digest
    assert extractor.modalities == {"image": 12} and extractor.wants["image"].size == (24, 24)
    modality, window = windows(extractor, 2)
    assert extractor.embed(modality, extractor.prepare(modality, window)).shape == (2, 12)
    with pytest.raises(UserError, match="weights of clip, not vggish"):
        resolve("vggish", {"weights": str(tmp_path / "w")})
    with pytest.raises(UserError, match="Only random weights take"):
        resolve("clip", {"weights": str(tmp_path / "w"), "seed": 1})


@pytest.mark.parametrize(
    "options, says",
    [({"colour": 1}, "knows no 'colour'"), ({"dtype": "float8"}, "float8.*bfloat16"),
     ({"seeds": 1}, "knows no 'seeds'"), ({"batch": 0}, "batch = 0.*at least 1"),
     ({"batch": "x"}, "batch = 'x'"), ({"seed": -1}, "seed = -1.*at least 0"),
     ({"rate": 0}, "rate = 0.*above 0"), ({"rate": "2"}, "rate = '2'"),
     ({"sizes": 3}, "refuses its options")],
)  # fmt: skip
def test_options_that_do_not_exist_or_fit(options, says):
    with pytest.raises(UserError, match=says):
        random("clip", **options)


def test_pickled_without_arrays_and_programs():
    extractor = random("clip")
    modality, window = windows(extractor, 1)
    rows = extractor.prepare(modality, window)
    before = extractor.embed(modality, rows)
    copy = pickle.loads(pickle.dumps(extractor))
    assert copy.program is None and len(pickle.dumps(extractor)) < 4000
    np.testing.assert_array_equal(copy.embed(modality, rows), before)


def test_workers_make_and_use_extractors_without_jax(tmp_path):
    weights.save(tmp_path / "w", converted("clip"))
    code = f"""
import pickle, sys, numpy as np
from affectjax.media.extractor import resolve
ours = {OURS!r}
made = [resolve(name, dict(weights="random")) for name in ours]
made.append(resolve("clip", dict(weights={str(tmp_path / "w")!r})))
for extractor in pickle.loads(pickle.dumps(made)):
    for modality, want in extractor.wants.items():
        shape = (15600,) if modality == "audio" else (want.count, 8, 8, 3)
        extractor.prepare(modality, np.ones((1, *shape), np.float32))
assert "jax" not in sys.modules and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_film_gives_rows_of_picture_and_sound(tmp_path):
    pytest.importorskip("av", reason="it decodes the film")
    from affectjax.media.extract import Chunk, extract
    from tests.media import films

    times = [round(i * 1000 / 30) for i in range(64)]  # four segments of 16 pictures
    film = films.write(tmp_path / "film.mkv", times, sound=[(0, films.tone(64 / 30))])
    made = [random("clip"), random("vggish")]
    rows = {"image": [], "audio": []}
    for piece in extract(film, made):
        if isinstance(piece, Chunk):
            extractor = made[piece.extractor]
            rows[piece.modality].append(extractor.embed(piece.modality, piece.rows))
    image, audio = (np.concatenate(rows[name]) for name in rows)
    assert image.shape == (4, 12) and audio.shape == (4, 12)
    assert np.isfinite(image).all() and np.isfinite(audio).all()
    assert len(np.unique(image, axis=0)) == 4  # every segment has a picture of its own
    np.testing.assert_allclose(audio[1], audio[2], atol=0.05 * np.abs(audio).max())  # one tone


@pytest.mark.slow
def test_several_devices_give_the_same_rows(tmp_path):
    code = f"""
import sys, numpy as np, jax
if int(sys.argv[1]) > 1:
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from affectjax.media.extractor import resolve
extractor = resolve("clip", dict(weights="random", sizes={SIZES["clip"]!r}, batch=8))
rows = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), np.uint8)
assert len(jax.local_devices()) == int(sys.argv[1])
np.save(sys.argv[2], extractor.embed("image", rows))
"""
    found = []
    for devices in (1, 4):
        file = tmp_path / f"{devices}.npy"
        command = [sys.executable, "-c", code, str(devices), str(file)]
        subprocess.run(command, cwd=ROOT, check=True)
        found.append(np.load(file))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_normalisations_in_numpy_and_in_jax():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 3, 3), np.uint8)
    for name, how in NORMALISATIONS.items():
        pixels = frames[..., ::-1] if how.order == "BGR" else frames
        wanted = (pixels / how.divide - np.array(how.mean)) / np.array(how.deviation)
        found = normalise(frames, name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(normalise(jax.numpy.asarray(frames), name), found, rtol=1e-6)


def test_clip_sees_what_the_processor_of_transformers_would_show_it():
    pytest.importorskip("PIL", reason="the processor needs it")
    transformers = pytest.importorskip("transformers", reason="it holds the processor")
    processor = getattr(transformers, "CLIPImageProcessorPil", None)
    if processor is None:
        pytest.skip("this release has no processor without torchvision")
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    wanted = processor()(list(frames), return_tensors="np")["pixel_values"]
    found = normalise(frames, "clip").transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
