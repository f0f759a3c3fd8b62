"""The benchmark of the video models times what computes the same."""

import pytest

from tests.benchmarks import video


def test_the_twins_compute_the_same_losses():
    pytest.importorskip("torch", reason="the twins are PyTorch's")
    small = ["--width=16", "--sound=8", "--cells=4", "--segments=5", "--batch=6", "--rounds=2"]
    found = video.compare(video.arguments(small))
    assert set(found) == {"cten", "vaanet"}
    assert all(len(t) == 2 and min(t) > 0 for times in found.values() for t in times)
