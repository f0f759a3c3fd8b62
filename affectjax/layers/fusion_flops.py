"""FLOPs of one forward pass of each fusion over the rows that are there (2 m n k a product)."""

import numpy as np

from affectjax.layers import mult
from affectjax.layers.fusion import Fusion
from affectjax.layers.fusion_joins import tensor_rank


def fusion_flops(s: Fusion, there: np.ndarray) -> float:
    """there [B, M, T], which segments of which modality, in the order of s.names."""
    there = np.concatenate([there.any(2, keepdims=True), there], axis=2)  # with the first token
    n = there.sum(2).astype(np.float64)  # [B, M] rows
    d, ffn, modalities = s.width, s.ffn, there.shape[1]
    if s.kind == "mult":
        return _mult(s, n)
    if s.kind in ("ctm", "inner", "cross"):
        other = n.sum(1, keepdims=True) - n
        seen = n * sum({"inner": n, "cross": other}[part] for part in s.parts)
        return s.layers * _layer(n.sum(), seen.sum(), d, ffn, 3 + len(s.parts))
    seen = np.square(n.sum(1)) if s.kind == "joint" else np.square(n)
    total = _layer(n.sum(), seen.sum(), d, ffn, 4)
    if s.kind == "divide":
        total += _layer(n.sum(), np.square(there.sum(1)).sum(), d, 0, 4)
    total *= s.layers
    if s.kind == "gmu":
        total += len(n) * modalities * 2 * (1 + modalities) * d * d
    if s.kind == "tensor":
        rank = tensor_rank(d)
        total += len(n) * 2 * d * (modalities * rank + (rank + 1) ** modalities)
    return float(total)


def _layer(rows: float, seen: float, d: int, ffn: int, squares: int) -> float:
    """`rows` through so many products of d x d and the feed-forward; `seen` pairs of rows."""
    return float(2 * rows * (squares * d * d + 2 * d * ffn) + 4 * seen * d)


def _mult(s: Fusion, n: np.ndarray) -> float:
    width, wide = mult.sizes(s)
    ffn = [s.ffn * size // s.width for size in (width, wide)]
    total = 2 * n.sum() * s.width * width
    for m, k in mult.pairs(s):
        total += s.layers * _layer(n[:, m].sum(), (n[:, m] * n[:, k]).sum(), width, ffn[0], 2)
        total += s.layers * 2 * n[:, k].sum() * 2 * width * width
    return float(total + s.layers * _layer(n.sum(), np.square(n).sum(), wide, ffn[1], 4))
