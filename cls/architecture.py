"""Description of the classification networks (paper 3.1)."""

from dataclasses import dataclass
from typing import ClassVar

from common.nets.architecture import ResNetArch, VGGArch, backbone, count, count_or_none, flag, names, one_of

NETWORKS = {  # --network: "module:class"
    "classifier": "cls.model:Classifier",
    "iam": "cls.model:IntegralAttention",
    "irn_cam": "cls.irn_cam:IRNClassifier",
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


@dataclass(frozen=True, kw_only=True)
class IRNClassifierArch(ResNetArch):
    """IRN's classifier of C `classes` on a ResNet, by default ResNet-50.

    `glore` adds a GloRe unit with `nodes`. `input_size` is the side of the training images, None after training on
    crops: then cls.infer takes images in their own aspect ratio.
    """

    output_stride: ClassVar[int] = 16

    network: str = one_of("irn_cam")
    backbone: str = one_of("resnet50")
    classes: int = count()
    class_names: tuple[str, ...] = names()
    nodes: int = count(64)
    glore: bool = flag(False)
    input_size: int | None = count_or_none()
