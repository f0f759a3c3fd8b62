"""VGGish around its network: the sound's frontend, components, quantisation, the two releases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax import convert
from affectjax.backbones import vggish, vggish_sound
from affectjax.errors import UserError
from tests.backbones.parity import answer, drawn, further, picture

SIZES = dict(widths=(4, 6, 8, 8, 10, 10), hidden=24, width=12)
SMALL = vggish.Settings(**SIZES)


def plain_log_mel(sound):
    """The published formula, one frame, one frequency and one band after the other."""
    mel = lambda f: 1127.0 * math.log(1.0 + f / 700.0)  # noqa: E731
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)]
    low, high = mel(125.0), mel(7500.0)
    edges = [low + (high - low) * i / 65 for i in range(66)]
    frequencies = [mel(k * 8000 / 256) for k in range(257)]
    rows = []
    for start in range(0, len(sound) - 399, 160):
        frame = np.array([sound[start + n] * window[n] for n in range(400)])
        magnitude = []
        for k in range(257):
            angle = 2 * math.pi * k * np.arange(400) / 512
            magnitude.append(math.hypot(frame @ np.cos(angle), frame @ np.sin(angle)))
        row = []
        for band in range(64):
            left, centre, right = edges[band : band + 3]
            total = 0.0
            for k in range(1, 257):
                up = (frequencies[k] - left) / (centre - left)
                down = (right - frequencies[k]) / (right - centre)
                total += max(0.0, min(up, down)) * magnitude[k]
            row.append(math.log(total + 0.01))
        rows.append(row)
    return np.array(rows)


def test_log_mel_equals_the_formula_written_out():
    rng = np.random.default_rng(0)
    t = np.arange(1500) / 16_000
    sound = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.01 * rng.normal(size=t.size)
    found = vggish_sound.log_mel(sound.astype(np.float32))
    wanted = plain_log_mel(sound.astype(np.float32))
    assert found.dtype == np.float32 and found.shape == (7, 64)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@given(st.integers(0, 3 * 15_360 + 400))
@settings(max_examples=20, deadline=None)
def test_patches_come_whole_and_the_tail_is_dropped(samples):
    found = vggish_sound.patches(np.zeros(samples, np.float32))
    frames = 0 if samples < 400 else 1 + (samples - 400) // 160
    assert found.shape == (frames // 96, 96, 64)
    assert np.allclose(found, math.log(0.01))


def test_a_patch_needs_15600_samples_and_rows_stand_on_their_own():
    assert vggish_sound.SAMPLES == 15_600
    rng = np.random.default_rng(0)
    sound = rng.normal(size=(2, 15_600)).astype(np.float32)
    both = vggish_sound.log_mel(sound)
    assert both.shape == (2, 96, 64)
    np.testing.assert_array_equal(both[1], vggish_sound.log_mel(sound[1]))
    integers = (sound[0] * 3000).astype(np.int16)
    np.testing.assert_allclose(
        vggish_sound.log_mel(integers), vggish_sound.log_mel(integers / 32768.0), atol=1e-6
    )


def test_quantisation_rounds_or_cuts_as_the_release_does():
    values = np.array([-9.0, -2.0, -1.99, 0.0, 0.009, 1.996, 2.0, 9.0])
    scaled = [(min(max(v, -2), 2) + 2) * 255 / 4 for v in values]
    found = vggish_sound.quantise(values, "truncate")
    assert found.tolist() == [float(int(v)) for v in scaled]
    found = vggish_sound.quantise(values, "round")
    assert found.tolist() == [float(round(v)) for v in scaled]
    assert found[3] == 128.0  # 127.5, to the even neighbour


def torch_shapes():
    a, b, c, d, e, f = SMALL.widths
    sizes = {0: (a, 1), 3: (b, a), 6: (c, b), 8: (d, c), 11: (e, d), 13: (f, e)}
    shapes = {f"features.{i}.weight": (*size, 3, 3) for i, size in sizes.items()}
    dense = {0: (SMALL.hidden, SMALL.flat), 2: (SMALL.hidden,) * 2, 4: (SMALL.width, SMALL.hidden)}
    shapes |= {f"embeddings.{i}.weight": size for i, size in dense.items()}
    return shapes | {k.replace("weight", "bias"): v[:1] for k, v in shapes.items()}


def tensorflow_arrays(arrays):
    """The same weights under the TensorFlow release's names and in its layouts."""
    names = {"features.0": "conv1", "features.3": "conv2", "features.6": "conv3/conv3_1",
             "features.8": "conv3/conv3_2", "features.11": "conv4/conv4_1",
             "features.13": "conv4/conv4_2", "embeddings.0": "fc1/fc1_1",
             "embeddings.2": "fc1/fc1_2", "embeddings.4": "fc2"}  # fmt: skip
    made = {}
    for theirs, name in names.items():
        kernel = arrays[f"{theirs}.weight"]
        kernel = kernel.T if kernel.ndim == 2 else kernel.transpose(2, 3, 1, 0)
        made[f"vggish/{name}/weights"] = kernel
        made[f"vggish/{name}/biases"] = arrays[f"{theirs}.bias"]
    return made


def test_the_two_releases_differ_by_the_last_relu_and_by_rounding():
    arrays, x = drawn(torch_shapes()), picture(2, 96, 64)
    run = lambda module, v, s: module.apply(v, x, s)  # noqa: E731
    torch = np.asarray(answer("vggish", arrays, run, **SIZES))
    tensorflow = np.asarray(answer("vggish", tensorflow_arrays(arrays), run, **SIZES))
    assert tensorflow.min() < 0 and torch.min() == 0
    np.testing.assert_array_equal(torch, np.maximum(tensorflow, 0))
    settings = [
        convert.from_torch("vggish", a, **SIZES).settings
        for a in (arrays, tensorflow_arrays(arrays))
    ]
    assert [s.rounding for s in settings] == ["round", "truncate"]


@pytest.mark.parametrize(
    "matrix, mean, shape",
    [("pca_eigen_vectors", "pca_means", (12, 1)), ("pproc.pca_matrix", "pproc.pca_means", (12, 1)),
     ("pca_eigen_vectors", "pca_means", (12,))],
)  # fmt: skip
def test_principal_components_come_with_either_layout(matrix, mean, shape):
    rng = np.random.default_rng(0)
    pca = {matrix: rng.normal(size=(12, 12)), mean: rng.normal(size=shape)}
    x = rng.normal(size=(3, 12)).astype(np.float32)
    found = answer(
        "vggish",
        {**drawn(torch_shapes()), **pca},
        lambda module, v, s: module.principal(v, x),
        **SIZES,
    )
    wanted = (pca[matrix] @ (x.T - pca[mean].reshape(12, 1))).T
    assert further(found, wanted) < 1e-5


def test_components_of_another_width_are_refused():
    pca = {"pca_eigen_vectors": np.zeros((12, 12)), "pca_means": np.zeros(13)}
    with pytest.raises(UserError, match="pca_means has 13 values for 12"):
        convert.from_torch("vggish", {**drawn(torch_shapes()), **pca}, **SIZES)
