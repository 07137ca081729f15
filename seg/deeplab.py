"""DeepLab-v2 (Chen et al., "DeepLab: Semantic Image Segmentation …", TPAMI 2018), with ResNet-101 or VGG16.

Paper 4.1 trains it on the pseudo labels. The networks, their training loss, and what their optimiser needs.
"""

import inspect
import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from common import distributed
from common.files import IGNORE_INDEX, InputError
from common.preprocess import check_convention
from common.vgg import VGG16_CHANNELS, VGG16_DEPTHS, vgg_features
from seg.resnet import RESNET101_DEPTHS, ResNet

RATES = (6, 12, 18, 24)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: (B, K, h, w) -> logits (B, outputs, h, w), the sum of one branch a rate.

    A branch is one 3x3 convolution, or, with `fc_channels`, VGG's three: fc6 3x3 (which alone is dilated), fc7 and fc8
    1x1 (DeepLab-v2, section 3.2 and figure 7). Those that give logits start normal with standard deviation 0.01.
    """

    def __init__(self, in_channels, outputs, rates=RATES, fc_channels=None):
        super().__init__()
        for i, rate in enumerate(rates):
            atrous = nn.Conv2d(in_channels, fc_channels or outputs, 3, padding=rate, dilation=rate)
            self.add_module(f"c{i}", self.fc_branch(atrous, fc_channels, outputs) if fc_channels else atrous)
        initialise_convolutions(self)
        for classifier in self.classifiers():
            nn.init.normal_(classifier.weight, std=0.01)

    @staticmethod
    def fc_branch(fc6, channels, outputs):
        layers = OrderedDict(fc6=fc6, relu6=nn.ReLU(inplace=True), drop6=nn.Dropout(0.5))
        layers.update(fc7=nn.Conv2d(channels, channels, 1), relu7=nn.ReLU(inplace=True), drop7=nn.Dropout(0.5))
        layers.update(fc8=nn.Conv2d(channels, outputs, 1))
        return nn.Sequential(layers)

    def classifiers(self):
        """The convolutions that give logits, one a branch."""
        return [getattr(branch, "fc8", branch) for branch in self.children()]

    def forward(self, features):
        # in float32, whatever the precision of a branch: so the logits, their resizing and their maximum are, too
        return sum(branch(features).float() for branch in self.children())


class DeepLabResNet101(ResNet):
    """(B, 3, H, W) -> logits (B, classes + 1, ~H/8, ~W/8); class 0 is the background.

    With other `depths` and `width` it is another ResNet of bottlenecks.
    """

    def __init__(self, classes, convention="torchvision", depths=RESNET101_DEPTHS, width=64, rates=RATES):
        super().__init__(depths, width, convention)
        initialise_convolutions(self)
        self.aspp = ASPP(self.out_channels, classes + 1, rates)

    def forward(self, x):
        return self.aspp(self.features(x))


class DeepLabVGG16(nn.Module):
    """(B, 3, H, W) -> logits (B, classes + 1, ~H/8, ~W/8); class 0 is the background.

    VGG16 with pools 4 and 5 at stride 1 and dilated conv5; `rates=(12,)` is DeepLab-LargeFOV. Without `fc_channels` the
    ASPP has no fc6 and fc7. `convention` only says which input the weights want.
    """

    def __init__(
        self,
        classes,
        convention="torchvision",
        channels=VGG16_CHANNELS,
        depths=VGG16_DEPTHS,
        batch_norm=False,
        output_stride=8,
        rates=RATES,
        fc_channels=1024,
    ):
        super().__init__()
        check_convention(convention)
        self.convention = convention
        self.features = vgg_features(channels, depths, batch_norm, output_stride)
        self.features.append(nn.MaxPool2d(3, stride=1, padding=1))  # pool 5
        initialise_convolutions(self.features)
        self.aspp = ASPP(channels[-1], classes + 1, rates, fc_channels)

    def forward(self, x):
        return self.aspp(self.features(x))


def initialise_convolutions(module):
    """He et al.'s normal initialisation, zero biases: what counts where no pretrained weights follow."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class MultiScale(nn.Module):
    """Runs `base` at scale 1 and at others (DeepLab-v2, section 4.1.2: multi-scale inputs with max fusion).

    (B, 3, H, W) -> in eval mode the pixelwise maximum of the logits, (B, C + 1, h, w) in scale 1's size; in training
    mode a list: each scale's logits in their own size, then the maximum. Without other scales: the logits, or [logits].
    """

    def __init__(self, base, scales=(0.5, 0.75)):
        super().__init__()
        self.base = base
        self.scales = tuple(scales)

    def forward(self, x):
        outputs = [self.base(x)]
        for scale in self.scales:
            size = [int(length * scale) for length in x.shape[2:]]
            outputs.append(self.base(resize(x, size)))
        if self.scales:
            size = outputs[0].shape[2:]
            outputs.append(torch.stack([resize(logits, size) for logits in outputs]).amax(dim=0))
        return outputs if self.training else outputs[-1]


