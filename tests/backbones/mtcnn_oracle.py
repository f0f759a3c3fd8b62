"""What MTCNN does around its networks, a box at a time in NumPy; the networks are handed in."""

import numpy as np

F = np.float32


def area(picture, height, width):
    """Every new pixel is the mean of the old ones that its cell touches."""
    for axis, count in enumerate((height, width)):
        length = picture.shape[axis]
        cells = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
        parts = [picture.take(range(*cell), axis).mean(axis, dtype=np.float64) for cell in cells]
        picture = np.stack(parts, axis)
    return picture.astype(F)


def normalised(x):
    return (x - F(127.5)) * F(0.0078125)


def overlap(a, b, edge, smaller):
    w = max(min(a[2], b[2]) - max(a[0], b[0]) + edge, 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]) + edge, 0)
    sizes = [(x[2] - x[0] + edge) * (x[3] - x[1] + edge) for x in (a, b)]
    common = w * h
    return common / (min(sizes) if smaller else sum(sizes) - common)


def survivors(found, threshold, edge=0, smaller=False):
    """found: dicts with box and score; the best, and what no better one covers."""
    kept = []
    for one in sorted(found, key=lambda d: -d["score"]):
        if all(overlap(k["box"], one["box"], edge, smaller) <= threshold for k in kept):
            kept.append(one)
    return kept


def moved(box, by, edge):
    w, h = box[2] - box[0] + edge, box[3] - box[1] + edge
    return np.array([box[0] + by[0] * w, box[1] + by[1] * h, box[2] + by[2] * w,
                     box[3] + by[3] * h], F)  # fmt: skip


def squared(box):
    w, h = box[2] - box[0], box[3] - box[1]
    side = max(w, h)
    x, y = box[0] + w * F(0.5) - side * F(0.5), box[1] + h * F(0.5) - side * F(0.5)
    return np.array([x, y, x + side, y + side], F)


def crop(picture, box, size):
    """The part inside the picture, counted from 1; nothing where none is."""
    x1, y1, x2, y2 = (int(v) for v in box)
    x1, y1 = max(x1, 1), max(y1, 1)
    x2, y2 = min(x2, picture.shape[1]), min(y2, picture.shape[0])
    if y2 <= y1 - 1 or x2 <= x1 - 1:
        return None
    return normalised(area(picture[y1 - 1 : y2, x1 - 1 : x2], size, size))


def detect(picture, nets, s):
    """picture uint8 [H, W, 3], nets {name: f(x [1, H, W, 3]) -> answers} -> list of faces."""
    height, width = picture.shape[:2]
    scale, found = 12 / s.smallest, []
    while min(height, width) * scale >= 12 * (1 - 1e-12):
        small = area(picture, int(height * scale + 1), int(width * scale + 1))
        scores, by = (a[0] for a in nets["pnet"](normalised(small)[None]))
        here = []
        for y, x in np.ndindex(scores.shape):
            if scores[y, x] >= s.thresholds[0]:
                start = np.array([x, y], F) * 2
                ends = np.floor((start + F(1)) / F(scale)), np.floor((start + F(12)) / F(scale))
                here.append(dict(box=np.concatenate(ends), score=scores[y, x], by=by[y, x]))
        found += survivors(here, 0.5)
        scale *= s.factor
    found = survivors(found, 0.7)
    boxes = [squared(moved(f["box"], f["by"], 0)) for f in found]

    found = []
    for box in boxes:
        part = crop(picture, box, 24)
        if part is not None:
            score, by = (a[0] for a in nets["rnet"](part[None]))
            if score > s.thresholds[1]:
                found.append(dict(box=box, score=score, by=by))
    found = survivors(found, 0.7)
    boxes = [squared(moved(f["box"], f["by"], 1)) for f in found]

    found = []
    for box in boxes:
        part = crop(picture, box, 48)
        if part is not None:
            score, by, points = (a[0] for a in nets["onet"](part[None]))
            if score > s.thresholds[2]:
                w, h = box[2] - box[0] + 1, box[3] - box[1] + 1
                x, y = points[:5] * w + box[0] - 1, points[5:] * h + box[1] - 1
                found.append(dict(box=moved(box, by, 1), score=score, points=np.stack([x, y], 1)))
    return survivors(found, 0.7, 1, smaller=True)
