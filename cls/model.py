"""Classification network, which gives CAMs, and integral attention model, which gives OA-CAMs (paper 3.1)."""

import math

import torch
from torch import nn

from cls.architecture import NETWORKS, ClassifierArch
from cls.glore import GloRe, LocalUnit
from common.nets.architecture import builder, is_timm
from common.nets.timm_backbone import TimmBackbone
from common.nets.vgg import vgg_features


class CAMNetwork(nn.Module):
    """Base of the networks that give class maps: a pretrained backbone, `features`, and new modules on it."""

    bias_scale = 2  # learning rate of biases relative to weights
    default_input_size: int | None = 256  # of cls.infer, for files that name none (the published ones)

    def head_modules(self) -> list[nn.Module]:
        """Modules that are new: all but the backbone."""
        return [module for name, module in self.named_children() if name != "features"]

    def parameter_groups(self, lr: float) -> list[dict]:
        """Parameter groups of SGD: lr for the backbone's weights, x2 for its biases, x10 and x20 in the new modules.

        `scale` is a group's factor (paper 4.1); with a `bias_scale` of 1 there are two groups. Frozen parameters are in
        no group.
        """
        new = {parameter for module in self.head_modules() for parameter in module.parameters()}
        groups = {1: [], self.bias_scale: [], 10: [], 10 * self.bias_scale: []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                scale = 10 if parameter in new else 1
                groups[scale * self.bias_scale if name.endswith("bias") else scale].append(parameter)
        return [{"params": params, "lr": scale * lr, "scale": scale} for scale, params in groups.items()]


class Classifier(CAMNetwork):
    """VGG16, or a network of timm, as backbone, three 3x3 convolutions, GloRe, ReLU, 1x1 convolution to the C classes.

    (B, 3, H, W) -> class maps (B, C, h, w), not yet rectified; their global average is the logit of a class.
    h and w are H / 8 and W / 8, for the usual output stride. Parameters have the names of the published checkpoints.
    """

    description = ClassifierArch

    def __init__(self, arch: ClassifierArch):
        super().__init__()
        self.arch = arch
        unit = LocalUnit if arch.local_unit else GloRe
        width = arch.channels[-1]
        if is_timm(arch.backbone):
            self.features = TimmBackbone(arch.backbone, arch.output_stride)
            channels = self.features.out_channels
        else:
            self.features, channels = vgg_features(arch), width
        self.extra_convs_1 = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.extra_convs_2 = unit(width, arch.nodes) if arch.glore else nn.Identity()
        self.extra_convs_3 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(width, arch.classes, 1))
        self.initialise_head()

    def initialise_head(self) -> None:
        """Initialise with variance 2 / (k k out) and zero biases, as published, with 20 as the number of classes.

        With the number itself logits and their gradients grow as classes get fewer, and at the paper's learning rate
        the training with six ends in NaN; with two it still does (docs/paper.md). The graph's 1-d convolutions keep
        PyTorch's initialisation.
        """
        for name, module in self.named_modules():
            if name.startswith("extra") and isinstance(module, nn.Conv2d):
                outputs = 20 if module is self.extra_convs_3[-1] else module.out_channels
                fan_out = module.kernel_size[0] * module.kernel_size[1] * outputs
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)  # (B, K, h, w)
        x = self.extra_convs_1(x)
        x = self.extra_convs_2(x)
        return self.extra_convs_3(x)  # (B, C, h, w)


class IntegralAttention(Classifier):
    """Integral attention model of OAA (Jiang et al., ICCV 2019): the classifier, trained on accumulated maps.

    As published, its third ReLU is before GloRe instead of after it, and new layers keep PyTorch's initialisation.
    """

    def __init__(self, arch: ClassifierArch):
        super().__init__(arch)
        self.extra_convs_1.append(nn.ReLU(inplace=True))
        self.extra_convs_3 = nn.Sequential(self.extra_convs_3[-1])

    def initialise_head(self) -> None:
        """Keep PyTorch's initialisation."""


build = builder(NETWORKS, "network")
