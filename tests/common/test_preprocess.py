import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize, to_tensor

from common.files import InputError
from common.preprocess import normalise


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_torchvision_convention_is_torchvisions(image):
    expected = normalize(to_tensor(image), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    found = normalise(image, "torchvision")
    assert found.dtype == np.float32 and found.flags.c_contiguous
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-6, rtol=1e-5)


def test_caffe_convention_is_bgr_minus_the_mean(image):
    found = normalise(image, "caffe")
    assert found.dtype == np.float32 and found.flags.c_contiguous
    blue, green, red = (image[:, :, channel].astype(np.float32) for channel in (2, 1, 0))
    np.testing.assert_allclose(found, [blue - 104.008, green - 116.669, red - 122.675], atol=1e-5)


@pytest.mark.parametrize("convention", ["torchvision", "caffe"])
def test_the_mean_becomes_zero_and_floats_are_taken_as_they_are(convention):
    mean = {"torchvision": (123.675, 116.28, 103.53), "caffe": (122.675, 116.669, 104.008)}[convention]  # RGB
    image = np.broadcast_to(np.float32(mean), (2, 3, 3))
    np.testing.assert_allclose(normalise(image, convention), 0, atol=1e-4)


def test_an_unknown_convention_is_refused(image):
    with pytest.raises(InputError, match="torchvision or caffe"):
        normalise(image, "keras")
