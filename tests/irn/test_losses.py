"""IRN's losses, against the published ones."""

import numpy as np
import pytest
import torch

from irn.losses import affinity_loss, displacement_loss, pairs_of
from tests.mean_loss import mean_of

KINDS = ("background", "foreground", "negative")


@pytest.fixture
def golden(golden_file):
    prefix = "irn_training/"
    found = {name.removeprefix(prefix): each for name, each in golden_file("fbr").items() if name.startswith(prefix)}
    return {name: torch.tensor(each) for name, each in found.items()}


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def draw_labels(*shape, values=(0, 0, 1, 2, 255), seed=0):
    return torch.tensor(np.random.default_rng(seed).choice(np.array(values, np.uint8), shape))


def test_pairs_losses_and_gradients_are_the_published_ones(golden):
    radius = int(golden["radius"])
    edge, displacement = golden["edge"].requires_grad_(), golden["displacement"].requires_grad_()
    pairs = pairs_of(golden["label"][None], radius)
    for name, found in zip(KINDS, pairs, strict=True):
        assert torch.equal(found[0].flatten(1), golden[name].bool()), name
    affinity = mean_of(affinity_loss(edge[:, 0].sigmoid(), pairs, radius))
    difference = mean_of(displacement_loss(displacement, pairs, radius))
    (affinity + difference).backward()
    found = affinity, difference, edge.grad, displacement.grad
    for name, each in zip(("affinity_loss", "displacement_loss", "grad_edge", "grad_displacement"), found):
        torch.testing.assert_close(each.detach(), golden[name].view(each.shape), rtol=1e-6, atol=1e-6, msg=name)


def losses(boundary, displacement, labels, radius):
    pairs = pairs_of(labels, radius)
    return mean_of(affinity_loss(boundary, pairs, radius)), mean_of(displacement_loss(displacement, pairs, radius))


def test_what_is_ignored_has_no_gradient():
    labels = draw_labels(2, 9, 14)
    labels[0, :, :7] = labels[1] = 255
    boundary, displacement = draw(2, 9, 14).requires_grad_(), draw(2, 2, 9, 14, seed=1).requires_grad_()
    sum(losses(boundary, displacement, labels, 4)).backward()
    moved = displacement.grad.abs().sum(1) > 0
    assert moved[0, :, 7:].any() and not moved[labels == 255].any()
    assert not boundary.grad[1].any() and boundary.grad[0].any()


@pytest.mark.parametrize("values", [(255,), (0,), (2,), (0, 255), (1, 2)], ids=str)
def test_without_pairs_of_a_kind_the_losses_are_finite(values):
    labels = draw_labels(1, 8, 12, values=values)
    boundary, displacement = draw(1, 8, 12).requires_grad_(), draw(1, 2, 8, 12, seed=1).requires_grad_()
    found = losses(boundary, displacement, labels, 3)
    sum(found).backward()
    assert all(each.isfinite().all() for each in (*found, boundary.grad, displacement.grad))
    if values == (255,):
        assert [each.item() for each in found] == [0, 0] and not boundary.grad.any() and not displacement.grad.any()
