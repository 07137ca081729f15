import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from common.nets.aspp import ASPP
from common.nets.batch_norm import freeze_batch_norm
from common.training.learning_rate import poly_lr
from seg.deeplab import MultiScale, build, multi_scale_loss
from tests.mean_loss import mean_of

GOLDEN = Path(__file__).parents[1] / "golden"
RESNET = {"backbone": "resnet101", "classes": 3, "blocks": [1, 1, 1, 1], "width": 4}
VGG = {"backbone": "vgg16", "classes": 3, "channels": [4, 4, 8, 8, 8], "fc_channels": 16}


RATES = (6, 12, 18, 24)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def images(*size):
    return torch.randn(2, 3, *size)


# The networks


def test_aspp_of_resnet_sums_four_dilated_convolutions():
    aspp = ASPP(5, 3, RATES)
    features = torch.randn(1, 5, 30, 30)
    state = aspp.state_dict()
    assert list(state) == [f"c{i}.{kind}" for i in range(4) for kind in ("weight", "bias")]
    for i in range(4):
        state[f"c{i}.bias"].normal_()
    branches = [
        F.conv2d(features, state[f"c{i}.weight"], state[f"c{i}.bias"], padding=rate, dilation=rate)
        for i, rate in enumerate((6, 12, 18, 24))
    ]
    torch.testing.assert_close(aspp(features), sum(branches))


# Multi-scale


class EverySecondPixel(nn.Module):
    """In place of a network: each pooled channel is a class."""

    def forward(self, x):
        return F.max_pool2d(x, 2)


def test_multi_scale_gives_each_scale_and_the_maximum():
    x = images(33, 43)
    model = MultiScale(EverySecondPixel()).train()
    first, half, three_quarters, maximum = model(x)
    assert half.shape[2:] == (8, 10) and three_quarters.shape[2:] == (12, 16)
    rescaled = [F.interpolate(y, first.shape[2:], mode="bilinear", align_corners=False) for y in (half, three_quarters)]
    assert torch.equal(maximum, torch.maximum(torch.maximum(first, rescaled[0]), rescaled[1]))
    smaller = F.interpolate(x, (16, 21), mode="bilinear", align_corners=False)
    assert torch.equal(half, F.max_pool2d(smaller, 2))
    assert torch.equal(model.eval()(x), maximum)


# The loss


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_labels_are_resized_as_pillow_does(dtype):
    """Logits that are certain of the label which Pillow resized give no loss, so each pixel must be the same."""
    label = torch.randint(0, 5, (2, 321, 321), dtype=dtype)
    label[torch.rand(label.shape) < 0.2] = 255
    outputs = []
    for size in ((41, 41), (21, 21), (31, 31), (40, 37)):
        resized = [Image.fromarray(one.numpy().astype(np.uint8)).resize(size[::-1], Image.NEAREST) for one in label]
        resized = torch.from_numpy(np.stack(resized)).long()
        one_hot = F.one_hot(resized.where(resized != 255, 0), 5).permute(0, 3, 1, 2)  # (B, 5, h, w)
        outputs.append(100.0 * one_hot)
    assert mean_of(multi_scale_loss(outputs, label)).item() == 0


# What the optimiser needs


def names_of(group, model):
    return {name for name, parameter in model.named_parameters() if any(parameter is p for p in group["params"])}


@pytest.mark.parametrize("arch, last", [(RESNET, ""), (VGG, ".fc8")], ids=["resnet", "vgg16"])
def test_layers_of_logits_learn_faster(arch, last):
    model = MultiScale(build(**arch))
    groups = model.base.parameter_groups(lr=0.1, weight_decay=5e-4)
    assert [group["scale"] for group in groups] == [1, 10, 20]
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 1, 2])
    assert [group["weight_decay"] for group in groups] == [5e-4, 5e-4, 0]
    assert names_of(groups[1], model) == {f"base.aspp.c{i}{last}.weight" for i in range(4)}
    assert names_of(groups[2], model) == {f"base.aspp.c{i}{last}.bias" for i in range(4)}
    others = {name for name, _ in model.named_parameters()}
    assert names_of(groups[0], model) == others - names_of(groups[1], model) - names_of(groups[2], model)


def test_batch_norm_that_the_pretrained_file_lacks_is_not_frozen():
    """Its statistics would stay 0 and 1: a network with a batch norm of its own beside the pretrained ones."""
    model = build(**RESNET)
    model.aspp.norm = nn.BatchNorm2d(3)
    freeze_batch_norm(model, ["aspp.c0.weight", "aspp.norm.weight", "aspp.norm.running_mean"])
    model.train()
    training = {name for name, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d) and layer.training}
    assert training == {"aspp.norm"} and model.aspp.norm.weight.requires_grad
    groups = model.parameter_groups(0.1, 0, ["aspp.norm.weight", "aspp.norm.bias"])
    assert {"aspp.norm.weight", "aspp.norm.bias"} <= names_of(groups[2], model)  # of one dimension, as biases


def test_frozen_batch_norm_survives_train():
    model = MultiScale(build(**RESNET))
    before = copy.deepcopy(model.state_dict())
    freeze_batch_norm(model)
    assert list(model.state_dict()) == list(before)
    assert not any(parameter.requires_grad for name, parameter in model.named_parameters() if ".bn." in name)
    model.eval().train()
    optimizer = torch.optim.SGD(model.base.parameter_groups(lr=0.01, weight_decay=5e-4), lr=0.01)
    mean_of(multi_scale_loss(model(images(33, 33)), torch.ones(2, 33, 33, dtype=torch.uint8))).backward()
    optimizer.step()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (".bn." in name), name


def test_poly_lr_is_the_published_codes():
    golden = np.load(GOLDEN / "poly_lr.npz")
    base_lr, step, total, power = (golden[key].item() for key in ("base_lr", "step_size", "max_iter", "power"))
    rates = [poly_lr(base_lr, iteration, total, power, step) for iteration in range(total)]
    np.testing.assert_allclose(rates, golden["lr"], rtol=0, atol=1e-15)
    assert poly_lr(2.5e-4, 37, 200) == rates[37]  # its defaults
