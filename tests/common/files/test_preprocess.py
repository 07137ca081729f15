"""A network's input outside of an image; whole inputs are compared in tests/wiring."""

import pytest
import torch

from common.files.preprocess import normalise


@pytest.mark.parametrize("convention", ["torchvision", "caffe"])
def test_what_lies_outside_the_rectangle_is_the_mean(convention):
    images = torch.randint(256, (1, 5, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = normalise(images, convention)[0]  # (3, H, W)
    part = normalise(images, convention, torch.tensor([[1, 2, 4, 6]]))[0]
    assert torch.equal(part[:, 1:4, 2:6], whole[:, 1:4, 2:6]) and (whole != 0).all()  # a mean is no whole number
    part[:, 1:4, 2:6] = 0
    assert (part == 0).all()
