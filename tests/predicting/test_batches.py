"""Rows share batches of one size, come back in their order, and wait for others only so long."""

import numpy as np

from affectjax.predicting import batches
from affectjax.predicting.batches import Batches

EMPTY = {"x": np.zeros(2)}


def collecting(size: int = 3):
    """Batches whose predictions are sums, and the shapes that were predicted."""
    shapes = []

    def predict(batch):
        shapes.append(batch["x"].shape)
        return {"sum": batch["x"].sum(1)}

    return Batches(predict, EMPTY, size), shapes


def test_every_batch_is_full_and_every_row_comes_back_once_in_order():
    some, shapes = collecting()
    rows = [{"x": np.array([i, 100.0])} for i in range(8)]
    found = [made for i, row in enumerate(rows) for made in some.push(i, row)]
    assert [key for key, _ in found] == list(range(6))
    found += some.flush()
    assert [(key, float(one["sum"])) for key, one in found] == [(i, 100.0 + i) for i in range(8)]
    assert shapes == [(3, 2)] * 3 and list(some.flush()) == []


def test_a_row_that_waited_long_enough_goes_without_company(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(batches.time, "monotonic", lambda: now[0])
    some, shapes = collecting()
    assert list(some.push("a", {"x": np.ones(2)})) == []
    now[0] = 1.5
    assert list(some.push("b", {"x": np.ones(2)})) == [] and list(some.ripe()) == []
    now[0] = 2.1  # since the first of them came
    assert [key for key, _ in some.ripe()] == ["a", "b"] and shapes == [(3, 2)]
    assert list(some.ripe()) == []
