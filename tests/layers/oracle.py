"""Slow, plain versions of the layers in float64 NumPy: one loop an equation index, no batching."""

import math

import numpy as np

ERF = np.vectorize(math.erf)


def softmax(scores, mask):
    """scores [K], mask [K] -> weights [K]; nothing allowed gives zeros."""
    weights = np.zeros(len(scores))
    if mask.any():
        allowed = np.exp(scores[mask] - scores[mask].max())
        weights[mask] = allowed / allowed.sum()
    return weights


def norm(p, x):
    """x [D]."""
    centred = x - x.mean()
    return centred / np.sqrt((centred**2).mean() + 1e-6) * p["scale"] + p["bias"]


def feedforward(p, x):
    """x [D]."""
    hidden = x @ p["in"]["kernel"] + p["in"]["bias"]
    hidden = hidden * 0.5 * (1 + ERF(hidden / math.sqrt(2)))
    return hidden @ p["out"]["kernel"] + p["out"]["bias"]


def attend(query, keys, values, mask, heads):
    """query [D], keys and values [K, D], mask [K] -> [D]."""
    out = np.zeros(len(query))
    size = len(query) // heads
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        scores = keys[:, part] @ query[part] / math.sqrt(size)
        out[part] = softmax(scores, mask) @ values[:, part]
    return out


def fuse(p, features, present, s):
    """One clip: features {m: [T, D]}, present {m: [T]} -> f [T+1, D], mask [T+1]."""

    def mine(q, m):
        return q[m] if s.share == "modality" else q

    z, rows = {}, {}
    for m in s.names:
        kept = np.where(present[m][:, None], features[m], 0.0)
        z[m] = np.stack([p["first"][m], *kept]) + p["position"][: len(kept) + 1]
        rows[m] = np.array([present[m].any(), *present[m]])
    for i in range(s.layers):
        q = p[f"layer_{i:02d}"]

        def each(name, x, q=q):
            return {m: np.stack([norm(mine(q[name], m), r) for r in x[m]]) for m in s.names}

        x = each("norm_attention", z) if s.norm == "pre" else z
        query, key, value = (
            {m: x[m] @ q[n][m]["kernel"] for m in s.names} for n in ("query", "key", "value")
        )
        y = {}
        for m in s.names:
            y[m] = np.zeros_like(z[m])
            others = [n for n in s.names if n != m and rows[n].any()]
            for t in range(len(z[m])):
                inner = attend(query[m][t], key[m], value[m], rows[m], s.heads)
                cross = np.zeros(s.width)
                for n in others:
                    found = attend(query[m][t], key[n], value[n], rows[n], s.heads)
                    cross += found / len(others)
                parts = {"inner": inner, "cross": cross}
                y[m][t] = sum(parts[n] @ mine(q["output"][n], m)["kernel"] for n in s.parts)
        z = {m: z[m] + y[m] for m in s.names}
        z = each("norm_attention", z) if s.norm == "post" else z
        x = each("norm_feedforward", z) if s.norm == "pre" else z
        for m in s.names:
            z[m] = z[m] + np.stack([feedforward(mine(q["feedforward"], m), r) for r in x[m]])
        z = each("norm_feedforward", z) if s.norm == "post" else z
    f, mask = np.zeros_like(z[s.names[0]]), np.zeros(len(z[s.names[0]]), bool)
    for t in range(len(f)):
        there = [m for m in s.names if rows[m][t]]
        for m in there:
            last = norm(mine(p["norm"], m), z[m][t]) if s.norm == "pre" else z[m][t]
            f[t] += last / len(there)
        mask[t] = bool(there)
    return f, mask


def decode(p, words, f, f_mask, s):
    """One comment alone: words [L] with its start token -> outputs [L, D], time query [D]."""
    x = np.stack([p["word"][w] + p["position"][i] for i, w in enumerate(words)])
    everyone = np.ones(len(words), bool)
    pre = s.norm == "pre"
    for i in range(s.layers):
        q = p[f"layer_{i:02d}"]

        def each(name, x, q=q):
            return np.stack([norm(q[name], r) for r in x])

        y = each("norm_self", x) if pre else x
        query, key, value = (y @ q["self"][n]["kernel"] for n in ("query", "key", "value"))
        found = [attend(r, key, value, everyone, s.heads) for r in query]
        x = x + np.stack(found) @ q["self"]["output"]["kernel"]
        x = x if pre else each("norm_self", x)
        y = each("norm_cross", x) if pre else x
        query, key, value = (
            a @ q["cross"][n]["kernel"] for n, a in (("query", y), ("key", f), ("value", f))
        )
        time_query = query[0]
        found = [attend(r, key, value, f_mask, s.heads) for r in query]
        x = x + np.stack(found) @ q["cross"]["output"]["kernel"]
        x = x if pre else each("norm_cross", x)
        y = each("norm_feedforward", x) if pre else x
        x = x + np.stack([feedforward(q["feedforward"], r) for r in y])
        x = x if pre else each("norm_feedforward", x)
    return (np.stack([norm(p["norm"], r) for r in x]) if pre else x), time_query, key
