"""ResNet as the backbone of DeepLab-v2 (Chen et al., section 3.1), with the parameter names of published checkpoints.

Names as in github.com/kazuto1011/deeplab-pytorch, on which NSROM builds: `layer1` is the stem, `layer2` to `layer5` are
conv2_x to conv5_x of the ResNet paper.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from common.nets.architecture import ResNetArch
from common.nets.batch_norm import Frozen

UNITS = {"1": "reduce", "2": "conv3x3", "3": "increase"}  # of a bottleneck, by torchvision's numbers


def conv_bn(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution that keeps the size (but for its stride), batch norm and, with `relu`, ReLU."""
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False)
    layers = OrderedDict(conv=conv, bn=nn.BatchNorm2d(out_channels, eps=1e-5))
    if relu:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1 and a shortcut; the stride is the 3x3's in torchvision, the first 1x1's in Caffe."""

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        stride: int,
        dilation: int,
        convention: str,
        project: bool,
    ):
        super().__init__()
        stride_1x1, stride_3x3 = (stride, 1) if convention == "caffe" else (1, stride)
        self.reduce = conv_bn(in_channels, mid_channels, 1, stride_1x1)
        self.conv3x3 = conv_bn(mid_channels, mid_channels, 3, stride_3x3, dilation)
        self.increase = conv_bn(mid_channels, out_channels, 1, relu=False)
        self.shortcut = conv_bn(in_channels, out_channels, 1, stride, relu=False) if project else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.increase(self.conv3x3(self.reduce(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """(B, 3, H, W) -> (B, 32 width, ~H/8, ~W/8): ResNet's convolutions at output stride 8.

    `depths`, `strides` and `dilations` are those of conv2_x to conv5_x, `width` is the stem's number of channels. A
    stage's stride is its first block's, its dilation each block's. With the convention "caffe" the stem's max-pool also
    rounds its output size up.
    """

    def __init__(
        self,
        depths: Sequence[int],
        width: int,
        convention: str,
        strides: Sequence[int] = (1, 2, 1, 1),
        dilations: Sequence[int] = (1, 1, 2, 4),
    ):
        super().__init__()
        pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=convention == "caffe")
        self.layer1 = nn.Sequential(OrderedDict(conv1=conv_bn(3, width, 7, stride=2), pool=pool))
        in_channels = width
        for stage, (depth, stride, dilation) in enumerate(zip(depths, strides, dilations)):
            mid_channels = width << stage
            out_channels = 4 * mid_channels
            blocks = OrderedDict()
            for i in range(1, depth + 1):
                first = i == 1
                blocks[f"block{i}"] = Bottleneck(
                    in_channels, mid_channels, out_channels, stride if first else 1, dilation, convention, first
                )
                in_channels = out_channels
            self.add_module(f"layer{stage + 2}", nn.Sequential(blocks))
        self.out_channels = in_channels

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Features before any head."""
        x = self.layer1(x)  # (B, width, ~H/4, ~W/4)
        x = self.layer2(x)  # (B, 4 width, ~H/4, ~W/4)
        x = self.layer3(x)  # (B, 8 width, ~H/8, ~W/8)
        x = self.layer4(x)  # (B, 16 width, ~H/8, ~W/8)
        return self.layer5(x)  # (B, 32 width, ~H/8, ~W/8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


class ResNetStride16(ResNet):
    """(B, 3, H, W) -> (B, 32 width, ~H/16, ~W/16): torchvision's ResNet, the last stage without stride, as in IRN."""

    def __init__(self, arch: ResNetArch):
        super().__init__(arch.blocks, arch.width, "torchvision", strides=(1, 2, 2, 1), dilations=(1, 1, 1, 1))


class TrainedResNet(Frozen, ResNetStride16):
    """ResNetStride16 as irn and AMN train it: batch norm keeps its statistics, but its weights and biases are trained.

    The first `frozen` of layer1 (the stem) to layer5 are not trained at all, and no gradient is computed for them.
    """

    def __init__(self, arch: ResNetArch, frozen: int):
        super().__init__(arch)
        for stage in range(1, frozen + 1):
            getattr(self, f"layer{stage}").requires_grad_(False)
        self.eval()


def from_torchvision_resnet(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the tensors of torchvision's ResNet of bottlenecks to our names, without `fc`."""
    return {_our_name(name): tensor for name, tensor in state.items() if not name.startswith("fc.")}


def _our_name(name):
    """layer1.0.conv2.weight -> layer2.block1.conv3x3.conv.weight, conv1.weight -> layer1.conv1.conv.weight, …"""
    if stem := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"layer1.conv1.{stem[1]}.{stem[2]}"
    if unit := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)([123])\.(\w+)", name):
        return f"layer{int(unit[1]) + 1}.block{int(unit[2]) + 1}.{UNITS[unit[4]]}.{unit[3]}.{unit[5]}"
    if shortcut := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\.(\w+)", name):
        kind = "conv" if shortcut[3] == "0" else "bn"
        return f"layer{int(shortcut[1]) + 1}.block{int(shortcut[2]) + 1}.shortcut.{kind}.{shortcut[4]}"
    return name
