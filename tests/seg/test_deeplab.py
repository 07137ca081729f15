"""What tests/wiring does not show of DeepLab-v2: a batch norm that is new, and the published learning rates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from common.nets.batch_norm import freeze_batch_norm
from common.training.loop import poly_lr
from seg.deeplab import build

GOLDEN = Path(__file__).parents[1] / "golden"
RESNET = {"backbone": "resnet101", "classes": 3, "blocks": [1, 1, 1, 1], "width": 4}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def names_of(group, model):
    return {name for name, parameter in model.named_parameters() if any(parameter is p for p in group["params"])}


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


def test_poly_lr_is_the_published_codes():
    golden = np.load(GOLDEN / "poly_lr.npz")
    base_lr, step, total, power = (golden[key].item() for key in ("base_lr", "step_size", "max_iter", "power"))
    rates = [poly_lr(base_lr, iteration, total, power, step) for iteration in range(total)]
    np.testing.assert_allclose(rates, golden["lr"], rtol=0, atol=1e-15)
    assert poly_lr(2.5e-4, 37, 200) == rates[37]  # its defaults
