"""The refinement of class maps by colours, against a plain version of it, pixel by pixel."""

import pytest
import torch

from fbr.refinement import refine
from tests.wiring import plain_fbr


@pytest.mark.parametrize("size, sigma, steps", [((7, 9), 0.2, 3), ((9, 6), 0.5, 2), ((2, 3), 0.3, 4), ((5, 1), 1, 1)])
def test_equals_the_plain_version(size, sigma, steps):
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, *size, generator=generator)
    images = torch.rand(2, *size, 3, generator=generator)
    maps[1, 2] = 0
    refined = refine(maps, images, sigma, steps)
    assert refined.shape == maps.shape and refined.dtype == torch.float32
    for index in range(2):
        for cls in range(3):
            expected = plain_fbr.refine(maps[index, cls].double().numpy(), images[index].double().numpy(), sigma, steps)
            expected = torch.tensor(expected / (expected.max() + 1e-5)).float()
            torch.testing.assert_close(refined[index, cls], expected, atol=2e-6, rtol=2e-5)


def test_absent_maps_stay_zero_and_nothing_has_a_gradient():
    maps = torch.rand(1, 2, 6, 6, requires_grad=True)
    masked = maps * torch.tensor([1.0, 0.0])[None, :, None, None]
    refined = refine(masked, torch.rand(1, 6, 6, 3))
    assert refined[0, 0].max() > 0.99 and not refined[0, 1].any() and not refined.requires_grad
    assert torch.equal(refine(masked.half(), torch.zeros(1, 6, 6, 3)).isfinite(), torch.ones(1, 2, 6, 6).bool())


def test_images_are_of_the_maps_size():
    with pytest.raises(ValueError, match=r"expected \(1, 4, 5, 3\)"):
        refine(torch.zeros(1, 2, 4, 5), torch.zeros(1, 5, 4, 3))
