import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize, to_tensor

from common.files.preprocess import normalise


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def one(image, convention, rectangle=None):
    """The network's input for one image, (3, H, W)."""
    rectangles = None if rectangle is None else torch.tensor([rectangle])
    return normalise(torch.from_numpy(image)[None], convention, rectangles)[0]


def test_torchvision_convention_is_torchvisions(image):
    expected = normalize(to_tensor(image), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    found = one(image, "torchvision")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_caffe_convention_is_bgr_minus_the_mean(image):
    found = one(image, "caffe")
    blue, green, red = (image[:, :, channel].astype(np.float32) for channel in (2, 1, 0))
    np.testing.assert_allclose(found, [blue - 104.008, green - 116.669, red - 122.675], atol=1e-5)


@pytest.mark.parametrize("convention", ["torchvision", "caffe"])
def test_what_lies_outside_the_rectangle_is_the_mean(image, convention):
    whole, part = one(image, convention), one(image, convention, [1, 2, 4, 6])
    assert torch.equal(part[:, 1:4, 2:6], whole[:, 1:4, 2:6]) and (whole != 0).all()  # a mean is no whole number
    part[:, 1:4, 2:6] = 0
    assert (part == 0).all()


def test_a_batch_is_channels_last_and_may_be_empty(image):
    images = torch.from_numpy(np.stack([image, image[::-1]]))
    found = normalise(images, "torchvision", torch.tensor([[0, 0, 5, 7], [0, 0, 5, 7]]))
    assert found.shape == (2, 3, 5, 7) and found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found[1], found[0].flip(1))
    assert normalise(images[:0], "caffe", torch.zeros(0, 4, dtype=torch.int64)).shape == (0, 3, 5, 7)
