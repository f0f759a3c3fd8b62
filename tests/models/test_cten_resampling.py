"""CTEN that erases by sampling anew, against itself on frames that were gathered by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.models.cten import CTEN
from tests.layers.test_resampling import by_hand
from tests.models.test_video_streams import SHARED, drawn

B, T, P, F, SIZE = 2, 3, 3, 2, 16
WIDE = {part: SHARED[part] | {"width": 8} for part in ("sight", "sound")}  # eight heads
FORMS = {"paper": {"erase": "stream"}, "release": {"form": "release"} | WIDE}


def batch_of(seed=0):
    """The second video has no sound; every look has frames of its own."""
    rng = np.random.default_rng(seed)
    frames = {
        key: rng.integers(0, 256, (B, T, P, SIZE, SIZE, 3)).astype(np.uint8)
        for key in ("frames", "frames/key", "frames/left")
    }
    return frames | {
        "weight": np.ones(B, np.float32),
        "label": np.array([0, 1], np.int32),
        "present/frames": np.ones((B, T), bool),
        "frames_start": rng.random((3, T)).astype(np.float32)[None].repeat(B, 0),
        "mfcc": rng.normal(size=(B, T, 8, 8)).astype(np.float32),
        "present/mfcc": np.array([[True] * T, [False] * T]),
    }


def made(**settings):
    return CTEN(**SHARED | {"segments": T, "sound_size": 16, "threshold": 0.6} | settings)


def apply(model, variables, batch):
    return jax.jit(lambda v, b: model.apply(v, b, False, method="loss"))(variables, batch)


@pytest.mark.parametrize("form", FORMS)
def test_every_look_is_the_model_on_frames_gathered_by_hand(form):
    batch, model = batch_of(), made(resample=F, **FORMS[form])
    variables = drawn(model, batch)
    sums, found = apply(model, variables, batch)
    once = made(**FORMS[form] | {"erase": "none"})

    def look(key, number, kept):
        """The loss [B] and the attention of one look."""
        start, taken = batch["frames_start"][:, number], []
        for b in range(B):
            line = batch[key][b].reshape(-1, SIZE, SIZE, 3)
            taken.append(line[np.array(by_hand(kept[b], start[b], P, F))])
        plain = {k: v for k, v in batch.items() if not k.startswith("frames")}
        plain |= {"frames": np.stack(taken)}
        sums, predictions = apply(once, variables, plain)
        return sums["whole"][0], predictions

    everything = np.ones((B, T), bool)
    loss, whole = look("frames", 0, everything)
    np.testing.assert_allclose(sums["whole"][0], loss, atol=1e-4)
    np.testing.assert_allclose(found["probability"], whole["probability"], atol=1e-5)
    if form == "paper":  # the curve is the mean of two streams; the mask is the picture's alone
        return
    curve = np.asarray(found["curve"])  # between 0 and 1 where it is not flat
    for number, (name, kept) in enumerate((("key", curve > 0.6), ("left", curve < 0.6)), 1):
        empty = ~kept.any(1)
        assert (np.asarray(found[f"empty_{name}"]) == empty).all()
        loss, _ = look(f"frames/{name}", number, np.where(empty[:, None], True, kept))
        np.testing.assert_allclose(sums[name][0], loss, atol=1e-4)


def test_erased_frames_get_no_gradient_and_the_sound_stays():
    batch, model = batch_of(), made(resample=F, **FORMS["release"])
    variables = drawn(model, batch)
    seen = apply(model, variables, batch)[1]
    changed = batch | {"frames/key": batch["frames/key"].copy()}
    erased = np.asarray(seen["curve"]) <= 0.6
    erased &= ~np.asarray(seen["empty_key"], bool)[:, None]
    changed["frames/key"][erased] = 0
    before, after = (apply(model, variables, b)[0] for b in (batch, changed))
    for name in ("whole", "key", "left"):  # what was erased reaches no look
        np.testing.assert_array_equal(before[name][0], after[name][0])
    assert erased.any()
    loud = batch | {"mfcc": batch["mfcc"] + 1}
    assert all((a[0][0] != b[0][0]) for a, b in zip(before.values(),
               apply(model, variables, loud)[0].values()))  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"resample": 9}, "examples.frames"), ({"resample": 2, "erase": "none"}, "one erasing"),
     ({"resample": 2, "iterations": 2}, "one erasing")],
)  # fmt: skip
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(UserError, match=words):
        batch = jax.tree.map(jnp.asarray, batch_of())
        jax.eval_shape(
            lambda b: made(**settings).init(jax.random.key(0), b, True, method="loss"), batch
        )
