"""IRN's classification network, which gives CAMs (Ahn et al., CVPR 2019, as published)."""

import torch
from torch import nn

from cls.architecture import IRNClassifierArch
from cls.glore import GloRe
from cls.model import CAMNetwork
from common.nets.resnet import TrainedResNet


class IRNClassifier(CAMNetwork):
    """ResNet at output stride 16, trained after its second stage, and a 1x1 convolution to the C classes.

    (B, 3, H, W) -> class maps (B, C, ~H/16, ~W/16), not yet rectified; their global average is the logit of a class,
    as the convolution has no bias. With `arch.glore`, which is not published, GloRe and ReLU come before it.
    """

    description = IRNClassifierArch
    bias_scale = 1
    default_input_size = None  # after training on crops images keep their aspect ratio

    def __init__(self, arch: IRNClassifierArch):
        super().__init__()
        self.arch = arch
        self.features = TrainedResNet(arch, frozen=3)  # the stem and two stages
        channels = self.features.out_channels
        self.unit = nn.Sequential(GloRe(channels, arch.nodes), nn.ReLU(inplace=True)) if arch.glore else nn.Identity()
        self.classifier = nn.Conv2d(channels, arch.classes, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.unit(self.features(x)))
