"""MTCNN: its networks equal torch's, and all around them equals a plain walk, box by box."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import convert
from affectjax.backbones import mtcnn
from affectjax.backbones.area import resampled, running_sums
from affectjax.backbones.mtcnn_boxes import over_smaller, over_union, suppressed
from affectjax.errors import UserError
from tests.backbones import mtcnn_oracle as oracle
from tests.backbones.mtcnn_case import CASE, SIZES
from tests.backbones.parity import drawn, keep, kept
from tests.backbones.test_parity import ours, theirs, unlike

detect = jax.jit(mtcnn.apply, static_argnums=2)
run = jax.jit(mtcnn.run, static_argnums=0)


def test_networks_equal_their_twins():
    pytest.importorskip("torch", reason="the twins are written for torch")
    _, arrays, wanted = theirs(CASE)
    assert unlike(ours(CASE, arrays), wanted) == []


def test_networks_answer_as_their_twins_once_did():
    shapes, wanted = kept("mtcnn")
    assert unlike(ours(CASE, drawn(shapes)), wanted) == []


def weights(**arguments):
    arrays = drawn(kept("mtcnn")[0])
    for key in arrays:  # networks that know no faces: let them move boxes by a part of their side
        if any(part in key for part in ("conv4_2", "dense5_2", "dense6_2", "dense6_3")):
            arrays[key] *= np.float32(0.1)
    found = convert.from_torch("mtcnn", arrays, **arguments)
    return jax.tree.map(jnp.asarray, found.variables), found.settings


def blobs(height, width, seed):
    """Bright and dark patches, so that scores differ from place to place."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 6 + 1, width // 6 + 1, 3), np.uint8)
    return np.kron(coarse, np.ones((6, 6, 1), np.uint8))[:height, :width]


@pytest.mark.parametrize("seed", [0, 1])
def test_boxes_equal_those_of_a_plain_walk(seed):
    # thresholds at which networks drawn at random let some of their boxes pass
    v, s = weights(smallest=16, thresholds=(0.6, 0.5, 0.5), candidates=1024, proposals=512,
                   faces=256)  # fmt: skip
    frame = blobs(40, 55, seed)
    nets = {n: partial(lambda n, x: jax.device_get(run(n, v["params"][n], x)), n) for n in SIZES}
    expected = oracle.detect(frame, nets, s)
    assert 2 <= len(expected) < s.faces
    found = detect(v, frame[None], s)
    found = {key: np.asarray(value[0]) for key, value in found.items()}
    count = found["found"].sum()
    assert count == len(expected) and found["found"][:count].all()
    for key, name in (("boxes", "box"), ("scores", "score"), ("points", "points")):
        wanted = np.stack([one[name] for one in expected])
        np.testing.assert_allclose(found[key][:count], wanted, rtol=1e-4, atol=2e-3)
        assert not found[key][count:].any()


def test_few_places_keep_the_best_and_pictures_of_a_batch_do_not_mix():
    v, s = weights(smallest=16, thresholds=(0.5, 0.4, 0.4), candidates=20, proposals=12, faces=3)
    frames = np.stack([blobs(30, 34, seed) for seed in range(2)])
    both, turned = detect(v, frames, s), detect(v, frames[::-1], s)
    assert both["boxes"].shape == (2, 3, 4) and both["points"].shape == (2, 3, 5, 2)
    assert (np.diff(both["scores"], axis=1) <= 0).all() and both["found"][:, 0].all()
    assert not np.array_equal(both["boxes"][0], both["boxes"][1])
    for key, value in turned.items():
        np.testing.assert_array_equal(value[::-1], both[key])


def test_a_picture_smaller_than_the_smallest_face_holds_none():
    v, s = weights(smallest=40, proposals=4, faces=2)
    found = detect(v, blobs(30, 30, 0)[None], s)
    assert not found["found"].any() and not found["boxes"].any()


def test_resampling_equals_a_plain_mean_of_cells():
    frame = blobs(23, 31, 3)
    boxes = np.array([[0, 0, 31, 23], [4, 2, 9, 22], [7, 7, 8, 8]])
    for size in ((7, 9), (30, 12)):
        resample = jax.jit(partial(resampled, size=size))
        for left, top, right, bottom in boxes:
            found = resample(running_sums(frame), jnp.array([left, top, right, bottom]))
            wanted = oracle.area(frame[top:bottom, left:right], *size)
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_sums_of_a_large_picture_stay_exact():
    frame = np.full((3000, 3000, 1), 255, np.uint8)  # more than 32 bits hold in all
    box = jnp.array([2990, 2990, 3000, 3000])
    found = jax.jit(lambda x: resampled(running_sums(x), box, (3, 3)))(frame)
    np.testing.assert_array_equal(found, 255)


@pytest.mark.parametrize(
    "overlap, edge, smaller", [(over_union, 0, False), (over_smaller, 1, True)]
)
def test_suppression(overlap, edge, smaller):
    rng = np.random.default_rng(5)
    low = rng.integers(0, 20, (40, 2))
    boxes = np.concatenate([low, low + rng.integers(3, 20, (40, 2))], 1).astype(np.float32)
    scores = np.sort(rng.uniform(size=40))[::-1]
    valid = rng.uniform(size=40) < 0.8
    listed = [dict(box=b, score=c, at=i) for i, (b, c) in enumerate(zip(boxes, scores))]
    kept = oracle.survivors([d for d in listed if valid[d["at"]]], 0.4, edge, smaller)
    found = suppressed(jnp.asarray(boxes), jnp.asarray(valid), 0.4, overlap)
    assert 1 < len(kept) < valid.sum()
    assert np.flatnonzero(found).tolist() == [d["at"] for d in kept]


def test_the_largest_face_is_cut_out():
    boxes = jnp.array([[1.0, 1, 5, 5], [2, 3, 12, 13], [1, 1, 30, 30]])
    box, some = mtcnn.largest(boxes, jnp.array([True, True, False]))
    assert some and box.tolist() == [2, 3, 12, 13]
    frame = blobs(20, 20, 0)
    crop, some = mtcnn.face(frame, box, 8)
    np.testing.assert_allclose(crop, oracle.area(frame[2:13, 1:12], 8, 8), rtol=1e-6)
    assert some and not mtcnn.face(frame, jnp.array([30.0, 30, 40, 40]), 8)[1]
    assert not mtcnn.largest(boxes, jnp.zeros(3, bool))[1]


@pytest.mark.parametrize("wrong", [{"faces": 0}, {"factor": 1.0}])
def test_settings_that_find_nothing_are_refused(wrong):
    with pytest.raises(UserError):
        mtcnn.Settings(**wrong)


if __name__ == "__main__":
    shapes, _, outputs = theirs(CASE)
    keep("mtcnn", shapes, outputs)
