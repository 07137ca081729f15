"""The random walk, against the published one and against a dense matrix made pixel by pixel."""

from itertools import product
from math import hypot

import numpy as np
import pytest
import torch

from irn.random_walk import walk


def dense_walk(maps, boundary, radius, beta, steps):
    """float64 (C, h, w) of maps (C, h, w) and boundary (h, w), by a matrix of all pairs of pixels to a power."""
    height, width = boundary.shape
    pixels = list(product(range(height), range(width)))
    matrix = np.zeros((len(pixels), len(pixels)))
    for (i, (y0, x0)), (j, (y1, x1)) in product(enumerate(pixels), repeat=2):
        distance = hypot(y1 - y0, x1 - x0)
        if 0 < distance < radius:
            box = product(range(min(y0, y1), max(y0, y1) + 1), range(min(x0, x1), max(x0, x1) + 1))
            path = [(y, x) for y, x in box if abs((y1 - y0) * (x - x0) - (x1 - x0) * (y - y0)) / distance < 1]
            matrix[i, j] = (1 - max(boundary[cell] for cell in path)) ** beta
    matrix += np.eye(len(pixels))
    transition = np.linalg.matrix_power(matrix / matrix.sum(0), steps)
    return ((maps * (1 - boundary)).reshape(len(maps), -1) @ transition).reshape(maps.shape)


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_the_walk_equals_the_published_one(golden_file):
    golden = {name: value for name, value in golden_file("fbr").items() if name.startswith("irn_walk/")}
    maps, boundary, result, radius, beta, exponent = (
        golden[f"irn_walk/{name}"] for name in ("cam", "edge", "result", "radius", "beta", "exp_times")
    )
    found = walk(torch.tensor(maps)[None], torch.tensor(boundary), int(radius), int(beta), int(exponent))
    np.testing.assert_allclose(found[0], result[:, 0], rtol=1.3e-4)  # the published rounding: float64 is as far from it
    np.testing.assert_array_equal(walk(torch.tensor(maps)[None], torch.tensor(boundary)), found)  # by default


@pytest.mark.parametrize(
    ("height", "width", "radius", "exponent"), [(6, 7, 3, 5), (9, 5, 5, 8), (2, 3, 4, 0), (7, 1, 5, 2), (1, 1, 5, 1)]
)
def test_the_walk_equals_a_dense_matrix(height, width, radius, exponent):
    maps, boundary = draw(2, 3, height, width), draw(2, height, width, seed=1) ** 4
    found = walk(maps, boundary, radius, beta=3, exponent=exponent)
    assert found.dtype == torch.float32
    for image in range(2):
        expected = dense_walk(maps[image].double().numpy(), boundary[image].double().numpy(), radius, 3, 2**exponent)
        np.testing.assert_allclose(found[image], expected, rtol=3e-5)


def test_padded_images_of_a_batch_are_as_alone():
    sizes = [(9, 13), (12, 8)]
    maps, boundary = draw(2, 3, 12, 13), torch.ones(2, 12, 13)
    for image, (height, width) in enumerate(sizes):
        boundary[image, :height, :width] = draw(height, width, seed=image) ** 4
    found = walk(maps, boundary, exponent=5)
    for image, (height, width) in enumerate(sizes):
        alone = walk(maps[image, None, :, :height, :width], boundary[image, None, :height, :width], exponent=5)
        torch.testing.assert_close(found[image, None, :, :height, :width], alone, rtol=1e-6, atol=0)
        assert not found[image, :, height:].any() and not found[image, :, :, width:].any()


def test_the_walk_leaves_its_inputs_and_has_no_gradient():
    maps, boundary = draw(1, 2, 6, 6).half(), draw(1, 6, 6, seed=1).requires_grad_()
    before = maps.clone(), boundary.detach().clone()
    found = walk(maps, boundary, exponent=4)
    assert not found.requires_grad and found.dtype == torch.float32
    torch.testing.assert_close(found, walk(maps.float(), boundary, exponent=4))
    assert torch.equal(maps, before[0]) and torch.equal(boundary, before[1])
