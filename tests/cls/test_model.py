"""The classifier and the integral attention model: names and initialisation."""

import pytest
import torch
from torch.nn import Conv2d
from torchvision.models import vgg16

from cls.model import Classifier, ClassifierArch, build
from common.training import checkpoint


def published_names(last):
    backbone = [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    convs = (
        backbone
        + [f"extra_convs_1.{i}" for i in (0, 2, 4)]
        + [f"extra_convs_2.{n}" for n in ("conv_state", "conv_proj", "gcn.conv1")]
    )
    names = {f"{name}.{kind}" for name in [*convs, last, "extra_convs_2.blocker"] for kind in ("weight", "bias")}
    names |= {f"extra_convs_2.{name}.weight" for name in ("gcn.conv2", "conv_extend")}
    return names | {f"extra_convs_2.blocker.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


@pytest.mark.parametrize("network, last", [("classifier", "extra_convs_3.1"), ("iam", "extra_convs_3.0")])
def test_published_checkpoints_load(network, last, tmp_path):
    torch.manual_seed(1)
    source, target = build(network=network, classes=20), build(network=network, classes=20)
    assert set(source.state_dict()) == published_names(last)
    published = {f"module.{name}": tensor for name, tensor in source.state_dict().items()}
    checkpoint.load_into(target, {"state_dict": published, "epoch": 14}, tmp_path)
    for name, tensor in target.state_dict().items():
        torch.testing.assert_close(tensor, source.state_dict()[name])


def test_backbone_equals_torchvision_up_to_the_changed_pools():
    torch.manual_seed(0)
    reference, ours = vgg16().features, Classifier(ClassifierArch(classes=20))
    checkpoint.load_backbone(ours, {f"features.{k}": v for k, v in reference.state_dict().items()}, "vgg16.pth")
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(ours.features[:23](x), reference[:23](x))  # up to pool 4


@pytest.mark.parametrize("classes", [1, 2, 6, 20, 80])
def test_initialisation_of_the_new_modules(classes):
    """As published of 20 classes, draw for draw; the last layer has the deviation of 20 classes for any number."""
    network = Classifier(ClassifierArch(classes=classes, channels=(4, 4, 8, 8, 64), depths=(1,) * 5, nodes=32))
    torch.manual_seed(0)
    network.initialise_head()
    torch.manual_seed(0)
    convolutions = [conv for name, conv in network.named_modules() if isinstance(conv, Conv2d) and "extra" in name]
    assert len(convolutions) == 7 and convolutions[-1].out_channels == classes
    for conv in convolutions:
        outputs = 20 if conv is convolutions[-1] else conv.out_channels
        expected = torch.randn(conv.weight.shape) * (2 / (conv.kernel_size[0] ** 2 * outputs)) ** 0.5
        torch.testing.assert_close(conv.weight, expected)
        assert conv.bias is None or (conv.bias == 0).all()
