"""The benchmark of the video models times what computes the same."""

import pytest

from tests.benchmarks import video


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_twins_compute_the_same_losses(dtype):
    pytest.importorskip("torch", reason="the twins are PyTorch's")
    small = ["--width=16", "--sound=8", "--cells=4", "--segments=5", "--batch=6", "--rounds=2",
             f"--dtype={dtype}"]  # fmt: skip
    found = video.compare(video.arguments([*small, "--models", "cten", "vaanet"]))
    assert set(found) == {"cten", "vaanet"}
    assert all(len(t) == 2 and min(t) > 0 for times in found.values() for t in times)


@pytest.mark.slow
def test_the_whole_twin_computes_the_same_loss():
    pytest.importorskip("torch", reason="the twins are PyTorch's")
    small = ["--models", "whole", "--depth=18", "--side=32", "--frames=4", "--segments=2",
             "--rows=64", "--rounds=1"]  # fmt: skip
    ((mine,), (other,)) = video.compare(video.arguments(small))["whole"]
    assert mine > 0 and other > 0
