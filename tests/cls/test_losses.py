"""The attention loss and FBR's background target against the published ones, and the other losses by hand."""

import math

import pytest
import torch

from cls.losses import (
    background_loss,
    background_target,
    classification_loss,
    integral_attention_loss,
    similarity_loss,
)
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


def test_classification_loss_is_equation_4():
    maps = torch.tensor([[[[1.0, 3.0]], [[-1.0, 0.0]]]])  # averages 2 and -0.5
    sigmoid = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(0.5))]
    expected = -(math.log(sigmoid[0]) + math.log(1 - sigmoid[1])) / 2
    assert classification_loss(maps, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(expected, rel=1e-6)


def test_background_target_equals_the_published_one(golden_file):
    """Its last channel is background."""
    golden = golden_file("fbr")
    maps, labels, expected = (
        torch.tensor(golden[f"segmentation_target/{name}"]) for name in ("map", "label", "background")
    )
    assert torch.equal(background_target(maps[:, :20], labels), expected == 1)


def test_background_is_where_the_images_classes_sum_to_little():
    maps = torch.tensor([[[[10.0, 0.3, 0.3, -9.0]], [[0.0, 0.1, 2.0, 0.08]], [[1.0, 1.0, 1.0, 1.0]]]])
    maps.requires_grad_()
    labels = torch.tensor([[1.0, 1.0, 0.0]])
    assert background_target(maps, labels).tolist() == [[[False, False, False, True]]]  # 1, 0.08, 1.03, 0.04
    assert background_target(maps, labels, 0.1).tolist() == [[[False, True, False, True]]]
    assert background_target(maps, 0 * labels).all() and not background_target(maps, labels).requires_grad


def test_background_loss_is_binary_cross_entropy():
    logits = torch.tensor([[[1.0, -2.0]]])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2))) / 2
    assert mean_of(background_loss(logits, torch.tensor([[[True, False]]]))).item() == pytest.approx(expected, rel=1e-6)


def test_similarity_is_the_mean_cosine_of_a_pixels_projections():
    foreground = torch.tensor([[3.0, 1.0, 0.0], [4.0, 0.0, 0.0]]).view(1, 2, 1, 3).requires_grad_()
    background = torch.tensor([[0.0, -2.0, 1.0], [9.0, 0.0, 1.0]]).view(1, 2, 1, 3).requires_grad_()
    loss = mean_of(similarity_loss(foreground, background))
    loss.backward()
    assert loss.item() == pytest.approx((0.8 - 1 + 0) / 3)
    for each in (foreground, background):
        assert each.grad.isfinite().all() and each.grad.any()
