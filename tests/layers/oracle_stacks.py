"""Slow, plain versions of the other fusions for one clip, in float64 NumPy, a loop an index."""

import itertools

import numpy as np

from tests.layers.oracle import ERF, attend, feedforward, norm


def readout(p, features, present, s):
    """features {m: [T, D]}, present {m: [T]} -> [R]."""
    if s.kind == "mult":
        return np.concatenate(mult(p, features, present, s))
    first = stacks(p, features, present, s)
    there = [bool(present[m].any()) for m in s.names]
    if s.kind == "gmu":
        return gmu(p["join"], first, there, s)
    if s.kind == "tensor":
        return tensor(p["join"], first, there, s)
    return np.concatenate(first)


def begin(p, x, there):
    """[T, D] -> rows with the first token and positions [T+1, D], which are there [T+1]."""
    kept = np.where(there[:, None], x, 0.0)
    return kept + p["position"][1 : len(kept) + 1], np.array([there.any(), *there])


def sublayer(q, x, apply, s):
    """Residual around `apply` over rows [N, D], with the norm `q` before it or after it."""

    def normed(rows):
        return np.stack([norm(q, r) for r in rows])

    return x + apply(normed(x)) if s.norm == "pre" else normed(x + apply(x))


def attention(q, x, source, rows, heads):
    """x [N, D] attends to source [K, D]."""
    query = x @ q["query"]["kernel"]
    key, value = (source @ q[name]["kernel"] for name in ("key", "value"))
    return np.stack([attend(r, key, value, rows, heads) for r in query]) @ q["output"]["kernel"]


def forward(q, x):
    return np.stack([feedforward(q, r) for r in x])


def stacks(p, features, present, s):
    z, rows = {}, {}
    for m in s.names:
        body, rows[m] = begin(p, features[m], present[m])
        z[m] = np.stack([p["first"][m] + p["position"][0], *body])
    if s.kind == "joint":
        return joint(p, z, rows, s)
    for i in range(s.layers):
        q = p[f"layer_{i:02d}"]
        for m in s.names:
            own = {n: q["attention"][n][m] for n in q["attention"]}
            z[m] = sublayer(
                q["norm_attention"][m],
                z[m],
                lambda x, own=own, m=m: attention(own, x, x, rows[m], s.heads),
                s,
            )
        if s.kind == "divide":
            for t in range(len(rows[s.names[0]])):
                at = np.stack([z[m][t] for m in s.names])
                there = np.array([rows[m][t] for m in s.names])
                at = sublayer(
                    q["norm_across"],
                    at,
                    lambda x, there=there, q=q: attention(q["across"], x, x, there, s.heads),
                    s,
                )
                for m, row in zip(s.names, at):
                    z[m][t] = row
        for m in s.names:
            z[m] = sublayer(
                q["norm_feedforward"][m],
                z[m],
                lambda x, m=m, q=q: forward(q["feedforward"][m], x),
                s,
            )
    out = []
    for m in s.names:
        first = norm(p["norm"][m], z[m][0]) if s.norm == "pre" else z[m][0]
        out.append(first if rows[m][0] else np.zeros(s.width))
    return out


def joint(p, z, rows, s):
    x = np.concatenate([z[m] + p["modality"][m] for m in s.names])
    there = np.concatenate([rows[m] for m in s.names])
    for i in range(s.layers):
        q = p[f"layer_{i:02d}"]
        x = sublayer(
            q["norm_attention"],
            x,
            lambda y, q=q: attention(q["attention"], y, y, there, s.heads),
            s,
        )
        x = sublayer(q["norm_feedforward"], x, lambda y, q=q: forward(q["feedforward"], y), s)
    length, out = len(rows[s.names[0]]), []
    for i, m in enumerate(s.names):
        first = x[i * length]
        first = norm(p["norm"], first) if s.norm == "pre" else first
        out.append(first if rows[m][0] else np.zeros(s.width))
    return out


def affine(q, x):
    return x @ q["kernel"] + q["bias"]


def gmu(p, first, there, s):
    everything = np.concatenate(first)
    out = np.zeros(s.width)
    for m, x, here in zip(s.names, first, there):
        gate = 1 / (1 + np.exp(-affine(p["gate"][m], everything)))
        out += gate * np.tanh(affine(p["own"][m], x)) * here
    return out


def tensor(p, first, there, s):
    if not any(there):
        return np.zeros(s.width)
    small = [[*(affine(p["small"][m], x) * here), 1.0] for m, x, here in zip(s.names, first, there)]
    product = np.array([np.prod(cell) for cell in itertools.product(*small)])
    y = affine(p["joined"], product)
    return y * 0.5 * (1 + ERF(y / 2**0.5))


def mult(p, features, present, s):
    z, rows = {}, {}
    for m in s.names:
        small = affine(p["small"][m], np.where(present[m][:, None], features[m], 0.0))
        body, rows[m] = begin(p, small, present[m])
        z[m] = np.stack([p["first"][m] + p["position"][0], *body])

    def stack(tree, x, source, there):
        for i in range(s.layers):
            q = tree[f"layer_{i:02d}"]

            def read(y, q=q):
                other = source
                if other is None:
                    other = y
                elif s.norm == "pre":
                    other = np.stack([norm(q["norm_attention"], r) for r in source])
                return attention(q["attention"], y, other, there, s.heads)

            x = sublayer(q["norm_attention"], x, read, s)
            x = sublayer(q["norm_feedforward"], x, lambda y, q=q: forward(q["feedforward"], y), s)
        return np.stack([norm(tree["norm"], r) for r in x]) if s.norm == "pre" else x

    out = []
    for m in s.names:
        read = [stack(p["read"][f"{m}_from_{n}"], z[m], z[n], rows[n]) for n in s.names if n != m]
        joined = np.concatenate(read, axis=1) if read else z[m]
        first = stack(p["memory"][m], joined, None, rows[m])[0]
        out.append(first if rows[m][0] else np.zeros_like(first))
    return out
