"""DeepLabV3+ (Chen et al., ECCV 2018) in its essentials: low-level features beside the ASPP's."""

from dataclasses import dataclass

import torch
from torch import nn

from common.nets.architecture import one_of
from common.nets.aspp import ASPP, initialise_convolutions
from common.nets.resnet import ResNet
from seg.architecture import DeepLabResNetArch
from seg.deeplab import DeepLab, resize


@dataclass(frozen=True, kw_only=True)
class PlusArch(DeepLabResNetArch):
    """A ResNet as DeepLab-v2's."""

    backbone: str = one_of("plus")


class Decoder(nn.Module):
    """Features at strides 4 and 8 -> logits (B, outputs, ~H/4, ~W/4)."""

    def __init__(self, low, high, width, outputs, rates):
        super().__init__()
        self.low = nn.Conv2d(low, width, 1)
        self.high = ASPP(high, width, rates)
        self.last = nn.Conv2d(2 * width, outputs, 3, padding=1)

    def forward(self, low, high):
        high = resize(self.high(high), low.shape[2:])
        return self.last(torch.cat([self.low(low), high], dim=1).relu())


class DeepLabV3Plus(DeepLab, ResNet):
    """(B, 3, H, W) -> logits (B, C + 1, ~H/4, ~W/4)."""

    description = PlusArch

    def __init__(self, arch):
        super().__init__(arch.blocks, arch.width, arch.convention)
        self.arch = arch
        initialise_convolutions(self)
        self.decoder = Decoder(4 * arch.width, self.out_channels, 4 * arch.width, arch.classes + 1, arch.rates)

    def forward(self, x):
        low = self.layer2(self.layer1(x))
        return self.decoder(low, self.layer5(self.layer4(self.layer3(low))))

    def head_modules(self):
        return [self.decoder]

    def classifiers(self):
        return [self.decoder.last]
