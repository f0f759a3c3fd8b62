"""Comments side by side in one row of N tokens: never split, never dropped without a count.

A row holds at most N tokens, C comments and P masked words. A comment of L words takes L + 1
tokens, its start token first. Sizes come as an array [n, 3] of (tokens, comments, masked words),
a line a comment, limits as (N, C, P).
"""

import numpy as np


def sample(sizes: np.ndarray, limits: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """The comments of one row, ascending: all when they fit, else a random order, first fit."""
    if (sizes.sum(axis=0) <= limits).all():
        return np.arange(len(sizes))
    tokens, comments, masked = limits
    chosen = []
    size = sizes.tolist()
    for i in rng.permutation(len(sizes)).tolist():
        t, c, m = size[i]
        if t <= tokens and c <= comments and m <= masked:
            chosen.append(i)
            tokens, comments, masked = tokens - t, comments - c, masked - m
    return np.sort(np.array(chosen, np.int64))


def spread(sizes: np.ndarray, limits: tuple[int, int, int]) -> list[np.ndarray]:
    """All comments in their order over as many rows as it takes, each exactly once.

    Always at least one row, so that a clip without comments still counts as an example.
    """
    rows, first = [], 0
    n, c, p = limits
    tokens, comments, masked = n, c, p
    for i, (a, b, d) in enumerate(sizes.tolist()):
        if a > tokens or b > comments or d > masked:
            rows.append(np.arange(first, i))
            first, tokens, comments, masked = i, n, c, p
        tokens, comments, masked = tokens - a, comments - b, masked - d
    rows.append(np.arange(first, len(sizes)))
    placed = np.concatenate(rows)
    if len(placed) != len(sizes) or (placed != np.arange(len(sizes))).any():
        raise AssertionError(f"{len(sizes)} comments to spread, {len(placed)} placed")
    if any((sizes[row].sum(axis=0) > limits).any() for row in rows):
        raise AssertionError(f"a comment is larger than a row of {limits}")
    return rows


def words_of(length: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each token of the chosen comments laid end to end: its comment's place among the chosen
    (0-based), its place in the comment (0 = start token), and the index of its word in the flat
    list of all words (undefined for start tokens)."""
    size = length[chosen] + 1
    first_word = np.cumsum(length) - length
    first_token = np.cumsum(size) - size
    comment = np.repeat(np.arange(len(chosen)), size)
    position = np.arange(len(comment)) - first_token[comment]
    return comment, position, first_word[chosen][comment] + position - 1
