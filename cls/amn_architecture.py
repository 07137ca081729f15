"""Descriptions of AMN with its backbones."""

from dataclasses import dataclass
from typing import ClassVar

from common.nets.architecture import Architecture, ResNetArch, VGGArch, backbone, count, counts, names, one_of

NETWORKS = {  # --backbone: "module:class"
    "resnet50": "cls.amn:AMNResNet50",
    "vgg16": "cls.amn:AMNVGG16",
    "timm": "cls.amn:AMNTimm",
}


@dataclass(frozen=True, kw_only=True)
class AMNArch(Architecture):
    """AMN (CVPR 2022) of C `classes` with any backbone; `rates` are the dilations of its four convolutions."""

    network: str = one_of("amn")
    classes: int = count()
    class_names: tuple[str, ...] = names()
    rates: tuple[int, ...] = counts(6, 12, 18, 24)


@dataclass(frozen=True, kw_only=True)
class AMNResNetArch(AMNArch, ResNetArch):
    """ResNet, by default ResNet-50."""

    output_stride: ClassVar[int] = 16

    backbone: str = one_of("resnet50")


@dataclass(frozen=True, kw_only=True)
class AMNVGGArch(AMNArch, VGGArch):
    """VGG, by default VGG16."""

    backbone: str = one_of("vgg16")


@dataclass(frozen=True, kw_only=True)
class AMNTimmArch(AMNArch):
    """A network of timm at an `output_stride`."""

    backbone: str = backbone()
    output_stride: int = one_of(8, 4, 16)
