"""AMN: activation manipulation network (Lee et al., CVPR 2022), which makes better maps of a classifier's seeds."""

from typing import NamedTuple

import torch
from torch import nn

from cls.amn_architecture import NETWORKS, AMNArch, AMNResNetArch, AMNTimmArch, AMNVGGArch
from common.nets.architecture import builder
from common.nets.aspp import ASPP
from common.nets.resnet import TrainedResNet
from common.nets.timm_backbone import TimmBackbone
from common.nets.vgg import vgg_features


class AMNOutput(NamedTuple):
    """Features under the condition of the labels (B, K, h, w), and logits (B, C + 1, h, w); class 0 is background."""

    features: torch.Tensor
    logits: torch.Tensor


class AMN(nn.Module):
    """Images (B, 3, H, W), labels (B, C) of 0 and 1 -> AMNOutput, as published.

    The features of the backbone `features` are multiplied by a linear encoding of their image's labels, a factor for
    each of the K channels; dropout and dilated convolutions make logits of them.
    """

    def __init__(self, arch: AMNArch, features: nn.Module, channels: int):
        super().__init__()
        self.arch, self.features = arch, features
        self.label_encoding = nn.Linear(arch.classes, channels)
        self.dropout = nn.Dropout(0.1)
        self.aspp = ASPP(channels, arch.classes + 1, arch.rates)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> AMNOutput:
        features = self.features(x) * self.label_encoding(labels)[:, :, None, None]  # (B, K, h, w)
        return AMNOutput(features, self.aspp(self.dropout(features)))

    def parameter_groups(self, lr: float) -> list[dict]:
        """Parameter groups: lr for the backbone, x20 for all that is new (published). Frozen parameters are in none."""
        groups = {1: [], 20: []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                groups[1 if name.startswith("features.") else 20].append(parameter)
        return [{"params": params, "lr": scale * lr} for scale, params in groups.items()]


class AMNResNet50(AMN):
    """AMN on a ResNet, of which the stem is not trained."""

    description = AMNResNetArch

    def __init__(self, arch: AMNResNetArch):
        features = TrainedResNet(arch, frozen=1)
        super().__init__(arch, features, features.out_channels)


class AMNVGG16(AMN):
    """AMN on VGG16."""

    description = AMNVGGArch

    def __init__(self, arch: AMNVGGArch):
        super().__init__(arch, vgg_features(arch), arch.channels[-1])


class AMNTimm(AMN):
    """AMN on a network of timm."""

    description = AMNTimmArch

    def __init__(self, arch: AMNTimmArch):
        features = TimmBackbone(arch.backbone, arch.output_stride)
        super().__init__(arch, features, features.out_channels)


build = builder(NETWORKS, "backbone")
