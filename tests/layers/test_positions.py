"""A position table in another length keeps the times it knows."""

import numpy as np

from affectjax.layers.positions import load_positions

TABLE = np.arange(10.0).reshape(5, 2)  # the first token and four segments


def test_shorter_takes_the_first_rows():
    np.testing.assert_array_equal(load_positions(TABLE, 2), TABLE[:3])
    np.testing.assert_array_equal(load_positions(TABLE, 4), TABLE)


def test_longer_continues_with_the_last_row():
    longer = load_positions(TABLE, 6)
    np.testing.assert_array_equal(longer[:5], TABLE)
    np.testing.assert_array_equal(longer[5:], [TABLE[-1]] * 2)
