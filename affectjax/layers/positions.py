"""Position tables: a row is a time, so another length keeps the rows that both share."""

import numpy as np

LONGEST_PERIOD = 200.0  # in segments: about two minutes of video, longer than any window


def sinusoids(key, shape: tuple[int, int], dtype=np.float32):
    """An initialiser [rows, D]: every row is told from its neighbours from the first step on.

    Two rows a given distance apart are the same rotation of each other wherever they stand, so
    attention finds "five segments ago" early; from small random rows it takes thousands of steps.
    """
    rows, width = shape
    half = -(-width // 2)
    angle = np.arange(rows)[:, None] / LONGEST_PERIOD ** (np.arange(half)[None] / half)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[:, :width].astype(dtype)


def load_positions(table: np.ndarray, segments: int) -> np.ndarray:
    """table [T+1, D] (row 0 the first token) -> [segments+1, D].

    Fewer segments take the first rows, so that a position stays a time. More segments continue
    with copies of the last row: later than anything seen, and nothing else is known about them.
    """
    rows = np.minimum(np.arange(segments + 1), table.shape[0] - 1)
    return np.asarray(table)[rows]
