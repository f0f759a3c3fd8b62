"""PyTorch twins of the pre-training step, written from the same equations for comparison of speed.

`Plain` is how one writes it by hand: every comment a sequence of its own, padded to the longest of
the batch, with the video's representation repeated for each. `Packed` lays a clip's comments end to
end, makes the video's keys and values once, and carries the last layer on for the masked words
alone, exactly as ours does. Both read all segments of all modalities: no mask for those.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.benchmarks import torch_fusion


class Layer(nn.Module):
    """The parameters of one decoder layer."""

    def __init__(self, width, ffn):
        super().__init__()

        def attention():
            names = ("query", "key", "value", "output")
            return nn.ModuleDict({n: nn.Linear(width, width, bias=False) for n in names})

        self.self, self.cross = attention(), attention()
        self.feedforward = nn.ModuleDict(
            {"in": nn.Linear(width, ffn), "out": nn.Linear(ffn, width)}
        )
        for name in ("norm_self", "norm_cross", "norm_feedforward"):
            setattr(self, name, nn.LayerNorm(width, eps=1e-6))

    def forward(self, x, f, heads, mask, within):
        x = self.attend_self(x, heads, mask, within)
        return self.rest(x, f, heads)

    def attend_self(self, x, heads, mask, within):
        y = self.norm_self(x)
        q, k, v = (self.self[n](y) for n in ("query", "key", "value"))
        return x + self.self["output"](within(q, k, v, mask, heads))

    def rest(self, x, f, heads):
        y = self.norm_cross(x)
        q, k, v = self.cross["query"](y), self.cross["key"](f), self.cross["value"](f)
        x = x + self.cross["output"](attend(q, k, v, None, heads))
        hidden = F.gelu(self.feedforward["in"](self.norm_feedforward(x)))
        return x + self.feedforward["out"](hidden)


def attend(q, k, v, mask, heads):
    """q [B, Q, D], k and v [B, K, D], mask [B, 1, Q or 1, K] -> [B, Q, D]."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


class Twin(nn.Module):
    """What both forms share: the video's representation, the embeddings, the two losses."""

    def __init__(self, s, fusion):
        super().__init__()
        self.heads, self.longest = s.heads, s.max_words + 1
        self.project = nn.ModuleDict({m: nn.Linear(w, s.width) for m, w in s.modalities.items()})
        names = tuple(sorted(s.modalities))
        self.fusion = fusion(names, s.segments, s.width, s.layers, s.ffn)
        self.layers = nn.ModuleDict(
            {f"layer_{i:02d}": Layer(s.width, s.ffn) for i in range(s.decoder_layers)}
        )
        self.word = nn.Embedding(s.words, s.width)
        self.position = nn.Parameter(torch.zeros(s.max_words + 1, s.width))
        self.norm = nn.LayerNorm(s.width, eps=1e-6)
        self.head = nn.Linear(s.width, s.words)

    def represent(self, batch):
        return self.fusion({m: p(batch[m]) for m, p in self.project.items()})

    def losses(self, words, query, key, batch):
        """words [P, D] at the masked slots, query [C, D] of each comment, key [C, T, D]."""
        nll = F.cross_entropy(self.head(words), batch["masked_word"], reduction="none")
        word = (nll * batch["masked_share"]).sum() / batch["comments"]
        scores = torch.einsum("cd,ctd->ct", query, key) * query.shape[-1] ** -0.5
        time = F.cross_entropy(scores, batch["segment"], reduction="sum") / batch["comments"]
        return word + time


class Plain(Twin):
    """Comments [C, L] of the whole batch, the video of each repeated [C, T+1, D]."""

    def forward(self, batch):
        f = self.represent(batch)[batch["video"]]
        x = self.word(batch["tokens"]) + self.position[: batch["tokens"].shape[1]]
        *early, last = self.layers.values()
        for layer in early:
            x = layer(x, f, self.heads, batch["mask"], attend)
        x = last.attend_self(x, self.heads, batch["mask"], attend)
        query = last.cross["query"](last.norm_cross(x[:, 0]))
        x = self.norm(last.rest(x, f, self.heads))
        words = x[batch["masked_comment"], batch["masked_at"]]
        return self.losses(words, query, last.cross["key"](f)[:, 1:], batch)


class Packed(Twin):
    """Comments of a clip end to end [B, N]; blocks of tokens see themselves and two neighbours."""

    def forward(self, batch):
        f = self.represent(batch)
        x = self.word(batch["tokens"]) + self.position[batch["position"]]
        *early, last = self.layers.values()
        for layer in early:
            x = layer(x, f, self.heads, batch["mask"], self.within)
        x = last.attend_self(x, self.heads, batch["mask"], self.within)
        width = x.shape[-1]
        start = x.gather(1, batch["comment_at"][..., None].expand(-1, -1, width))
        query = last.cross["query"](last.norm_cross(start))[batch["comment"]]
        slots = x.gather(1, batch["slot_at"][..., None].expand(-1, -1, width))
        words = self.norm(last.rest(slots, f, self.heads)).flatten(0, 1)
        key = last.cross["key"](f)[:, 1:]
        return self.losses(words, query, key[batch["video"]], batch)

    def within(self, q, k, v, mask, heads):
        """As `attend_within` of ours; mask [B * blocks, 1, longest, 3 * longest]."""
        batch, tokens, width = q.shape
        longest = self.longest
        blocks = tokens // longest

        def cut(x):
            return x.reshape(batch, blocks, longest, width)

        def near(x):
            x = F.pad(cut(x), (0, 0, 0, 0, 1, 1))
            x = torch.cat([x[:, i : i + blocks] for i in range(3)], dim=2)
            return x.flatten(0, 1)

        y = attend(cut(q).flatten(0, 1), near(k), near(v), mask, heads)
        return y.reshape(batch, tokens, width)


