"""Descriptions of IRN with its backbones."""

from dataclasses import dataclass

from common.nets.architecture import Architecture, ResNetArch, VGGArch, backbone, count, one_of

STRIDE = 4  # pixels of the image to one of the maps
NETWORKS = {  # --backbone: "module:class"
    "resnet50": "irn.model:IRNResNet50",
    "vgg16": "irn.model:IRNVGG16",
    "timm": "irn.model:IRNTimm",
}


@dataclass(frozen=True, kw_only=True)
class IRNArch(Architecture):
    """IRN (CVPR 2019) with any backbone; the defaults are the published code's.

    `branch_width`: channels of each layer of the boundary branch, an eighth of the displacement branch's. `crop_size`:
    side of the training crops, to which smaller images are padded ever after.
    """

    network: str = one_of("irn")
    branch_width: int = one_of(32, 16, 8, 4)
    crop_size: int = count(512)


@dataclass(frozen=True, kw_only=True)
class IRNResNetArch(IRNArch, ResNetArch):
    """ResNet, by default ResNet-50."""

    backbone: str = one_of("resnet50")


@dataclass(frozen=True, kw_only=True)
class IRNVGGArch(IRNArch, VGGArch):
    """VGG, by default VGG16."""

    backbone: str = one_of("vgg16")


@dataclass(frozen=True, kw_only=True)
class IRNTimmArch(IRNArch):
    """A network of timm at an `output_stride`."""

    backbone: str = backbone()
    output_stride: int = one_of(8, 4, 16)
