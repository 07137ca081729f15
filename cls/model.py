"""Classification network, which gives CAMs, and integral attention model, which gives OA-CAMs (paper 3.1)."""

import math
from typing import Any, NamedTuple

import torch
from torch import nn

from cls.architecture import NETWORKS, ClassifierArch
from cls.glore import GloRe, LocalUnit
from common.nets import architecture
from common.nets.vgg import vgg_features


class Classifier(nn.Module):
    """VGG16 trunk, three 3x3 convolutions, GloRe, ReLU, 1x1 convolution to the C classes.

    (B, 3, H, W) -> class maps (B, C, h, w), not yet rectified; their global average is the logit of a class.
    h and w are H / 8 and W / 8, for the usual output stride. Parameters have the names of the published checkpoints.
    """

    description = ClassifierArch

    def __init__(self, arch: ClassifierArch):
        super().__init__()
        self.arch = arch
        unit = LocalUnit if arch.local_unit else GloRe
        width = arch.channels[-1]
        self.features = vgg_features(arch)
        self.extra_convs_1 = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
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


class FBROutput(NamedTuple):
    """What a classifier in FBR's training gives: class maps (B, C, h, w), which stand on `features` (B, K, h, w).

    `foreground` and `background` (B, D, h, w) are the projections, `segmentation` (B, h, w) the logits of background;
    None for what was not asked for.
    """

    maps: torch.Tensor
    features: torch.Tensor
    foreground: torch.Tensor | None
    background: torch.Tensor | None
    segmentation: torch.Tensor | None


class FBRClassifier(Classifier):
    """Classifier with the heads of FBR (Yin et al., TCSVT 2024), which exist in training only.

    1x1 projections of the features after the third ReLU, without bias, to `embedding` numbers, then ReLU. `projections`
    "two" has one for foreground and one for background, of which `foreground` and `background` say whether they are
    needed; "shared" one for both; "none" takes the features themselves. `segmentation` adds a 1x1 convolution on the
    background's. Heads are drawn aside of PyTorch's random state, so that the classifier starts as without them.
    """

    def __init__(
        self,
        arch: ClassifierArch,
        projections: str = "two",
        embedding: int = 128,
        relu: bool = True,
        foreground: bool = True,
        background: bool = True,
        segmentation: bool = True,
    ):
        super().__init__(arch)
        self.projections, self.relu = projections, relu
        self.width = arch.channels[-1] if projections == "none" else embedding
        names = {
            "two": ["foreground"] * foreground + ["background"] * background,
            "shared": ["both"] * (foreground or background),
            "none": [],
        }
        self.needs = {"foreground": foreground, "background": background}
        with torch.random.fork_rng(devices=[]):
            self.heads = nn.ModuleDict()
            for name in names[projections]:
                self.heads[name] = nn.Conv2d(arch.channels[-1], embedding, 1, bias=False)
                nn.init.xavier_uniform_(self.heads[name].weight)
            if segmentation:
                self.heads["segmentation"] = nn.Conv2d(self.width, 1, 1)

    def project(self, features: torch.Tensor, name: str) -> torch.Tensor | None:
        """Projection "foreground" or "background" of the features, (B, D, h, w); None if it is not needed."""
        if not self.needs[name]:
            return None
        if self.projections == "none":
            return features
        projected = self.heads["both" if self.projections == "shared" else name](features)
        return projected.relu() if self.relu else projected

    def touch_heads(self) -> torch.Tensor | float:
        """0, with a gradient of 0 for each head: several processes wait for the gradient of every parameter."""
        return sum(0 * parameter.sum() for parameter in self.heads.parameters())

    def forward(self, x: torch.Tensor, kept: torch.Tensor | None = None) -> FBROutput:
        """Images (B, 3, H, W); `kept` (B, D, h, w) float, the factors of the dropout before the segmentation."""
        x = self.features(x)
        x = self.extra_convs_1(x)
        x = self.extra_convs_2(x)
        features = self.extra_convs_3[0](x)  # (B, K, h, w)
        foreground = self.project(features, "foreground")
        background = foreground  # one projection for both, computed once
        if self.projections == "two" or foreground is None or not self.needs["background"]:
            background = self.project(features, "background")
        segmentation = None
        if "segmentation" in self.heads:
            segmentation = self.heads["segmentation"](background if kept is None else background * kept)[:, 0]
        return FBROutput(self.extra_convs_3[1](features), features, foreground, background, segmentation)


def build(**arch: Any) -> Classifier:
    """Build the network that a weight file's `arch` describes, the fields of its `network`'s description by name.

    Raises InputError if it describes no such network.
    """
    return architecture.build(arch, NETWORKS, "network")


def build_fbr(heads: dict[str, Any], **arch: Any) -> FBRClassifier:
    """Build the classifier with FBR's heads, given by the arguments of FBRClassifier by name. Raises as `build`."""
    return FBRClassifier(architecture.describe(arch, {"classifier": ClassifierArch}, "network"), **heads)


def parameter_groups(model: nn.Module, lr: float) -> list[dict]:
    """Parameter groups of SGD: lr for the trunk's weights, x2 for its biases, x10 and x20 in the head (and batch norm).

    `scale` is a group's factor.
    """
    groups = {1: [], 2: [], 10: [], 20: []}
    for name, parameter in model.named_parameters():
        scale = 1 if name.startswith("features") else 10
        groups[scale if name.endswith("weight") else 2 * scale].append(parameter)
    return [{"params": params, "lr": scale * lr, "scale": scale} for scale, params in groups.items()]