def smallest_side(scales):
    """The pixels that an image must have on each side so that 8 are left, one of the features', at every scale."""
    return math.ceil(8 / min([1, *scales]))


def resize(x, size):
    """Bilinear, with pixel centres aligned, as the published code does it (PyTorch's align_corners=False)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


NETWORKS = {"resnet101": DeepLabResNet101, "vgg16": DeepLabVGG16}


def build(backbone=None, **arch):
    """The network that a weight file's `arch` describes: its backbone, its C foreground `classes`, sizes if not usual.

    Raises InputError if that is no DeepLab of ours.
    """
    if backbone not in NETWORKS:
        raise InputError(f"expected a backbone of {' or '.join(NETWORKS)}, found {backbone!r}")
    unknown = arch.keys() - inspect.signature(NETWORKS[backbone]).parameters.keys()
    if unknown or "classes" not in arch:
        raise InputError(f"expected the classes and sizes of a {backbone}, found {arch}")
    return NETWORKS[backbone](**arch)


def multi_scale_loss(outputs, label):
    """Sum over `outputs`, a list of logits (B, C + 1, h, w), of the mean cross-entropy over the pixels not ignored.

    `label` (B, H, W), uint8 or int64, 255 to ignore, is resized to each output. Scalar float32; 0 where all is ignored.
    """
    return sum(_cross_entropy(logits.float(), resize_nearest(label, logits.shape[2:]).long()) for logits in outputs)


def _cross_entropy(logits, label):
    total = F.cross_entropy(logits, label, ignore_index=IGNORE_INDEX, reduction="sum")
    count = distributed.total((label != IGNORE_INDEX).sum())  # of several processes, each gives its part of the mean
    return total / count.clamp(min=1)  # a mean over no pixels would be NaN


def resize_nearest(label, size):
    """Labels (B, H, W) -> (B, *size): the pixel in which the new pixel's centre lies, as Pillow's NEAREST takes it."""
    rows, columns = (
        (2 * torch.arange(new, device=label.device) + 1) * old // (2 * new) for new, old in zip(size, label.shape[1:])
    )
    return label[:, rows[:, None], columns]


class FrozenBatchNorm(nn.BatchNorm2d):
    """Batch norm that stays in eval mode, whatever train() says."""

    def train(self, mode=True):
        return super().train(False)


def freeze_batch_norm(model):
    """Fixes statistics and parameters of each batch norm for good, as DeepLab-v2 does where it starts from weights.

    The layers change their class, not their names or tensors: a later model.train() leaves them in eval mode.
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.__class__ = FrozenBatchNorm
            layer.eval().requires_grad_(False)


def parameter_groups(model, lr, weight_decay, train_batch_norm=False, fresh=()):
    """SGD's groups: lr for what is pretrained; x10 and x20 for weights and biases of the layers that are new.

    New are the layers that give logits, and those layers of the ASPP among the names in `fresh`, which no file gave:
    VGG16's fc6 and fc7 come from ImageNet like its trunk and learn like it, unless they start at random.
    The x20 biases have no weight decay. A group's learning rate stays its "scale" times the schedule's. Batch norm is in
    no group, or, with `train_batch_norm` (training from scratch), in the first.
    """
    network = getattr(model, "base", model)
    new = {parameter for conv in network.aspp.classifiers() for parameter in conv.parameters()}
    named = {name: parameter for name, parameter in network.named_parameters() if name.startswith("aspp.")}
    new.update(named[name] for name in fresh if name in named)
    left_out = set(new)
    if not train_batch_norm:
        left_out.update(p for layer in model.modules() if isinstance(layer, nn.BatchNorm2d) for p in layer.parameters())
    trunk = [parameter for parameter in model.parameters() if parameter not in left_out]
    weights = [parameter for parameter in model.parameters() if parameter in new and parameter.dim() > 1]
    biases = [parameter for parameter in model.parameters() if parameter in new and parameter.dim() == 1]
    return [
        {"params": trunk, "lr": lr, "scale": 1, "weight_decay": weight_decay},
        {"params": weights, "lr": 10 * lr, "scale": 10, "weight_decay": weight_decay},
        {"params": biases, "lr": 20 * lr, "scale": 20, "weight_decay": 0},
    ]


def poly_lr(base_lr, iteration, max_iterations, power=0.9, step=10):
    """The rate at `iteration` (from 0): DeepLab-v2's polynomial (section 4.1.2), renewed every `step` iterations."""
    return base_lr * (1 - iteration // step * step / max_iterations) ** power
