"""The attention loss and AMN's against the published ones."""

import math

import pytest
import torch

from cls.losses import balanced_cross_entropy, integral_attention_loss
from tests.mean_loss import mean_of


def test_attention_loss_equals_the_published_one(golden_file):
    golden = golden_file("integral_attention_loss")
    logits = torch.tensor(golden["logit"], requires_grad=True)
    loss = mean_of(integral_attention_loss(logits, torch.tensor(golden["target"])))
    loss.backward()
    assert loss.item() == pytest.approx(float(golden["loss"]), rel=1e-6)
    torch.testing.assert_close(logits.grad, torch.tensor(golden["grad"]), atol=1e-8, rtol=1e-5)


def test_attention_loss_is_finite_at_the_extremes():
    logits = torch.tensor([[[[200.0, -200.0]]]], requires_grad=True)
    for target in (torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2)):
        loss = mean_of(integral_attention_loss(logits, target))
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


def test_balanced_cross_entropy_equals_the_published_one(golden_file):
    golden = {name.partition("/")[2]: value for name, value in golden_file("fbr").items() if "amn_cross" in name}
    logits = torch.tensor(golden["logits"], requires_grad=True)
    loss = mean_of(balanced_cross_entropy(logits, torch.tensor(golden["label"]), golden["smoothing"].item()))
    loss.backward()
    assert loss.item() == pytest.approx(golden["loss"].item(), rel=1e-6)
    torch.testing.assert_close(logits.grad, torch.tensor(golden["grad"]), atol=1e-8, rtol=1e-5)


@pytest.mark.parametrize("value", [0, 2, 255])
def test_balanced_cross_entropy_without_objects_or_background_is_half(value):
    """The published one is NaN."""
    logits = torch.zeros(1, 4, 2, 2, requires_grad=True)
    loss = mean_of(balanced_cross_entropy(logits, torch.full((1, 2, 2), value, dtype=torch.uint8)))
    loss.backward()
    assert loss.item() == pytest.approx(0 if value == 255 else math.log(4) / 2) and logits.grad.isfinite().all()
