"""Classifier of paper 3.1 with FBR's losses, which exist in training only."""

from typing import Any

import torch

from cls.architecture import ClassifierArch
from cls.model import Classifier
from fbr.losses import FBR
from fbr.settings import Settings


class FBRClassifier(Classifier):
    """Classifier that gives the features that its last layer sees, too, and holds FBR on them as `fbr`.

    (B, 3, H, W) -> features (B, K, h, w), after the third ReLU, and class maps (B, C, h, w).
    """

    def __init__(self, arch: ClassifierArch, settings: Settings, seed: int):
        super().__init__(arch)
        self.fbr = FBR(arch.channels[-1], settings, seed)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.features(x)
        x = self.extra_convs_1(x)
        x = self.extra_convs_2(x)
        relu, to_classes = self.extra_convs_3
        features = relu(x)  # (B, K, h, w)
        return features, to_classes(features)


def build(settings: Settings, seed: int, **arch: Any) -> FBRClassifier:
    """Build it from the fields of a ClassifierArch by name. Raises InputError as these do."""
    return FBRClassifier(ClassifierArch(**arch), settings, seed)
