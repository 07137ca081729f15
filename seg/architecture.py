"""Descriptions of DeepLab-v2 with its backbones (paper 4.1)."""

from dataclasses import dataclass

from common.nets.architecture import Architecture, VGGArch, backbone, count, counts, names, one_of

NETWORKS = {  # --backbone: "module:class"
    "resnet101": "seg.deeplab:DeepLabResNet101",
    "vgg16": "seg.deeplab:DeepLabVGG16",
    "timm": "seg.deeplab:DeepLabTimm",
}


@dataclass(frozen=True, kw_only=True)
class DeepLabArch(Architecture):
    """DeepLab-v2 with any backbone: C foreground `classes`, and the dilations `rates` of the ASPP.

    `convention` is that of the weights: the normalisation of the input (see common.files.preprocess) and, in a ResNet,
    the place of the strides.
    """

    classes: int = count()
    class_names: tuple[str, ...] = names()
    convention: str = one_of("torchvision", "caffe")
    rates: tuple[int, ...] = counts(6, 12, 18, 24)  # (12,) is DeepLab-LargeFOV


@dataclass(frozen=True, kw_only=True)
class DeepLabResNetArch(DeepLabArch):
    """ResNet with `blocks` bottlenecks in its stages and a stem of `width` channels; by default ResNet-101."""

    backbone: str = one_of("resnet101")
    blocks: tuple[int, ...] = counts(3, 4, 23, 3)
    width: int = count(64)


@dataclass(frozen=True, kw_only=True)
class DeepLabVGGArch(DeepLabArch, VGGArch):
    """VGG, by default VGG16; with `fc_channels=0` the ASPP has no fc6 and fc7."""

    backbone: str = one_of("vgg16")
    fc_channels: int = count(1024, low=0)


@dataclass(frozen=True, kw_only=True)
class DeepLabTimmArch(DeepLabArch):
    """A network of timm at an `output_stride`; it takes torchvision's input and has its own normalisation."""

    backbone: str = backbone()
    convention: str = one_of("torchvision")
    output_stride: int = one_of(8, 4, 16)
