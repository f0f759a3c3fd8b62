"""torch.nn.LSTM and GRU beside ours: their weights, inputs, answers and gradients, small.

`python -m tests.layers.recurrent_twin` writes them to the golden files that are read where torch
is missing.
"""

import pathlib

import numpy as np

from affectjax.layers.recurrent import Recurrent

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
CELLS = ("lstm", "gru")
LENGTHS = np.array([6, 2, 4], np.int32)


def settings(cell):
    return Recurrent(cell, inputs=5, hidden=4, layers=2, bidirectional=True)


def answers(cell):
    """{name: array}: "weight/...", "x", "outputs", "last/hidden", and gradients of one number."""
    import torch

    s = settings(cell)
    torch.manual_seed(0)
    kind = torch.nn.LSTM if cell == "lstm" else torch.nn.GRU
    twin = kind(s.inputs, s.hidden, s.layers, batch_first=True, bidirectional=True)
    x = torch.randn(len(LENGTHS), int(LENGTHS.max()), s.inputs, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        x, torch.tensor(LENGTHS.astype(np.int64)), batch_first=True, enforce_sorted=False
    )
    y, last = twin(packed)
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    last = dict(zip(("hidden", "cell"), last if cell == "lstm" else (last,)))
    weigh = torch.linspace(-1, 1, y.numel()).reshape(y.shape)
    number = (y * weigh).sum() + sum(value.square().sum() for value in last.values())
    number.backward()
    found = {f"weight/{k}": v for k, v in twin.state_dict().items()}
    found |= {f"gradient/{k}": v.grad for k, v in twin.named_parameters()}
    found |= {f"last/{k}": v for k, v in last.items()}
    found |= {"x": x, "outputs": y, "gradient_x": x.grad}
    return {k: v.detach().numpy().copy() for k, v in found.items()}


def kept(cell):
    with np.load(GOLDEN / f"recurrent_{cell}.npz") as found:
        return {k: found[k] for k in found.files}


def under(found, prefix):
    """The part of {"prefix/name": array} by name."""
    return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}


if __name__ == "__main__":
    for cell in CELLS:
        np.savez_compressed(GOLDEN / f"recurrent_{cell}.npz", **answers(cell))
