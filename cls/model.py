"""The classification network that gives CAMs, and the integral attention model that gives OA-CAMs (paper 3.1)."""

import math

from torch import nn

from cls.glore import GloRe, LocalUnit
from common.files import InputError
from common.vgg import VGG16_CHANNELS, VGG16_DEPTHS, vgg_features


class Classifier(nn.Module):
    """VGG16 trunk, three 3x3 convolutions, GloRe, ReLU, 1x1 convolution to the C classes.

    (B, 3, H, W) -> class maps (B, C, h, w), not yet rectified; their global average is the logit of a class.
    h and w are H / 8 and W / 8, for the usual `output_stride`.
    `glore=False` is the paper's baseline, `local_unit` a control. Parameters have the names of the published checkpoints.
    """

    def __init__(
        self,
        classes,
        channels=VGG16_CHANNELS,
        depths=VGG16_DEPTHS,
        batch_norm=False,
        output_stride=8,
        nodes=64,
        glore=True,
        local_unit=False,
    ):
        super().__init__()
        unit = LocalUnit if local_unit else GloRe
        width = channels[-1]
        self.features = vgg_features(channels, depths, batch_norm, output_stride)
        self.extra_convs_1 = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.extra_convs_2 = unit(width, nodes) if glore else nn.Identity()
        self.extra_convs_3 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(width, classes, 1))
        self.initialise_head()

    def initialise_head(self):
        """Normal with variance 2 / (k k out), zero biases, as published; the graph's 1-d convolutions keep PyTorch's."""
        for name, module in self.named_modules():
            if name.startswith("extra") and isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.features(x)  # (B, K, h, w)
        x = self.extra_convs_1(x)
        x = self.extra_convs_2(x)
        return self.extra_convs_3(x)  # (B, C, h, w)


class IntegralAttention(Classifier):
    """The integral attention model of OAA (Jiang et al., ICCV 2019): the classifier, trained on accumulated maps.

    As published, its third ReLU stands before GloRe instead of after it, and new layers keep PyTorch's initialisation.
    """

    def __init__(self, classes, **sizes):
        super().__init__(classes, **sizes)
        self.extra_convs_1.append(nn.ReLU(inplace=True))
        self.extra_convs_3 = nn.Sequential(self.extra_convs_3[-1])

    def initialise_head(self):
        pass


NETWORKS = {"classifier": Classifier, "iam": IntegralAttention}


def build(network, **sizes):
    """A network from the `arch` of a weight file: its kind, "classifier" or "iam", and its sizes."""
    if network not in NETWORKS:
        raise InputError(f"expected weights of a classifier or an iam, found {network!r}")
    return NETWORKS[network](**sizes)


def parameter_groups(model, lr):
    """SGD's groups: lr for the trunk's weights, x2 for its biases, x10 and x20 in the head (batch norm included)."""
    groups = {1: [], 2: [], 10: [], 20: []}
    for name, parameter in model.named_parameters():
        scale = 1 if name.startswith("features") else 10
        groups[scale if name.endswith("weight") else 2 * scale].append(parameter)
    return [{"params": params, "lr": scale * lr, "scale": scale} for scale, params in groups.items()]
