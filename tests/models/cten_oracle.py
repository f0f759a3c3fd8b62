"""CTEN's equations written out one video, one segment and one number at a time."""

import math

import numpy as np


def softmax(row):
    top = max(row)
    e = [math.exp(x - top) for x in row]
    return [x / sum(e) for x in e]


def affine(p, x):
    return [sum(x[i] * p["kernel"][i][j] for i in range(len(x))) + p["bias"][j]
            for j in range(len(p["bias"]))]  # fmt: skip


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b))


def gathered(query, keys, values, there, width):
    """One row of S V among the segments that are there."""
    seen = [s for s in range(len(keys)) if there[s]]
    if not seen:
        return [0.0] * width
    weights = softmax([dot(query, keys[s]) / math.sqrt(width) for s in seen])
    return [sum(w * values[s][c] for w, s in zip(weights, seen)) for c in range(width)]


def attention(p, x, there):
    """ReLU(W1 W2 x + b), zero where nothing is."""
    score = [dot(p["score"]["kernel"][:, 0], x[t]) if there[t] else 0.0 for t in range(len(x))]
    out = []
    for t in range(len(x)):
        mixed = sum(score[s] * p["mix"]["kernel"][s][t] for s in range(len(x)))
        out.append(max(0.0, mixed + p["mix"]["bias"][t]) if there[t] else 0.0)
    return out


def normalised(a, there):
    known = [x for x, t in zip(a, there) if t]
    if not known or max(known) == min(known):
        return [0.0] * len(a)
    low, high = min(known), max(known)
    return [(x - low) / (high - low) if t else 0.0 for x, t in zip(a, there)]


def read(p, features, there, intra=True, inter=True, pooling="mean"):
    """features {m: [T][C]}, there {m: [T]} of one video -> (attention {m: [T]}, logits [K])."""
    names, parts, found = sorted(features), [], {}
    for m in names:
        x = np.asarray(features[m], float)
        width, enhanced = x.shape[1], []
        for t in range(len(x)):
            terms = []
            if intra:
                q = affine(p["correlation"][m]["theta"], x[t])
                keys = [affine(p["correlation"][m]["phi"], row) for row in x]
                values = [affine(p["correlation"][m]["g"], row) for row in x]
                z = gathered(q, keys, values, there[m], width)
                gate = float(p["correlation"][m]["intra"][0])
                terms.append([f + gate * v for f, v in zip(x[t], z)])
            if inter:
                other = next(n for n in names if n != m)
                y = np.asarray(features[other], float)
                q = affine(p["correlation"][m]["theta"], x[t])
                keys = [affine(p["correlation"][other]["phi"], row) for row in y]
                values = [affine(p["correlation"][other]["g"], row) for row in y]
                u = gathered(q, keys, values, there[other], width)
                gate = float(p["correlation"][m]["inter"][0])
                terms.append([f + gate * v for f, v in zip(x[t], u)])
            enhanced.append([sum(v) for v in zip(*terms)] if terms else list(x[t]))
        found[m] = attention(p["attention"][m], enhanced, there[m])
        over = max(sum(map(bool, there[m])), 1) if pooling == "mean" else 1
        steps = range(len(x))
        parts += [sum(found[m][t] * enhanced[t][c] for t in steps) / over for c in range(width)]
    return found, affine(p["head"], parts)


def erased(found, there, theta):
    """Eq. 9: {m: [T]} of the segments where all streams that are there reach theta."""
    star = {m: normalised(a, there[m]) for m, a in found.items()}
    steps = range(len(next(iter(found.values()))))
    both = [
        any(there[m][t] for m in found) and all(star[m][t] >= theta for m in found if there[m][t])
        for t in steps
    ]
    return {m: [both[t] and bool(there[m][t]) for t in steps] for m in found}


def loss(p, features, there, label, theta, intra=True, inter=True, pooling="mean"):
    """({look: cross-entropy}, was the key set empty, was the left set empty) of one video."""
    found, logits = read(p, features, there, intra, inter, pooling)
    key = erased(found, there, theta)
    left = {m: [t and not k for t, k in zip(there[m], key[m])] for m in key}
    out, empty = {"whole": logits}, []
    for name, chosen in (("key", key), ("left", left)):
        empty.append(not any(any(c) for c in chosen.values()))
        out[name] = read(p, features, there if empty[-1] else chosen, intra, inter, pooling)[1]
    return {name: -math.log(softmax(list(x))[label]) for name, x in out.items()}, *empty
