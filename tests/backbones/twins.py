"""The same networks written for torch, with the names of the published checkpoints."""

import torch
from torch import nn


def sequence(plan, inputs):
    """A stack of 3 x 3 convolutions, ReLUs and halving poolings, as a torch Sequential."""
    layers = []
    for step in plan:
        if step == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(inputs, step[1], 3, padding=1), nn.ReLU()]
            inputs = step[1]
    return nn.Sequential(*layers)


class Vggish(nn.Module):
    """torchvggish: 96 x 64 log-mel -> 128 with a ReLU at the end."""

    def __init__(self, plan, flat, hidden, width):
        super().__init__()
        self.features = sequence(plan, 1)
        self.embeddings = nn.Sequential(
            nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, width), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x):
        x = self.features(x[:, None])
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))


class Vgg16(nn.Module):
    """torchvision's layout; the classifier has no say in the last pooling's mean."""

    def __init__(self, plan, classes=5):
        super().__init__()
        self.features = sequence(plan, 3)
        self.classifier = nn.Sequential(nn.Linear(4, classes))

    def forward(self, x):  # [B, H, W, 3]
        return self.features(x.permute(0, 3, 1, 2)).mean((2, 3))


class OpenPose(nn.Module):
    """The body network with body_pose_model.pth's names; answers trunk, limbs and joints."""

    def __init__(self, trunk, stages, stage_plan, width, maps=57):
        super().__init__()
        self.plan, self.stages, self.stage_plan = trunk, stages, stage_plan
        inputs = 3
        for step in trunk:
            if step != "pool":
                self.add_module(step[0], nn.Conv2d(inputs, step[1], 3, padding=1))
                inputs = step[1]
        for stage in range(1, stages + 1):
            for branch in (1, 2):
                inputs = width + (maps if stage > 1 else 0)
                for name, size, out in stage_plan(stage, branch):
                    self.add_module(name, nn.Conv2d(inputs, out, size, padding=size // 2))
                    inputs = out

    def trunk(self, x):  # [B, H, W, 3]
        x = x.permute(0, 3, 1, 2)
        for step in self.plan:
            if step == "pool":
                x = nn.functional.max_pool2d(x, 2, 2)
            else:
                x = self.get_submodule(step[0])(x).relu()
        return x

    def forward(self, x):
        features = self.trunk(x)
        x, answers = features, []
        for stage in range(1, self.stages + 1):
            answers = []
            for branch in (1, 2):
                h = x
                *inner, last = self.stage_plan(stage, branch)
                for name, _, _ in inner:
                    h = self.get_submodule(name)(h).relu()
                answers.append(self.get_submodule(last[0])(h))
            x = torch.cat([*answers, features], 1)
        return tuple(a.permute(0, 2, 3, 1) for a in (features, *answers))


class Added(nn.Module):
    """What follows the trunk for actions: groups of convolution and pooling, a dense layer."""

    def __init__(self, plan, inputs, flat, width):
        super().__init__()
        self.groups = sequence(plan, inputs)
        self.dense = nn.Linear(flat, width)

    def forward(self, x):  # [B, H, W, D]
        x = self.groups(x.permute(0, 3, 1, 2))
        return self.dense(x.permute(0, 2, 3, 1).flatten(1))
