"""The benchmarks of recurrent layers and of `danmaku` time what computes the same."""

import pytest

from tests.benchmarks import danmaku, recurrent


def test_recurrent_twins_compute_the_same():
    pytest.importorskip("torch", reason="the twins are PyTorch's")
    small = ["--batch=3", "--inputs=5", "--hidden=4", "--rounds=2"]
    a = recurrent.arguments(small)
    for cell in ("lstm", "gru"):
        times, apart = recurrent.compare(a, cell, 4)
        assert apart < 1e-4
        assert all(len(t) == 2 and min(t) > 0 for t in times.values())


def test_the_danmaku_twin_computes_the_same():
    pytest.importorskip("torch", reason="the twin is PyTorch's")
    small = ["--batch=3", "--steps=10", "--hidden=4", "--experts=2", "--rounds=2"]
    times, apart = danmaku.compare(danmaku.arguments(small))
    assert apart < 1e-4
    assert set(times) == {"torch", "ours"}
    assert all(len(t) == 2 and min(t) > 0 for t in times.values())
