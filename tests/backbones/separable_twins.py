"""Networks of depthwise convolutions written for torch, with the names of the checkpoints."""

import torch
from torch import nn


class Separable(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class XceptionBlock(nn.Module):
    def __init__(self, inputs, outputs, count, stride, relu_first=True, wide_first=True):
        super().__init__()
        parts = []
        for i in range(count):
            widened = wide_first if i == 0 else (wide_first or i == count - 1)
            before = outputs if wide_first and i else inputs
            after = outputs if widened else inputs
            parts += [nn.ReLU(), Separable(before, after), nn.BatchNorm2d(after)]
        parts = parts if relu_first else parts[1:]
        if stride != 1:
            parts.append(nn.MaxPool2d(3, stride, 1))
        self.rep = nn.Sequential(*parts)
        if stride != 1 or inputs != outputs:
            self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        side = self.skipbn(self.skip(x)) if hasattr(self, "skip") else x
        return self.rep(x) + side


class Xception(nn.Module):
    """[B, H, W, 3] -> the map, the pooled features and what the dense layers make of them."""

    def __init__(self, stem, entry, middle, leave, face, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, stem[0], 3, 2, bias=False), nn.BatchNorm2d(stem[0])
        self.conv2, self.bn2 = nn.Conv2d(*stem, 3, bias=False), nn.BatchNorm2d(stem[1])
        width, blocks = stem[1], []
        for i, wide in enumerate(entry):
            blocks.append(XceptionBlock(width, wide, 2, 2, relu_first=i > 0))
            width = wide
        blocks += [XceptionBlock(width, width, 3, 1) for _ in range(middle)]
        blocks.append(XceptionBlock(width, leave[0], 2, 2, wide_first=False))
        for i, block in enumerate(blocks, 1):
            self.add_module(f"block{i}", block)
        self.blocks = len(blocks)
        self.conv3, self.bn3 = Separable(*leave[:2]), nn.BatchNorm2d(leave[1])
        self.conv4, self.bn4 = Separable(*leave[1:]), nn.BatchNorm2d(leave[2])
        self.face = face
        if face:
            self.fc = nn.Sequential(nn.Linear(leave[2], face), nn.ReLU(), nn.Linear(face, classes))
        else:
            self.last_linear = nn.Linear(leave[2], classes)

    def forward(self, x):
        x = x.movedim(-1, 1)
        for i in (1, 2):
            x = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)).relu()
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"block{i}")(x)
        for i in (3, 4):
            x = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)).relu()
        pooled = x.mean((2, 3))
        answers = {"map": x.movedim(1, -1), "pooled": pooled}
        if self.face:
            return answers | {"face": self.fc[:2](pooled), "classes": self.fc(pooled)}
        return answers | {"classes": self.last_linear(pooled)}


class Gate(nn.Module):
    def __init__(self, width, inner, names):
        super().__init__()
        self.names = names
        self.add_module(names[0], nn.Conv2d(width, inner, 1))
        self.add_module(names[1], nn.Conv2d(inner, width, 1))

    def forward(self, x):
        reduce, widen = (self.get_submodule(name) for name in self.names)
        y = widen(nn.functional.silu(reduce(x.mean((2, 3), keepdim=True))))
        return x * y.sigmoid()


def conv(inputs, outputs, window, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, window, stride, window // 2, groups=groups, bias=False)


class TorchvisionBlock(nn.Module):
    def __init__(self, inputs, outputs, expansion, window, stride):
        super().__init__()
        inner = inputs * expansion
        unit = lambda *a: nn.Sequential(conv(*a), nn.BatchNorm2d(a[1]), nn.SiLU())  # noqa: E731
        parts = [unit(inputs, inner, 1)] if expansion != 1 else []
        parts.append(unit(inner, inner, window, stride, inner))
        parts.append(Gate(inner, max(1, inputs // 4), ("fc1", "fc2")))
        parts.append(nn.Sequential(conv(inner, outputs, 1), nn.BatchNorm2d(outputs)))
        self.block = nn.Sequential(*parts)
        self.same = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.block(x) if self.same else self.block(x)


class TimmBlock(nn.Module):
    def __init__(self, inputs, outputs, expansion, window, stride):
        super().__init__()
        inner = inputs * expansion
        self.wide = expansion != 1
        names = ["conv_pw", "conv_dw", "conv_pwl"] if self.wide else ["conv_dw", "conv_pw"]
        plans = {
            "conv_dw": (inner, inner, window, stride, inner),
            names[-1]: (inner, outputs, 1),
        }
        if self.wide:
            plans["conv_pw"] = (inputs, inner, 1)
        self.order = names
        for i, name in enumerate(names, 1):
            self.add_module(name, conv(*plans[name]))
            self.add_module(f"bn{i}", nn.BatchNorm2d(plans[name][1]))
        self.se = Gate(inner, max(1, inputs // 4), ("conv_reduce", "conv_expand"))
        self.same = stride == 1 and inputs == outputs

    def forward(self, x):
        y = x
        for i, name in enumerate(self.order, 1):
            if i == len(self.order):
                y = self.se(y)
            y = self.get_submodule(f"bn{i}")(self.get_submodule(name)(y))
            y = nn.functional.silu(y) if i < len(self.order) else y
        return x + y if self.same else y


def stage(make, inputs, expansion, window, stride, outputs, count):
    widths = [inputs] + [outputs] * count
    steps = [stride] + [1] * count
    return nn.Sequential(
        *(make(widths[i], outputs, expansion, window, steps[i]) for i in range(count))
    )


class EfficientNet(nn.Module):
    """[B, H, W, 3] -> the map and, behind the pooling, the classes."""

    def __init__(self, s, timm):
        super().__init__()
        inputs, stages = s.stem, []
        for step in s.stages:
            stages.append(stage(TimmBlock if timm else TorchvisionBlock, inputs, *step))
            inputs = step[3]
        self.timm = timm
        first, last = conv(3, s.stem, 3, 2), conv(inputs, s.features, 1)
        if timm:
            self.conv_stem, self.bn1 = first, nn.BatchNorm2d(s.stem)
            self.blocks = nn.Sequential(*stages)
            self.conv_head, self.bn2 = last, nn.BatchNorm2d(s.features)
            self.classifier = nn.Linear(s.features, s.classes)
        else:
            ends = [
                nn.Sequential(c, nn.BatchNorm2d(c.out_channels), nn.SiLU()) for c in (first, last)
            ]
            self.features = nn.Sequential(ends[0], *stages, ends[1])
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(s.features, s.classes))

    def forward(self, x):
        x = x.movedim(-1, 1)
        if self.timm:
            x = nn.functional.silu(self.bn1(self.conv_stem(x)))
            x = nn.functional.silu(self.bn2(self.conv_head(self.blocks(x))))
        else:
            x = self.features(x)
        return {"map": torch.movedim(x, 1, -1), "classes": self.classifier(x.mean((2, 3)))}
