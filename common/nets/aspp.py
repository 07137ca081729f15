"""Atrous spatial pyramid pooling (DeepLab-v2, section 3.2), the head of DeepLab-v2 and of AMN."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: (B, K, h, w) -> logits (B, outputs, h, w), the sum of one branch a rate.

    A branch is one 3x3 convolution or, with `fc_channels`, VGG's three: fc6 3x3, the only dilated one, fc7 and fc8 1x1
    (DeepLab-v2, section 3.2 and figure 7). The weights of the convolutions that give logits are initialised from a
    normal distribution of standard deviation 0.01.
    """

    def __init__(self, in_channels: int, outputs: int, rates: Sequence[int], fc_channels: int = 0):
        super().__init__()
        for i, rate in enumerate(rates):
            atrous = nn.Conv2d(in_channels, fc_channels or outputs, 3, padding=rate, dilation=rate)
            self.add_module(f"c{i}", self.fc_branch(atrous, fc_channels, outputs) if fc_channels else atrous)
        initialise_convolutions(self)
        for classifier in self.classifiers():
            nn.init.normal_(classifier.weight, std=0.01)

    @staticmethod
    def fc_branch(fc6: nn.Conv2d, channels: int, outputs: int) -> nn.Sequential:
        """Branch of VGG's fully connected layers as convolutions: fc6, fc7, fc8, with ReLU and dropout between."""
        layers = OrderedDict(fc6=fc6, relu6=nn.ReLU(inplace=True), drop6=nn.Dropout(0.5))
        layers.update(fc7=nn.Conv2d(channels, channels, 1), relu7=nn.ReLU(inplace=True), drop7=nn.Dropout(0.5))
        layers.update(fc8=nn.Conv2d(channels, outputs, 1))
        return nn.Sequential(layers)

    def classifiers(self) -> list[nn.Conv2d]:
        """List the convolutions that give logits, one a branch."""
        return [getattr(branch, "fc8", branch) for branch in self.children()]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        # float32 in mixed precision too, so that the logits are also resized and compared in float32
        return sum(branch(features).float() for branch in self.children())


def initialise_convolutions(module: nn.Module) -> None:
    """He et al.'s normal initialisation of each convolution, with zero biases, for training from scratch."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
