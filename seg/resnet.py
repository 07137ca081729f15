"""The ResNet trunk of DeepLab-v2 (Chen et al., section 3.1), with the parameter names of the published checkpoints.

Names as in github.com/kazuto1011/deeplab-pytorch, on which NSROM builds: `layer1` is the stem, `layer2` to `layer5` are
conv2_x to conv5_x of the ResNet paper.
"""

from collections import OrderedDict

from torch import nn

from common.preprocess import check_convention

RESNET101_DEPTHS = (3, 4, 23, 3)


def conv_bn(in_channels, out_channels, kernel_size, stride=1, dilation=1, relu=True):
    """Convolution that keeps the size (but for its stride), batch norm, ReLU if asked for."""
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False)
    layers = OrderedDict(conv=conv, bn=nn.BatchNorm2d(out_channels, eps=1e-5))
    if relu:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut. The stride is the 3x3's in torchvision, the first 1x1's in Caffe."""

    def __init__(self, in_channels, mid_channels, out_channels, stride, dilation, convention, project):
        super().__init__()
        stride_1x1, stride_3x3 = (stride, 1) if convention == "caffe" else (1, stride)
        self.reduce = conv_bn(in_channels, mid_channels, 1, stride_1x1)
        self.conv3x3 = conv_bn(mid_channels, mid_channels, 3, stride_3x3, dilation)
        self.increase = conv_bn(mid_channels, out_channels, 1, relu=False)
        self.shortcut = conv_bn(in_channels, out_channels, 1, stride, relu=False) if project else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.increase(self.conv3x3(self.reduce(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """(B, 3, H, W) -> (B, 32 width, ~H/8, ~W/8): ResNet's convolutions at output stride 8.

    `depths` are the numbers of blocks of conv2_x to conv5_x, `width` is that of the stem, `strides` and `dilations`
    hold for conv2_x to conv5_x; a stage's stride is its first block's, its dilation every block's.
    Convention "caffe" also lets the stem's max-pool round its output size up. Raises InputError for an unknown one.
    """

    def __init__(
        self,
        depths=RESNET101_DEPTHS,
        width=64,
        convention="torchvision",
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
    ):
        super().__init__()
        check_convention(convention)
        self.convention = convention
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

    def features(self, x):
        x = self.layer1(x)  # (B, width, ~H/4, ~W/4)
        x = self.layer2(x)  # (B, 4 width, ~H/4, ~W/4)
        x = self.layer3(x)  # (B, 8 width, ~H/8, ~W/8)
        x = self.layer4(x)  # (B, 16 width, ~H/8, ~W/8)
        return self.layer5(x)  # (B, 32 width, ~H/8, ~W/8)

    def forward(self, x):
        return self.features(x)
