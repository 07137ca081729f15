"""The lattice against what defines it: simplices around points, and a filter that is linear, symmetric and Gaussian."""

import itertools

import pytest
import torch

from common.crf.lattice import (
    Lattice,
    Matrix,
    barycentric_weights,
    blur_matrices,
    elevate,
    enclosing_simplex,
    number_vertices,
    split_rows,
    vertex_keys,
)
from stages.files import InputError


@pytest.fixture(params=[1, 2, 5])
def features(request):
    torch.manual_seed(0)
    return 3 * torch.randn(request.param, 200)


def dense(matrix, columns):
    """A Matrix as a tensor of (rows, columns)."""
    return matrix.times(torch.eye(columns))


def test_points_lie_on_the_hyperplane_at_their_distances(features):
    d = len(features)
    elevated = elevate(features)
    torch.testing.assert_close(elevated.sum(0), torch.zeros(200), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.pdist(elevated.T), (2 / 3) ** 0.5 * (d + 1) * torch.pdist(features.T))


def test_the_simplex_encloses_its_point(features):
    d, points = features.shape
    elevated = elevate(features)
    nearest, order = enclosing_simplex(elevated)
    weights = barycentric_weights(elevated, nearest, order)
    assert (nearest.sum(0) == 0).all() and (order.sort(0).values == torch.arange(d + 1)[:, None]).all()
    assert weights.min() > -1e-5
    torch.testing.assert_close(weights.sum(0), torch.ones(points))
    vertex, mixture = (d + 1) * nearest, 0
    for remainder in range(d + 1):
        assert ((vertex - remainder) % (d + 1) == 0).all()
        mixture = mixture + weights[remainder] * vertex
        # to the next vertex all coordinates grow by 1, but that in order falls by d
        vertex = vertex + 1 - (d + 1) * torch.nn.functional.one_hot(order[remainder], d + 1).T
    torch.testing.assert_close(mixture, elevated, atol=1e-3, rtol=0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_keys_tell_vertices_and_their_neighbours_apart(d):
    """All simplices around the corners and the centre of a box."""
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 0, 1])] * d).view(-1, d).T
    orders = torch.tensor(list(itertools.permutations(range(d + 1)))).T
    nearest = torch.cat([corners, -corners.sum(0, keepdim=True)]).repeat_interleave(orders.shape[1], 1)
    order = orders.repeat(1, corners.shape[1])
    keys, steps = vertex_keys(nearest, order)
    axes = 1 - (d + 1) * torch.eye(d + 1, dtype=torch.int64)
    moved = torch.stack([steps[axis] + keys for axis in range(d + 1)])  # of each vertex, along each axis
    vertices = [((d + 1) * nearest).long()]
    for k in range(d):
        vertices.append(vertices[-1] + axes[order[k]].T)
    places = torch.stack(vertices).permute(0, 2, 1).reshape(-1, d + 1)
    places = torch.cat([places, *(places + axis for axis in axes)])
    every = torch.cat([keys.flatten(), moved.flatten()])
    assert len(every.unique()) == len(torch.stack([every, *places.T]).unique(dim=1).T) == len(places.unique(dim=0))


def test_vertices_are_numbered_by_their_keys():
    keys, numbers, entries, starts = number_vertices(torch.tensor([[7, 3, 7], [3, 9, 3]]))
    assert keys.tolist() == [3, 7, 9, 2**63 - 1] and numbers.tolist() == [1, 0, 1, 0, 2, 0]
    assert entries.tolist() == [1, 3, 5, 0, 2, 4] and starts.tolist() == [0, 3, 5, 6, 6]


def test_the_blur_takes_half_of_the_neighbours_that_are_there():
    expected = torch.eye(5)
    for first, second in ((0, 1), (1, 2), (3, 4)):
        expected[first, second] = expected[second, first] = 0.5
    for blur in blur_matrices(torch.tensor([0, 2, 4, 7, 9, 2**63 - 1]), [2, -2]):
        found = dense(blur, 6)
        assert torch.equal(found[:5, :5], expected)
        assert not found[5, :5].any()  # what stands for absent ones stays 0


@pytest.mark.parametrize("limit", [3, 4, 64, 300])
def test_rows_that_are_too_long_are_split(limit):
    """Of all lengths around the limits, among them empty ones at either end, which start or end at cuts or do not."""
    torch.manual_seed(0)
    lengths = torch.tensor([0, 4, 1, 3, 0, 4, 64, 65, 5, 0, 300, 63, 17, 2, 0, 0])
    starts = torch.cat([torch.zeros(1), lengths.cumsum(0)]).int()
    whole = Matrix(torch.randint(20, (int(starts[-1]),)).int(), starts, torch.rand(int(starts[-1])))
    factors, table = split_rows(whole, limit), torch.rand(20, 5)
    assert len(factors) == {3: 6, 4: 5, 64: 2, 300: 1}[limit]
    result = table
    for factor in factors:
        assert factor.starts.diff().min() >= 0 and factor.starts.diff().max() <= limit
        assert factor.starts[-1] == len(factor.indices)
        result = factor.times(result)
    torch.testing.assert_close(result, whole.times(table))
    assert factors[0].values is whole.values and factors[0].indices is whole.indices


def test_the_filter_is_linear_and_spreads_what_it_gets(features):
    lattice = Lattice(features)
    first, second = torch.rand(2, features.shape[1], 3)
    torch.testing.assert_close(lattice(2 * first + second), 2 * lattice(first) + lattice(second))
    assert (lattice(first) > 0).all()


def test_the_filter_is_symmetric_in_the_plane():
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(15.0), indexing="ij")
    lattice = Lattice(torch.stack([x.flatten(), y.flatten()]) / 2)
    torch.manual_seed(0)
    first, second = torch.rand(2, 180, 1)
    # blurs along different axes commute, but where a vertex is absent
    torch.testing.assert_close((first * lattice(second)).sum(), (lattice(first) * second).sum(), rtol=1e-3, atol=0)


def test_equal_points_take_their_mean():
    points = torch.zeros(3, 40)  # all alike: each is as near to all as to itself
    lattice = Lattice(points, weight=2.5)
    torch.testing.assert_close(lattice(torch.full((40, 2), 0.3)), torch.full((40, 2), 0.75))
    spread = torch.rand(40, 2)
    torch.testing.assert_close(lattice(spread), 2.5 * spread.mean(0).expand(40, 2))


def test_a_table_in_parts_is_the_whole(monkeypatch):
    torch.manual_seed(0)
    values = torch.rand(300, 21)
    lattice = Lattice(3 * torch.randn(5, 300))
    expected = lattice(values)
    monkeypatch.setattr("common.crf.lattice.CPU_TABLE", 1)
    calls = []
    monkeypatch.setattr(lattice, "_filter", lambda part: calls.append(part.shape) or Lattice._filter(lattice, part))
    torch.testing.assert_close(lattice(values), expected)
    assert calls == [(300, 7)] * 3


@pytest.mark.parametrize("scale", [1e9, float("inf"), float("nan"), 4e4])
def test_features_that_spread_too_far_are_refused(scale):
    torch.manual_seed(0)
    with pytest.raises(InputError, match="standard deviations are too small"):
        Lattice(scale * torch.rand(5, 50))
    if scale == 4e4:  # too many cells for a key, but in two dimensions few enough
        Lattice(scale * torch.rand(2, 50))
