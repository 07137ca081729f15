"""IRN's losses, against the published ones and a loop over all pairs."""

import numpy as np
import pytest
import torch

from irn.losses import affinity_loss, displacement_loss, pairs_of
from irn.pairs import offsets, pair_affinity
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


def slow_losses(boundary, displacement, labels, radius):
    """(affinity loss, displacement loss) in float64, pair by pair."""
    affinity, margin = pair_affinity(boundary, radius).double(), radius - 1
    terms = {name: [] for name in (*KINDS, "moves of background", "moves of foreground")}
    for image, number, y, x in np.ndindex(*affinity.shape):
        dy, dx = offsets(radius)[number]
        start, end = (y, x + margin), (y + dy, x + margin + dx)
        one, other = (int(labels[image][place]) for place in (start, end))
        if 255 in (one, other):
            continue
        near = affinity[image, number, y, x]
        move = displacement[image, :, y, x + margin] - displacement[image, :, y + dy, x + margin + dx]
        if one != other:
            terms["negative"].append(-torch.log(1 - near + 1e-5))
            continue
        kind = "foreground" if one else "background"
        terms[kind].append(-torch.log(near + 1e-5))
        way = torch.tensor([dy, dx]) if one else 0
        terms[f"moves of {kind}"].append((move - way).abs().double().mean())
    mean = {name: sum(each) / (len(each) + 1e-5) for name, each in terms.items()}
    return (
        mean["background"] / 4 + mean["foreground"] / 4 + mean["negative"] / 2,
        mean["moves of background"] / 2 + mean["moves of foreground"] / 2,
    )


def losses(boundary, displacement, labels, radius):
    pairs = pairs_of(labels, radius)
    return mean_of(affinity_loss(boundary, pairs, radius)), mean_of(displacement_loss(displacement, pairs, radius))


@pytest.mark.parametrize("radius", [2, 3])
def test_losses_equal_a_loop_over_all_pairs(radius):
    """Means over the whole batch's pairs, not of each image's: the second has few that are known."""
    boundary, displacement, labels = draw(2, 6, 8), 3 * draw(2, 2, 6, 8, seed=1), draw_labels(2, 6, 8)
    labels[1, 1:] = 255
    found, expected = (made(boundary, displacement, labels, radius) for made in (losses, slow_losses))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32 and one.item() == pytest.approx(float(other), rel=1e-5)


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
