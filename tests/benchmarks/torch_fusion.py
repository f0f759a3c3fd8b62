"""PyTorch twins of the fusion stack, written from the same equations for comparison of speed.

`Modules` is how one writes it by hand: `nn.Linear`, `nn.LayerNorm`, and one
`scaled_dot_product_attention` a pair of modalities. `Algebra` mirrors our own form: plain
parameters, one product for all pairs, a softmax a pair.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    """One fusion layer over {m: [B, S, D]}."""

    def __init__(self, names, width, ffn):
        super().__init__()
        self.names = names

        def square():
            return nn.ModuleDict({m: nn.Linear(width, width, bias=False) for m in names})

        self.query, self.key, self.value = square(), square(), square()
        self.output = nn.Linear(2 * width, width, bias=False)
        self.norm_attention = nn.LayerNorm(width, eps=1e-6)
        self.norm_feedforward = nn.LayerNorm(width, eps=1e-6)
        self.feedforward = nn.ModuleDict(
            {"in": nn.Linear(width, ffn), "out": nn.Linear(ffn, width)}
        )

    def forward(self, z):
        x = {m: self.norm_attention(z[m]) for m in self.names}
        q = {m: self.query[m](x[m]) for m in self.names}
        k = {m: self.key[m](x[m]) for m in self.names}
        v = {m: self.value[m](x[m]) for m in self.names}
        out = {}
        for m in self.names:
            found = {
                n: F.scaled_dot_product_attention(q[m][:, None], k[n][:, None], v[n][:, None])
                for n in self.names
            }
            cross = sum(found[n] for n in self.names if n != m) / (len(self.names) - 1)
            joined = torch.cat([found[m], cross], dim=-1)[:, 0]
            y = z[m] + self.output(joined)
            hidden = F.gelu(self.feedforward["in"](self.norm_feedforward(y)))
            out[m] = y + self.feedforward["out"](hidden)
        return out


class Modules(nn.Module):
    """The stack as people write it; parameter names are our path names."""

    def __init__(self, names, segments, width, layers, ffn):
        super().__init__()
        self.names = names
        for i in range(layers):
            self.add_module(f"layer_{i:02d}", Layer(names, width, ffn))
        self.count = layers
        self.first = nn.ParameterDict({m: torch.zeros(width) for m in names})
        self.position = nn.Parameter(torch.zeros(segments + 1, width))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, features):
        z = {}
        for m in self.names:
            first = self.first[m].expand(features[m].shape[0], 1, -1)
            z[m] = torch.cat([first, features[m]], dim=1) + self.position
        for i in range(self.count):
            z = getattr(self, f"layer_{i:02d}")(z)
        return sum(self.norm(z[m]) for m in self.names) / len(self.names)


class Algebra(nn.Module):
    """The stack in our own form: joined pairs, masks, two-dimensional products."""

    def __init__(self, names, segments, width, layers, ffn):
        super().__init__()
        self.names, self.count, self.width = names, layers, width
        self.inner = Modules(names, segments, width, layers, ffn)  # holds the parameters alone

    def forward(self, features):
        p, names = self.inner, self.names
        batch, segments, width = features[names[0]].shape
        rows, modalities = segments + 1, len(names)
        first = torch.stack([p.first[m] for m in names])[:, None, None]
        x = torch.stack([features[m] for m in names])
        z = torch.cat([first.expand(modalities, batch, 1, width), x], dim=2) + p.position
        z = z.reshape(modalities, batch * rows, width)
        other = 1.0 - torch.eye(modalities)
        for i in range(self.count):
            q = getattr(p, f"layer_{i:02d}")
            x = q.norm_attention(z)
            query, key, value = (
                torch.stack([x[j] @ w[m].weight.T for j, m in enumerate(names)])
                .reshape(modalities, batch, rows, width)
                .transpose(0, 1)
                .reshape(batch, modalities * rows, width)
                for w in (q.query, q.key, q.value)
            )
            scores = (query @ key.transpose(1, 2)) * width**-0.5
            weights = scores.reshape(batch, modalities, rows, modalities, rows).softmax(-1)
            own = weights.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)
            inner = own @ value.reshape(batch, modalities, rows, width)
            weights = weights * (other / (modalities - 1))[None, :, None, :, None]
            cross = weights.reshape(batch, modalities * rows, modalities * rows) @ value
            joined = torch.cat([inner, cross.reshape(inner.shape)], dim=-1)
            joined = joined.transpose(0, 1).reshape(modalities * batch * rows, 2 * width)
            z = z.reshape(-1, width) + joined @ q.output.weight.T
            hidden = F.gelu(q.feedforward["in"](q.norm_feedforward(z)))
            z = (z + q.feedforward["out"](hidden)).reshape(modalities, batch * rows, width)
        z = p.norm(z).mean(0)
        return z.reshape(batch, rows, width)


def load(model, parameters):
    """Our nested dict of arrays [in, out] -> the twin's parameters [out, in]."""
    owner = model.inner if isinstance(model, Algebra) else model
    with torch.no_grad():
        for name, value in owner.named_parameters():
            value.copy_(torch.tensor(ours(name, parameters)))


def ours(name, tree):
    """Our array that stands for the twin's parameter `name`, in the twin's orientation."""
    *path, last = name.split(".")
    if path and path[-1] == "output":
        parts = [tree[path[0]]["output"][part]["kernel"] for part in ("inner", "cross")]
        return np.concatenate(parts).T
    for step in path:
        tree = tree[step]
    if last == "weight":
        return tree["kernel"].T if "kernel" in tree else tree["scale"]
    return tree[last]


def gradients(model):
    """{twin's parameter name: gradient}."""
    owner = model.inner if isinstance(model, Algebra) else model
    return {name: value.grad.numpy() for name, value in owner.named_parameters()}
