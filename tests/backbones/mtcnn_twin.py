"""MTCNN's three networks written for torch, with facenet-pytorch's names."""

from torch import nn


class Net(nn.Module):
    """Convolutions, each with a PReLU and perhaps a pooling that reaches over the edge."""

    def __init__(self, convolutions, pools, dense, answers):
        super().__init__()
        inputs = 3
        for i, ((name, width, window), pool) in enumerate(zip(convolutions, pools), 1):
            self.add_module(name, nn.Conv2d(inputs, width, window))
            self.add_module(f"prelu{i}", nn.PReLU(width))
            if pool:
                self.add_module(f"pool{i}", nn.MaxPool2d(pool, 2, ceil_mode=True))
            inputs = width
        self.order = [name for name, *_ in convolutions]
        self.dense = dense[0] if dense else ""
        if dense:
            self.add_module(dense[0], nn.Linear(*dense[1:]))
            self.last = f"prelu{len(convolutions) + 1}"
            self.add_module(self.last, nn.PReLU(dense[2]))
        self.answers = [name for name, *_ in answers]
        for name, a, b in answers:
            self.add_module(name, nn.Linear(a, b) if dense else nn.Conv2d(a, b, 1))

    def forward(self, x):  # [B, H, W, 3]
        x = x.permute(0, 3, 1, 2)
        for i, name in enumerate(self.order, 1):
            x = self.get_submodule(f"prelu{i}")(self.get_submodule(name)(x))
            if hasattr(self, f"pool{i}"):
                x = self.get_submodule(f"pool{i}")(x)
        if self.dense:
            x = x.permute(0, 3, 2, 1).flatten(1)
            x = self.get_submodule(self.last)(self.get_submodule(self.dense)(x))
        score, *others = (self.get_submodule(name)(x) for name in self.answers)
        found = [score.softmax(1)[:, 1], *others]
        return found if self.dense else [found[0], found[1].permute(0, 2, 3, 1)]


class Mtcnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.pnet = Net(
            [("conv1", 10, 3), ("conv2", 16, 3), ("conv3", 32, 3)], [2, 0, 0], (),
            [("conv4_1", 32, 2), ("conv4_2", 32, 4)],
        )  # fmt: skip
        self.rnet = Net(
            [("conv1", 28, 3), ("conv2", 48, 3), ("conv3", 64, 2)], [3, 3, 0],
            ("dense4", 576, 128), [("dense5_1", 128, 2), ("dense5_2", 128, 4)],
        )  # fmt: skip
        self.onet = Net(
            [("conv1", 32, 3), ("conv2", 64, 3), ("conv3", 64, 3), ("conv4", 128, 2)],
            [3, 3, 2, 0], ("dense5", 1152, 256),
            [("dense6_1", 256, 2), ("dense6_2", 256, 4), ("dense6_3", 256, 10)],
        )  # fmt: skip
