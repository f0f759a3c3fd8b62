"""Residual networks written for torch, with torchvision's and the Kinetics checkpoints' names."""

import torch
from torch import nn


def layers(axes):
    if axes == 2:
        return nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d
    return nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d


class Block(nn.Module):
    """Two windows of three, or one, three, one; the sum passes a ReLU."""

    def __init__(self, axes, kind, inputs, width, stride, shortcut):
        super().__init__()
        conv, norm, _ = layers(axes)
        outputs = width * (4 if kind == "bottleneck" else 1)
        if kind == "basic":
            plan = [(inputs, width, 3, stride), (width, width, 3, 1)]
        else:
            plan = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        self.count, self.stride, self.outputs = len(plan), stride, outputs
        for i, (a, b, window, step) in enumerate(plan, 1):
            self.add_module(f"conv{i}", conv(a, b, window, step, window // 2, bias=False))
            self.add_module(f"bn{i}", norm(b))
        if shortcut == "B" and (stride != 1 or inputs != outputs):
            self.downsample = nn.Sequential(
                conv(inputs, outputs, 1, stride, bias=False), norm(outputs)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            y = y.relu() if i < self.count else y
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        elif self.stride != 1 or x.shape[1] != self.outputs:
            pool = nn.functional.avg_pool3d if x.ndim == 5 else nn.functional.avg_pool2d
            x = pool(x, 1, self.stride)
            new = torch.zeros(x.shape[0], self.outputs - x.shape[1], *x.shape[2:])
            x = torch.cat([x, new], 1)
        return (x + y).relu()


class Residual(nn.Module):
    """[B, *space, channels] -> the last map and, with a classifier, its scores."""

    def __init__(self, s):
        super().__init__()
        axes = len(s.stem)
        conv, norm, pool = layers(axes)
        padding = [size // 2 for size in s.stem]
        self.conv1 = conv(s.channels, s.width, s.stem, s.stem_stride, padding, bias=False)
        self.bn1, self.maxpool = norm(s.width), pool(3, 2, 1)
        inputs = s.width
        for stage, count in enumerate(s.blocks, 1):
            blocks = []
            for i in range(count):
                stride = 2 if stage > 1 and i == 0 else 1
                width = s.width * 2 ** (stage - 1)
                blocks.append(Block(axes, s.block, inputs, width, stride, s.shortcut))
                inputs = blocks[-1].outputs
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.stages = len(s.blocks)
        if s.classes:
            self.fc = nn.Linear(inputs, s.classes)

    def forward(self, x):
        x = x.movedim(-1, 1)
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        answers = {"map": x.movedim(1, -1)}
        if hasattr(self, "fc"):
            answers["classes"] = self.fc(x.flatten(2).mean(2))
        return answers
