"""Description of the classification networks (paper 3.1)."""

from dataclasses import dataclass
from typing import ClassVar

from common.nets.architecture import (
    Architecture,
    ResNetArch,
    VGGArch,
    backbone,
    count,
    count_or_none,
    counts,
    flag,
    names,
    one_of,
)

NETWORKS = {  # --network: "module:class"
    "classifier": "cls.model:Classifier",
    "iam": "cls.model:IntegralAttention",
}


@dataclass(frozen=True, kw_only=True)
class ClassifierArch(VGGArch):
    """Classifier or integral attention model of C `classes`; the defaults are the paper's (3.1, 4.1).

    `glore=False` is the paper's baseline, `local_unit` a control. `input_size` is the side of the training images.
    Published weight files lack `backbone`, `class_names` and `input_size`. On a `backbone` of timm only the last of the
    `channels`, the head's width, counts, and the `output_stride`.
    """

    network: str = one_of("classifier", "iam")
    backbone: str = backbone("vgg16")
    classes: int = count()
    class_names: tuple[str, ...] = names()
    nodes: int = count(64)
    glore: bool = flag(True)
    local_unit: bool = flag(False)
    input_size: int | None = count_or_none()


AMN_NETWORKS = {  # --backbone: "module:class"
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
