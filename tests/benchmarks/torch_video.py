"""PyTorch twins of VAANet and CTEN on features, and of VAANet whole, from the same equations."""

import torch
import torch.nn.functional as F
from torch import nn


class Temporal(nn.Module):
    """One weight a segment."""

    def __init__(self, width, segments):
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        self.mix = nn.Linear(segments, segments)

    def forward(self, x, there):
        score = self.score(x)[..., 0].masked_fill(~there, 0.0)
        return F.relu(self.mix(score)).masked_fill(~there, 0.0)


class CTEN(nn.Module):
    """Three looks, each through the whole model, as the paper says it."""

    def __init__(self, names, width, segments, classes, threshold):
        super().__init__()
        self.names, self.threshold = names, threshold
        self.correlation = nn.ModuleDict()
        for m in names:
            self.correlation[m] = nn.ModuleDict(
                {part: nn.Linear(width, width) for part in ("theta", "phi", "g")}
            )
            self.correlation[m].intra = nn.Parameter(torch.ones(1))
            self.correlation[m].inter = nn.Parameter(torch.ones(1))
        self.attention = nn.ModuleDict({m: Temporal(width, segments) for m in names})
        self.head = nn.Linear(len(names) * width, classes)

    def look(self, features, there):
        q, k, v = (
            {m: self.correlation[m][part](features[m]) for m in self.names}
            for part in ("theta", "phi", "g")
        )
        attention, parts = {}, []
        for m in self.names:
            x = torch.zeros_like(features[m])
            for n in self.names:
                found = F.scaled_dot_product_attention(
                    q[m], k[n], v[n], attn_mask=there[n][:, None, :]
                )
                gate = self.correlation[m].intra if n == m else self.correlation[m].inter
                x = x + features[m] + gate * found
            x = x.masked_fill(~there[m][..., None], 0.0)
            attention[m] = self.attention[m](x, there[m])
            count = there[m].sum(-1, keepdim=True)
            parts.append((attention[m][..., None] * x).sum(1) / count)
        return attention, self.head(torch.cat(parts, -1))

    def forward(self, features, there, label):
        attention, whole = self.look(features, there)
        key = torch.ones_like(label, dtype=torch.bool)[:, None]
        for m in self.names:
            a = attention[m].detach()
            low, high = a.amin(-1, keepdim=True), a.amax(-1, keepdim=True)
            key = key & ((a - low) / (high - low).clamp_min(1e-12) >= self.threshold)
        loss = F.cross_entropy(whole, label)
        for chosen in (key, ~key):
            chosen = chosen | ~chosen.any(-1, keepdim=True)
            loss = loss + F.cross_entropy(self.look(features, {m: chosen for m in there})[1], label)
        return loss


class VAANet(nn.Module):
    """Attention over cells, channels and time, and the penalised loss."""

    def __init__(
        self, cells, channels, sound, segments, classes, positive, penalty,
        sight_name="motion", sound_name="audio",
    ):  # fmt: skip
        super().__init__()
        self.cells, self.penalty = cells, penalty
        self.sight_name, self.sound_name = sight_name, sound_name
        self.register_buffer("positive", torch.tensor(positive))
        self.map = nn.ModuleDict({
            name: nn.ModuleDict({
                "score": nn.Linear(seen, 1, bias=False),
                "mix": nn.Linear(entries, entries, bias=False),
            })
            for name, seen, entries in (("spatial", channels, cells), ("channel", cells, channels))
        })  # fmt: skip
        self.attention = nn.ModuleDict(
            {sound_name: Temporal(sound, segments), sight_name: Temporal(channels, segments)}
        )
        self.head = nn.Linear(channels + sound, classes)

    def forward(self, features, there, label):
        x = features[self.sight_name]
        x = x.reshape(*x.shape[:2], self.cells, -1)
        spatial, channel = self.map["spatial"], self.map["channel"]
        weights = F.softmax(spatial["mix"](spatial["score"](x)[..., 0]), -1) * self.cells
        x = x * weights[..., None]
        scores = channel["mix"](channel["score"](x.transpose(2, 3))[..., 0])
        x = (x * (F.softmax(scores, -1) * x.shape[-1])[:, :, None]).mean(2)
        parts = []
        streams = {self.sound_name: features[self.sound_name], self.sight_name: x}
        for m, stream in sorted(streams.items()):
            parts.append((self.attention[m](stream, there[m])[..., None] * stream).sum(1))
        logits = self.head(torch.cat(parts, -1))
        wrong = self.positive[logits.argmax(-1)] != self.positive[label]
        loss = F.cross_entropy(logits, label, reduction="none")
        return (loss * (1 + self.penalty * wrong)).mean()


class Whole(nn.Module):
    """VAANet from frames and MFCC; the batch norm of the 3-D network keeps what it has stored."""

    def __init__(self, sight, sound, head, mean):
        super().__init__()
        self.sight, self.sound, self.head = sight, sound, head
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1, 1))
        self.train()

    def train(self, mode=True):
        super().train(mode)
        self.sight.eval()
        return self

    def forward(self, frames, mfcc, there, label):
        """frames uint8 [B, T, 3, F, H, W], mfcc [B, T, R, D]."""
        rows = frames.flatten(0, 1).float() - self.mean
        maps = self.sight(rows.movedim(1, -1))["map"].mean(1)  # the network turns it back
        heard = self.sound(mfcc.flatten(0, 1)[..., None])["map"].mean((1, 2))
        shape = frames.shape[:2]
        features = {"frames": maps.reshape(*shape, -1), "mfcc": heard.reshape(*shape, -1)}
        return self.head(features, there, label)


@torch.no_grad()
def load(model, params):
    """Our parameters by their paths: kernels turned, gates as they are."""
    own = dict(model.named_parameters())
    for path, value in params.items():
        name = path.replace("/", ".").replace(".kernel", ".weight")
        value = torch.tensor(value)
        own.pop(name).copy_(value.T if path.endswith("kernel") else value)
    if own:
        raise ValueError(f"parameters of the twin that ours lacks: {sorted(own)}")
