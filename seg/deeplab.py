"""DeepLab-v2 (Chen et al., "DeepLab: Semantic Image Segmentation …", TPAMI 2018) on ResNet-101, VGG16, or timm's.

Paper 4.1 trains it on the pseudo labels. Networks with their parameter groups, and the training loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from common.files.images import IGNORE_INDEX
from common.nets.architecture import builder
from common.nets.aspp import ASPP, initialise_convolutions
from common.nets.resnet import ResNet
from common.nets.timm_backbone import TimmBackbone
from common.nets.vgg import vgg_features
from common.training.losses import Loss
from seg.architecture import NETWORKS, DeepLabResNetArch, DeepLabTimmArch, DeepLabVGGArch


class DeepLab(nn.Module):
    """Base of the networks: (B, 3, H, W) -> logits (B, C + 1, ~H/8, ~W/8); class 0 is the background.

    A network says which of its modules are new, that is, not in the pretrained files of other tasks, and which layers
    give the logits. Here both are those of the ASPP.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.aspp(self.features(x))

    def head_modules(self) -> list[nn.Module]:
        """The new modules: a pretrained file may lack them or have them for another number of classes."""
        return [self.aspp]

    def classifiers(self) -> list[nn.Module]:
        """The layers that give the logits, which always learn like new ones."""
        return self.aspp.classifiers()

    def head_names(self) -> tuple[str, ...]:
        """Beginnings of the names of the tensors in `head_modules`, such as "aspp."."""
        heads = self.head_modules()
        return tuple(f"{name}." for name, module in self.named_modules() if any(module is head for head in heads))

    def parameter_groups(self, lr: float, weight_decay: float, missing_keys: Iterable[str] = ()) -> list[dict]:
        """Parameter groups of SGD: lr for pretrained layers, x10 and x20 for weights and biases of new layers.

        New are the `classifiers`, and the parameters of `head_modules` among `missing_keys`, the tensors that the
        pretrained file lacks: VGG16's fc6 and fc7 are trained like the backbone if they come from ImageNet, like new
        layers if not. The x20 biases have no weight decay. `scale` is a group's factor. Frozen parameters are in no
        group.
        """
        new = {parameter for layer in self.classifiers() for parameter in layer.parameters()}
        named = {name: each for name, each in self.named_parameters() if name.startswith(self.head_names())}
        new.update(named[name] for name in missing_keys if name in named)
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        pretrained = [parameter for parameter in trained if parameter not in new]
        weights = [parameter for parameter in trained if parameter in new and parameter.dim() > 1]
        biases = [parameter for parameter in trained if parameter in new and parameter.dim() == 1]
        return [
            {"params": pretrained, "lr": lr, "scale": 1, "weight_decay": weight_decay},
            {"params": weights, "lr": 10 * lr, "scale": 10, "weight_decay": weight_decay},
            {"params": biases, "lr": 20 * lr, "scale": 20, "weight_decay": 0},
        ]


class DeepLabResNet101(DeepLab, ResNet):
    """DeepLab-v2 on a ResNet."""

    description = DeepLabResNetArch

    def __init__(self, arch: DeepLabResNetArch):
        super().__init__(arch.blocks, arch.width, arch.convention)
        self.arch = arch
        initialise_convolutions(self)
        self.aspp = ASPP(self.out_channels, arch.classes + 1, arch.rates)


class DeepLabVGG16(DeepLab):
    """DeepLab-v2 on VGG16 with pools 4 and 5 at stride 1 and dilated conv5."""

    description = DeepLabVGGArch

    def __init__(self, arch: DeepLabVGGArch):
        super().__init__()
        self.arch = arch
        self.features = vgg_features(arch)
        self.features.append(nn.MaxPool2d(3, stride=1, padding=1))  # pool 5
        initialise_convolutions(self.features)
        self.aspp = ASPP(arch.channels[-1], arch.classes + 1, arch.rates, arch.fc_channels)


class DeepLabTimm(DeepLab):
    """DeepLab-v2 on a network of timm."""

    description = DeepLabTimmArch

    def __init__(self, arch: DeepLabTimmArch):
        super().__init__()
        self.arch = arch
        self.features = TimmBackbone(arch.backbone, arch.output_stride)
        self.aspp = ASPP(self.features.out_channels, arch.classes + 1, arch.rates)


class MultiScale(nn.Module):
    """The network `base` at scale 1 and at `scales` (DeepLab-v2, section 4.1.2: multi-scale inputs with max fusion).

    (B, 3, H, W) -> in eval mode the pixelwise maximum of the logits, (B, C + 1, h, w) in scale 1's size; in training
    mode a list: each scale's logits in their own size, then the maximum. Without other scales: the logits, or [logits].
    """

    def __init__(self, base: DeepLab, scales: Iterable[float] = (0.5, 0.75)):
        super().__init__()
        self.base = base
        self.scales = tuple(scales)

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        outputs = [self.base(x)]
        for scale in self.scales:
            size = [int(length * scale) for length in x.shape[2:]]
            outputs.append(self.base(resize(x, size)))
        if self.scales:
            size = outputs[0].shape[2:]
            outputs.append(torch.stack([resize(logits, size) for logits in outputs]).amax(dim=0))
        return outputs if self.training else outputs[-1]

    def smallest_side(self) -> int:
        """Smallest side of an image that the network takes."""
        return smallest_side(self.scales, getattr(self.base.arch, "output_stride", 8))


def smallest_side(scales: Iterable[float], output_stride: int = 8) -> int:
    """Smallest side of an image with a pixel of the features, but at least 8, at scale 1 and at each of `scales`."""
    return math.ceil(max(8, output_stride) / min([1, *scales]))


def resize(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resize (B, K, h, w) to (B, K, *size), bilinear with align_corners=False, as published."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


build = builder(NETWORKS, "backbone")


def multi_scale_loss(outputs: list[torch.Tensor], label: torch.Tensor) -> list[Loss]:
    """Cross-entropies of `outputs`, a list of logits (B, C + 1, h, w), over the pixels that are not ignored.

    `label` (B, H, W), uint8 or int64, 255 to ignore, is resized to each output. The loss is the sum of their means.
    """
    losses = []
    for logits in outputs:
        target = resize_nearest(label, logits.shape[2:]).long()  # (B, h, w)
        loss = F.cross_entropy(logits.float(), target, ignore_index=IGNORE_INDEX, reduction="none")
        losses.append(Loss(loss, target != IGNORE_INDEX))
    return losses


def resize_nearest(label: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resize labels (B, H, W) to (B, *size): the old pixel that contains a new one's centre, as Pillow's NEAREST."""
    rows, columns = (
        (2 * torch.arange(new, device=label.device) + 1) * old // (2 * new) for new, old in zip(size, label.shape[1:])
    )
    return label[:, rows[:, None], columns]
