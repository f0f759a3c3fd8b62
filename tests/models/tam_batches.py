"""Small random batches that keep the contract of the model's input."""

import numpy as np

MODALITIES = {"audio": 3, "image": 5, "motion": 4}


def random_batch(
    seed=0,
    batch=3,
    segments=5,
    tokens=24,
    comments=6,
    masked=8,
    words=40,
    max_words=4,
    modalities=MODALITIES,
    real=False,
):
    """real=True fills every segment, token, slot and comment; otherwise padding abounds."""
    rng = np.random.default_rng(seed)
    out = {"weight": np.ones(batch, np.float32)}
    for m, width in modalities.items():
        out[f"features/{m}"] = rng.normal(size=(batch, segments, width)).astype(np.float16)
        ends = np.full(batch, segments) if real else rng.integers(1, segments + 1, batch)
        out[f"present/{m}"] = np.arange(segments) < ends[:, None]
    integers = {
        name: np.zeros((batch, size), np.int32)
        for name, size in {
            "tokens": tokens,
            "token_comment": tokens,
            "token_position": tokens,
            "masked_at": masked,
            "masked_word": masked,
            "masked_comment": masked,
            "comment_at": comments,
            "comment_segment": comments,
        }.items()
    }
    out |= integers | {"comment_weight": np.zeros((batch, comments), np.float32)}
    seen = np.any([out[f"present/{m}"] for m in modalities], axis=0)
    for b in range(batch):
        at, slot = 0, 0
        for c in range(comments):
            length = max_words if real else int(rng.integers(1, max_words + 1))
            count = 1 if not real else -(-masked // comments)
            count = min(count, length, masked - slot)
            if at + length + 1 > tokens or count < 1:
                break
            ids = rng.integers(4, words, length)
            hidden = rng.choice(length, count, replace=False)
            span = slice(at, at + length + 1)
            out["tokens"][b, span] = np.r_[2, ids]
            out["tokens"][b, at + 1 + hidden] = 3
            out["token_comment"][b, span] = c + 1
            out["token_position"][b, span] = np.arange(length + 1)
            out["masked_at"][b, slot : slot + count] = at + 1 + hidden
            out["masked_word"][b, slot : slot + count] = ids[hidden]
            out["masked_comment"][b, slot : slot + count] = c + 1
            out["comment_at"][b, c] = at
            out["comment_segment"][b, c] = rng.choice(np.flatnonzero(seen[b]))
            out["comment_weight"][b, c] = 1
            at, slot = at + length + 1, slot + count
    return out
