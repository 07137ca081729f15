"""IRN: class boundaries and displacements on a frozen backbone (CVPR 2019, section 3; layers as published)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.nets.architecture import builder
from common.nets.resnet import ResNetStride16
from common.nets.timm_backbone import TimmBackbone
from common.nets.vgg import vgg_features
from irn.architecture import NETWORKS, STRIDE, IRNArch, IRNResNetArch, IRNTimmArch, IRNVGGArch
from stages.files import InputError


class IRNOutput(NamedTuple):
    """Logits of class boundaries (B, h, w), and displacements (B, 2, h, w): rows and columns, in pixels of this map.

    Both are float32, in mixed precision, too.
    """

    boundary: Tensor
    displacement: Tensor


class VGGStages(nn.Sequential):
    """VGG as five stages: (B, 3, H, W) -> five feature maps, the first at stride 2, the last at the output stride."""

    def __init__(self, arch: IRNVGGArch):
        super().__init__(*vgg_features(arch))
        self.out_channels = arch.channels

    def forward(self, x: Tensor) -> list[Tensor]:
        stages = []
        for layer in self:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                stages.append(x)
        return [*stages, x]


class ResNetStages(ResNetStride16):
    """ResNet as five stages: (B, 3, H, W) -> five feature maps at strides 4, 4, 8, 16, 16."""

    def __init__(self, arch: IRNResNetArch):
        super().__init__(arch)
        self.out_channels = [arch.width, *(arch.width << stage for stage in (2, 3, 4, 5))]

    def forward(self, x: Tensor) -> list[Tensor]:
        stages = []
        for name in ("layer1", "layer2", "layer3", "layer4", "layer5"):
            x = getattr(self, name)(x)
            stages.append(x)
        return stages


class TimmStages(TimmBackbone):
    """A network of timm: (B, 3, H, W) -> five feature maps. Raises InputError if it does not have five."""

    def __init__(self, arch: IRNTimmArch):
        super().__init__(arch.backbone, arch.output_stride)
        self.out_channels = self.body.feature_info.channels()
        if len(self.out_channels) != 5:
            raise InputError(f"{arch.backbone}: expected five feature maps for IRN, found {len(self.out_channels)}")

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.stages(x)


class Layer(nn.Sequential):
    """1x1 convolution without bias, group norm, then resizing to `size`, bilinear, and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, groups: int):
        super().__init__(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.GroupNorm(groups, out_channels))

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        convolution, norm = self
        x = norm(convolution(x).contiguous())  # channels last, group norm takes several times as long on a CPU
        if x.shape[2:] != torch.Size(size):
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return x.relu()


class IRN(nn.Module):
    """(B, 3, H, W) -> IRNOutput, at stride 4 of the image: h = H / 4, w = W / 4.

    The backbone `features` gives five feature maps, of `features.out_channels`. It is not trained: no gradient, batch
    norm as it was pretrained. In eval mode the mean displacement over training images (`mean_displacement`, float32
    (2,)) is subtracted from the displacements, because only their differences are learned. Raises ValueError unless H
    and W are multiples of 16: other stages would have to be stretched to meet.
    """

    description: type[IRNArch]
    stages: type[nn.Module]  # makes the backbone of a description

    def __init__(self, arch: IRNArch):
        super().__init__()
        self.arch = arch
        self.features = self.stages(arch).requires_grad_(False)
        channels, width = self.features.out_channels, arch.branch_width
        self.boundary_layers = nn.ModuleList(Layer(count, width, 4) for count in channels)
        self.boundary_head = nn.Conv2d(5 * width, 1, 1)
        widths = [2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        groups = [8, 16, 16, 16, 16]
        self.displacement_layers = nn.ModuleList(map(Layer, channels, widths, groups))
        self.coarse_layer = Layer(sum(widths[2:]), 8 * width, 16)
        self.fine_layer = Layer(sum(widths[:2]) + 8 * width, 8 * width, 16)
        self.displacement_head = nn.Conv2d(8 * width, 2, 1, bias=False)
        self.register_buffer("mean_displacement", torch.zeros(2))

    def train(self, mode: bool = True) -> "IRN":
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, x: Tensor) -> IRNOutput:
        if any(side % 16 for side in x.shape[2:]):
            raise ValueError(f"expected sides that are multiples of 16, found {tuple(x.shape[2:])}")
        size = [side // STRIDE for side in x.shape[2:]]
        with torch.no_grad():
            stages = self.features(x)
        boundary = [layer(stage, size) for layer, stage in zip(self.boundary_layers, stages, strict=True)]

        middle = stages[2].shape[2:]  # the coarser stages meet at the third one's stride
        sizes = [size, size, middle, middle, middle]
        parts = [layer(stage, to) for layer, stage, to in zip(self.displacement_layers, stages, sizes, strict=True)]
        coarse = self.coarse_layer(torch.cat(parts[2:], 1), size)
        fine = self.fine_layer(torch.cat([*parts[:2], coarse], 1), size)

        with torch.autocast(x.device.type, enabled=False):
            boundary = self.boundary_head(torch.cat(boundary, 1).float())[:, 0]
            displacement = self.displacement_head(fine.float())
        if not self.training:
            displacement = displacement - self.mean_displacement[:, None, None]
        return IRNOutput(boundary, displacement)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict]:
        """Parameter groups of SGD: lr for the boundary branch, x10 for the displacement branch, as published."""
        branches = {1: [], 10: []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                branches[1 if name.startswith("boundary") else 10].append(parameter)
        return [
            {"params": params, "lr": scale * lr, "scale": scale, "weight_decay": weight_decay}
            for scale, params in branches.items()
        ]


class IRNResNet50(IRN):
    """IRN on a ResNet."""

    description, stages = IRNResNetArch, ResNetStages


class IRNVGG16(IRN):
    """IRN on VGG16."""

    description, stages = IRNVGGArch, VGGStages


class IRNTimm(IRN):
    """IRN on a network of timm."""

    description, stages = IRNTimmArch, TimmStages


build = builder(NETWORKS, "backbone")
