"""Keys of a checkpoint: each one asked for, explained, or named in the one error."""

import numpy as np
import pytest

from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from tests.backbones.parity import differing


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def checkpoint(**others):
    return {
        "fc.weight": numbers(5, 3),
        "fc.bias": numbers(5),
        "bn.weight": numbers(4),
        "bn.bias": numbers(4),
        "bn.running_mean": numbers(4),
        "bn.running_var": numbers(4),
        "bn.num_batches_tracked": np.int64(7),
        **others,
    }


def read(arrays):
    state = State(arrays, "net.pth")
    fc = state.linear("fc", (3, 5))
    bn = state.batch_norm("bn", 4)
    state.finish()
    return fc, bn


def test_layouts_are_ours():
    fc, (learned, stored) = read(checkpoint())
    assert fc["kernel"].shape == (3, 5) and fc["kernel"][2, 4] == 5 * 3 - 1
    assert set(learned) == {"scale", "bias"} and set(stored) == {"mean", "var"}
    state = State({"a.weight": numbers(6, 2, 3, 4), "b.weight": numbers(6, 2, 3, 4, 5),
                   "b.bias": numbers(6), "c.weight": numbers(6, 2, 3),
                   "e.weight": numbers(7, 2)})  # fmt: skip
    a = state.conv2d("a", (3, 4, 2, 6))
    assert set(a) == {"kernel"}
    assert a["kernel"][2, 1, 1, 5] == state.arrays["a.weight"][5, 1, 2, 1]
    b = state.conv3d("b", bias=True)
    assert b["kernel"].shape == (3, 4, 5, 2, 6) and b["bias"].shape == (6,)
    assert b["kernel"][1, 2, 3, 0, 4] == state.arrays["b.weight"][4, 0, 1, 2, 3]
    assert state.conv1d("c")["kernel"].shape == (3, 2, 6)
    assert state.embedding("e", (7, 2)).shape == (7, 2)
    state.finish()


def test_prefixes_of_parallel_wrappers_fall_away_and_half_precision_widens():
    arrays = {f"module.{key}": array for key, array in checkpoint().items()}
    arrays["module.fc.weight"] = arrays["module.fc.weight"].astype(np.float16)
    fc, _ = read(arrays)
    assert fc["kernel"].dtype == np.float32
    np.testing.assert_array_equal(fc["kernel"], read(checkpoint())[0]["kernel"])


def test_a_prefix_that_only_some_keys_have_is_part_of_the_name():
    with pytest.raises(UserError, match=r"missing: fc\.bias; not understood: module\.fc\.bias"):
        arrays = checkpoint()
        arrays["module.fc.bias"] = arrays.pop("fc.bias")
        read(arrays)


def test_old_names_of_layer_norms():
    for scale, bias in (("gamma", "beta"), ("weight", "bias")):
        state = State({f"n.{scale}": numbers(3), f"n.{bias}": numbers(3) + 1})
        p = state.norm("n", 3)
        assert (p["bias"] == p["scale"] + 1).all()
        state.finish()


def test_the_counter_of_batches_is_optional():
    arrays = checkpoint()
    whole = read(arrays)
    del arrays["bn.num_batches_tracked"]
    assert differing(read(arrays)[1][0], whole[1][0]) == []


@pytest.mark.parametrize(
    "damage, says",
    [
        (lambda a: a.pop("bn.running_var"), "missing: bn.running_var"),
        (lambda a: a.update({"bn.scale": a.pop("bn.weight")}), "not understood: bn.scale"),
        (lambda a: a.update({"fc.weight": numbers(5, 4)}), "another shape: fc.weight"),
        (lambda a: a.update({"fc.weight": numbers(5)}), r"fc.weight \[5\] for \[5, 3\]"),
        (lambda a: a.update(extra=numbers(1)), "not understood: extra"),
    ],
)
def test_a_fault_is_one_line_that_names_the_key_and_the_file(damage, says):
    arrays = checkpoint()
    damage(arrays)
    with pytest.raises(UserError, match=says) as caught:
        read(arrays)
    assert "net.pth" in str(caught.value) and "\n" not in str(caught.value)


def test_all_faults_are_told_at_once_and_long_lists_are_cut():
    arrays = {"fc.weight": numbers(2, 2), **{f"odd{i}": numbers(1) for i in range(20)}}
    with pytest.raises(UserError) as caught:
        read(arrays)
    text = str(caught.value)
    assert "missing: fc.bias, bn.weight" in text and "another shape: fc.weight" in text
    assert "odd11 and 8 more" in text


def test_a_missing_kernel_of_unstated_shape_is_a_fault_and_not_a_crash():
    state = State({"b.weight": numbers(2, 2)})
    state.conv3d("a"), state.conv2d("b")
    with pytest.raises(UserError, match=r"missing: a\.weight; of another shape: b\.weight"):
        state.finish()


def test_what_is_known_and_not_needed_is_said_by_pattern():
    arrays = checkpoint(**{"head.0.weight": numbers(1), "headless": numbers(1)})
    state = State(arrays)
    state.linear("fc"), state.batch_norm("bn")
    state.ignore(r"head\..*", "the classifier of another task")
    with pytest.raises(UserError, match="not understood: headless"):
        state.finish()
    assert state.ignored["head.0.weight"] == "the classifier of another task"
    assert state.keys(r"fc\.") == ["fc.weight", "fc.bias"]


def test_an_array_that_tells_the_size_must_be_there():
    state = State({"embedding.wieght": numbers(3, 4), "b": numbers(2)}, "net.pth")
    assert state.shape("b", 1) == (2,)
    with pytest.raises(UserError, match=r"missing: embedding\.weight .*nearest key.*wieght"):
        state.shape("embedding.weight", 2)
    with pytest.raises(UserError, match=r"another shape: b \[2\]"):
        state.shape("b", 2)