def plain_batch(batch, names):
    """Our arrays -> those of `Plain`."""
    group, rows = batch["token_comment"], []
    for b, c in np.argwhere(batch["comment_weight"] > 0):
        rows.append((b, c, batch["tokens"][b][group[b] == c + 1]))
    number = {(b, c): i for i, (b, c, _) in enumerate(rows)}
    longest = max(len(tokens) for *_, tokens in rows)
    tokens = np.zeros((len(rows), longest), np.int64)
    for row, (*_, own) in zip(tokens, rows):
        row[: len(own)] = own
    there = np.arange(longest) < np.array([len(own) for *_, own in rows])[:, None]
    slots = np.argwhere(batch["masked_comment"] > 0)
    owner = [(b, batch["masked_comment"][b, p] - 1) for b, p in slots]
    out = {
        "tokens": tokens,
        "mask": there[:, None, None],
        "video": [b for b, *_ in rows],
        "masked_comment": [number[pair] for pair in owner],
        "masked_at": [batch["masked_at"][b, p] - batch["comment_at"][b, c]
                      for (b, p), (_, c) in zip(slots, owner)],
        "masked_word": batch["masked_word"][batch["masked_comment"] > 0],
        "masked_share": share(batch)[batch["masked_comment"] > 0],
        "segment": batch["comment_segment"][batch["comment_weight"] > 0],
    }  # fmt: skip
    return tensors(out | features(batch, names), batch)


def packed_batch(batch, names, longest):
    """Our arrays -> those of `Packed`."""
    group = batch["token_comment"]
    if group.shape[1] % longest:
        raise ValueError("the twin takes whole blocks of tokens")
    cut = group.reshape(len(group), -1, longest)
    near = np.pad(cut, ((0, 0), (1, 1), (0, 0)))
    near = np.concatenate([near[:, i : i + cut.shape[1]] for i in range(3)], axis=2)
    mask = cut[..., :, None] == near[..., None, :]  # padding sees padding, and is never read
    comments = np.nonzero(batch["comment_weight"] > 0)
    out = {
        "tokens": batch["tokens"],
        "position": batch["token_position"],
        "mask": mask.reshape(-1, 1, longest, 3 * longest),
        "comment_at": batch["comment_at"],
        "slot_at": batch["masked_at"],
        "masked_word": batch["masked_word"].reshape(-1),
        "masked_share": share(batch).reshape(-1),
        "segment": batch["comment_segment"][comments],
        "video": comments[0],
    }
    tree = tensors(out | features(batch, names), batch)
    tree["comment"] = tuple(torch.tensor(x) for x in comments)
    return tree


def features(batch, names):
    return {m: batch[f"features/{m}"].astype(np.float32) for m in names}


def share(batch):
    """[B, P]: one over the number of masked words of the slot's comment, 0 for padding."""
    owner = batch["masked_comment"]
    count = np.stack([np.bincount(row, minlength=owner.shape[1] + 1) for row in owner])
    own = np.take_along_axis(count, owner, axis=1)
    return np.where(owner > 0, 1 / np.maximum(own, 1), 0).astype(np.float32)


def tensors(out, batch):
    kinds = {np.dtype(bool): torch.bool, np.dtype(np.float32): torch.float32}
    arrays = {name: np.asarray(x) for name, x in out.items()}
    found = {n: torch.tensor(x, dtype=kinds.get(x.dtype, torch.int64)) for n, x in arrays.items()}
    return found | {"comments": float((batch["comment_weight"] > 0).sum())}


def to(tree, device):
    if isinstance(tree, tuple):
        return tuple(x.to(device) for x in tree)
    return {k: x if isinstance(x, float) else to(x, device) if isinstance(x, tuple)
            else x.to(device) for k, x in tree.items()}  # fmt: skip


def ours(name, tree, words):
    """Our array that stands for a twin's parameter, in the twin's orientation."""
    first, _, rest = name.partition(".")
    if first == "fusion":
        return torch_fusion.ours(rest.removeprefix("inner."), tree["fusion"])
    if first == "project":
        return torch_fusion.ours(rest, tree["project"])
    p = tree["decoder"]
    if first == "layers":
        node = p
        *path, last = rest.split(".")
        for step in path:
            node = node[step]
        if last == "bias":
            return node["bias"]
        return node["kernel"].T if "kernel" in node else node["scale"]
    return {
        "word.weight": lambda: p["word"][:words],
        "position": lambda: p["position"],
        "norm.weight": lambda: p["norm"]["scale"],
        "norm.bias": lambda: p["norm"]["bias"],
        "head.weight": lambda: p["head"]["kernel"].T[:words],
        "head.bias": lambda: p["head"]["bias"][:words],
    }[name]()


def load(model, tree, words):
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.tensor(np.array(ours(name, tree, words))))
