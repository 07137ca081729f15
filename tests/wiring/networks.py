"""The networks a second time, plainly, under the published parameter names, with PyTorch alone; see plain.py.

Their layers are made in the order of the project's own, so that a seed gives them the same initial weights.
"""

import math
from collections import OrderedDict

import torch
from torch import nn

NAMED = OrderedDict


def vgg(channels, depths, batch_norm=False, output_stride=8):
    """VGG16's trunk without pool 5: pools 1 to 3 halve, at output stride 4 only 1 and 2; conv5 is dilated."""
    layers, inputs = [], 3
    for stage in range(5):
        dilation = 2 if stage == 4 else 1
        for _ in range(depths[stage]):
            layers += [nn.Conv2d(inputs, channels[stage], 3, padding=dilation, dilation=dilation)]
            layers += [nn.BatchNorm2d(channels[stage])] if batch_norm else []
            layers += [nn.ReLU()]
            inputs = channels[stage]
        halves = stage < (3 if output_stride == 8 else 2)
        layers += [nn.MaxPool2d(2)] if halves else [nn.MaxPool2d(3, 1, 1)] if stage < 4 else []
    return nn.Sequential(*layers)


class Unit(nn.Module):
    """GloRe (paper, Eq. 1-3, as published), or the control that relates no regions (`graph=False`)."""

    def __init__(self, channels, nodes, graph):
        super().__init__()
        self.conv_state = nn.Conv2d(channels, 2 * nodes, 1)
        if graph:
            self.conv_proj = nn.Conv2d(channels, nodes, 1)
            self.gcn = nn.ModuleDict({"conv1": nn.Conv1d(nodes, nodes, 1)})
            self.gcn["conv2"] = nn.Conv1d(2 * nodes, 2 * nodes, 1, bias=False)
        self.conv_extend = nn.Conv2d(2 * nodes, channels, 1, bias=False)
        self.blocker = nn.BatchNorm2d(channels, eps=1e-4)
        self.graph = graph

    def forward(self, x):
        state = self.conv_state(x)
        if not self.graph:
            return x + self.blocker(self.conv_extend(state.relu()))
        projection = self.conv_proj(x).flatten(2)
        v = state.flatten(2) @ projection.transpose(1, 2)
        h = self.gcn["conv1"](v.transpose(1, 2)).transpose(1, 2) + v
        y = self.gcn["conv2"](h.relu()) @ projection
        return x + self.blocker(self.conv_extend(y.unflatten(2, x.shape[2:])))


class Classifier(nn.Module):
    """The classifier, or the integral attention model (`iam`): third ReLU before the unit, PyTorch's initialisation."""

    def __init__(self, classes, trunk, nodes, iam=False, glore=True, graph=True):
        super().__init__()
        width = trunk["channels"][-1]
        convolutions = []
        self.features = vgg(**trunk)
        for _ in range(3):
            convolutions += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.extra_convs_1 = nn.Sequential(*(convolutions if iam else convolutions[:-1]))
        self.extra_convs_2 = Unit(width, nodes, graph) if glore else nn.Identity()
        last = nn.Conv2d(width, classes, 1)
        self.extra_convs_3 = nn.Sequential(last) if iam else nn.Sequential(nn.ReLU(), last)
        if not iam:
            for part in (self.extra_convs_1, self.extra_convs_2):
                start_normal(part)
            torch.nn.init.normal_(last.weight, std=math.sqrt(2 / 20))  # as for 20 classes, whatever the number
            torch.nn.init.zeros_(last.bias)

    def forward(self, x):
        return self.extra_convs_3(self.extra_convs_2(self.extra_convs_1(self.features(x))))


def start_normal(module):
    """Normal with variance 2 / (k k out), biases 0, for each 2-d convolution."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (layer.kernel_size[0] ** 2 * layer.out_channels)))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Pyramid(nn.Module):
    """ASPP: the sum of the branches c0, c1, …, each a 3x3 convolution or fc6, fc7, fc8 with dropout."""

    def __init__(self, inputs, outputs, rates, fc_channels):
        super().__init__()
        for i, rate in enumerate(rates):
            branch = nn.Conv2d(inputs, fc_channels or outputs, 3, padding=rate, dilation=rate)
            if fc_channels:
                branch = nn.Sequential(NAMED(fc6=branch, relu6=nn.ReLU(), drop6=nn.Dropout(0.5)))
                branch.add_module("fc7", nn.Conv2d(fc_channels, fc_channels, 1))
                branch.add_module("relu7", nn.ReLU())
                branch.add_module("drop7", nn.Dropout(0.5))
                branch.add_module("fc8", nn.Conv2d(fc_channels, outputs, 1))
            setattr(self, f"c{i}", branch)
        start_normal(self)
        for branch in self.children():
            nn.init.normal_((branch.fc8 if fc_channels else branch).weight, std=0.01)

    def forward(self, x):
        return sum(branch(x).float() for branch in self.children())


class DeepLabVGG(nn.Module):
    def __init__(self, classes, trunk, rates, fc_channels):
        super().__init__()
        self.features = vgg(**trunk)
        self.features.append(nn.MaxPool2d(3, 1, 1))
        start_normal(self.features)
        self.aspp = Pyramid(trunk["channels"][-1], classes + 1, rates, fc_channels)

    def forward(self, x):
        return self.aspp(self.features(x))


def unit(inputs, outputs, kernel, stride=1, dilation=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=False)
    return nn.Sequential(NAMED(conv=conv, bn=nn.BatchNorm2d(outputs)))


class Block(nn.Module):
    def __init__(self, inputs, width, stride, dilation, caffe, project):
        super().__init__()
        self.reduce = unit(inputs, width, 1, stride if caffe else 1)
        self.conv3x3 = unit(width, width, 3, 1 if caffe else stride, dilation)
        self.increase = unit(width, 4 * width, 1)
        self.shortcut = unit(inputs, 4 * width, 1, stride) if project else nn.Identity()

    def forward(self, x):
        return (self.increase(self.conv3x3(self.reduce(x).relu()).relu()) + self.shortcut(x)).relu()


class DeepLabResNet(nn.Module):
    def __init__(self, classes, blocks, width, rates, caffe):
        super().__init__()
        self.layer1 = nn.Sequential(NAMED(conv1=unit(3, width, 7, 2)))
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=caffe)
        inputs = width
        for stage, (stride, dilation) in enumerate([(1, 1), (2, 1), (1, 2), (1, 4)]):
            layer = nn.Sequential()
            for i in range(blocks[stage]):
                own = Block(inputs, width * 2**stage, 1 if i else stride, dilation, caffe, project=i == 0)
                layer.add_module(f"block{i + 1}", own)
                inputs = 4 * width * 2**stage
            setattr(self, f"layer{stage + 2}", layer)
        start_normal(self)
        self.aspp = Pyramid(inputs, classes + 1, rates, None)

    def forward(self, x):
        x = self.pool(self.layer1(x).relu())
        return self.aspp(self.layer5(self.layer4(self.layer3(self.layer2(x)))))
