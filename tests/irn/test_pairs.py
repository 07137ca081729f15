"""Pairs and what lies between them, against the published ones and a loop over all pixels."""

from itertools import product
from math import hypot

import numpy as np
import pytest
import torch

from irn.pairs import destinations, offsets, pair_affinity, path, sources


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def cells_between(start, end):
    """The pixels in the box of two pixels that are less than 1 away from their line."""
    (y0, x0), (y1, x1) = start, end
    box = product(range(min(y0, y1), max(y0, y1) + 1), range(min(x0, x1), max(x0, x1) + 1))
    cross = ((y, x, abs((y1 - y0) * (x - x0) - (x1 - x0) * (y - y0))) for y, x in box)
    return [(y, x) for y, x, area in cross if area / hypot(y1 - y0, x1 - x0) < 1 - 1e-9]


def places_in(golden, names):
    """Those of flattened maps of irn_training."""
    return (torch.tensor(golden[f"irn_training/{name}"]) for name in names)


def test_offsets_and_places_are_the_published_ones(golden_file):
    golden = golden_file("fbr")
    assert offsets(int(golden["irn_training/radius"])) == [
        tuple(each) for each in golden["irn_training/offsets"].tolist()
    ]
    source, destination, label = places_in(golden, ("source", "destination", "label"))
    places = torch.arange(label.numel()).view(label.shape)
    assert torch.equal(sources(places, 4).flatten(), source)
    assert torch.equal(destinations(places, 4).flatten(1), destination)


def test_the_affinity_is_the_published_one(golden_file):
    edge, affinity = places_in(golden_file("fbr"), ("edge", "affinity"))
    found = pair_affinity(edge[:, 0].sigmoid(), 4).flatten(2)
    torch.testing.assert_close(found, affinity, rtol=0, atol=1e-6)


@pytest.mark.parametrize("radius", [2, 3, 5, 10, 11])
def test_offsets_are_every_pair_within_the_radius_once(radius):
    reach = range(-radius, radius + 1)
    near = {(y, x) for y, x in product(reach, reach) if 0 < hypot(y, x) < radius}
    found = offsets(radius)
    assert len(set(found)) == len(found) and not set(found) & {(-y, -x) for y, x in found}
    assert set(found) | {(-y, -x) for y, x in found} == near
    assert all(y > 0 or y == 0 and x > 0 for y, x in found)
    lengths = [len(path(offset)) for offset in found]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("radius, height, width", [(2, 2, 3), (3, 7, 8), (5, 9, 12), (6, 6, 11)])
def test_the_affinity_equals_a_loop_over_all_pairs(radius, height, width):
    boundary = draw(2, height, width)
    found = pair_affinity(boundary, radius)
    margin = radius - 1
    assert found.shape == (2, len(offsets(radius)), height - margin, width - 2 * margin)
    for number, (dy, dx) in enumerate(offsets(radius)):
        for y, x in np.ndindex(found.shape[2:]):
            start = y, x + margin
            cells = cells_between(start, (start[0] + dy, start[1] + dx))
            largest = torch.stack([boundary[:, row, column] for row, column in cells]).amax(0)
            assert torch.equal(found[:, number, y, x], 1 - largest)


def test_equal_boundaries_share_no_gradient():
    """One of them has all of it, as in the published maximum: else the gradient would be another."""
    boundary = torch.full((1, 5, 9), 0.5, requires_grad=True)
    pair_affinity(boundary, 5).sum().backward()
    assert boundary.grad.sum() == -len(offsets(5))
    assert torch.equal(boundary.grad, boundary.grad.round())
