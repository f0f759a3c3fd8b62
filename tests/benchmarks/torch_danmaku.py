"""A PyTorch twin of the recurrent part of `danmaku`, its gatings and its mixture, as people write.

Parameters have our names where torch's modules do not give others.
"""

import numpy as np
import torch
from torch import nn

from affectjax.layers.recurrent import Recurrent


class Gating(nn.Module):
    """x times the sigmoid of its own product."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return x * torch.sigmoid(self.linear(x))


class Twin(nn.Module):
    """{m: [B, T, D]} -> logarithms of distributions [B, T, K]: clamp, then softmax."""

    def __init__(self, widths, hidden, experts, outputs):
        super().__init__()
        self.names = sorted(widths)
        self.recurrent = nn.ModuleDict(
            {m: nn.GRU(widths[m], hidden, 2, batch_first=True) for m in self.names}
        )
        width = len(widths) * hidden
        self.before, self.after = Gating(width), Gating(outputs)
        self.gate = nn.Linear(width, experts)
        self.expert = nn.Linear(width, experts * outputs)
        self.experts = experts

    def forward(self, features):
        y = torch.cat([self.recurrent[m](features[m])[0] for m in self.names], dim=-1)
        y = self.before(y)
        answers = self.expert(y).unflatten(-1, (self.experts, -1))
        y = (self.gate(y).softmax(-1)[..., None] * answers).sum(-2)
        return self.after(y).clamp(0, 1).log_softmax(-1)


def load(twin, p, hidden):
    """Our parameters, as nested dicts of arrays, into the twin."""
    mixture, gating = p["mixture"], p["gating"]
    kernel = np.asarray(mixture["experts"]["kernel"])  # [E, D, K]
    pairs = [
        (twin.before.linear, gating["before"]["kernel"], gating["before"]["bias"]),
        (twin.after.linear, gating["after"]["kernel"], gating["after"]["bias"]),
        (twin.gate, mixture["gate"]["kernel"], mixture["gate"]["bias"]),
        (
            twin.expert,
            kernel.transpose(1, 0, 2).reshape(kernel.shape[1], -1),
            np.asarray(mixture["experts"]["bias"]).reshape(-1),
        ),
    ]
    with torch.no_grad():
        for linear, weight, bias in pairs:
            linear.weight.copy_(torch.tensor(np.array(weight).T))
            linear.bias.copy_(torch.tensor(np.array(bias)))
        for m in twin.names:
            _load_gru(twin.recurrent[m], p["recurrent"][m], hidden)


def _load_gru(gru, p, hidden):
    for i in range(gru.num_layers):
        q = p[f"layer_{i}"]["forward"]
        own = np.zeros(3 * hidden, np.float32)
        own[2 * hidden :] = q["recurrent"]["bias"]
        given = {
            "weight_ih": np.array(q["input"]["kernel"]).T,
            "weight_hh": np.array(q["recurrent"]["kernel"]).T,
            "bias_ih": np.array(q["input"]["bias"]),
            "bias_hh": own,
        }
        for name, value in given.items():
            getattr(gru, f"{name}_l{i}").copy_(torch.tensor(value))


def recurrent_gradients(gru, width, hidden):
    """The gradients of a GRU in our layout, but for the biases, of which torch has two."""
    from affectjax.layers.recurrent import from_torch

    found = {name: value.grad.numpy() for name, value in gru.named_parameters()}
    tree = from_torch(found, Recurrent("gru", width, hidden, gru.num_layers))
    for layer in tree.values():
        del layer["forward"]["input"]["bias"]
    return tree
