"""What an image becomes before it enters a network; it has to fit the weights the network started from.

torchvision's weights want RGB in 0..1, normalised with ImageNet's mean and standard deviation; weights that come from
Caffe (the published DeepLab-v2 and its COCO weights) want BGR in 0..255 minus a mean.
"""

import numpy as np

from common.files import InputError

CONVENTIONS = {  # order of the channels, mean, divisor, both in 0..255 and in that order
    "torchvision": ("RGB", np.array((0.485, 0.456, 0.406)) * 255, np.array((0.229, 0.224, 0.225)) * 255),
    "caffe": ("BGR", np.array((104.008, 116.669, 122.675)), np.ones(3)),
}


def check_convention(convention):
    """Raises InputError for a convention that is not in CONVENTIONS."""
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r}: expected {' or '.join(CONVENTIONS)}")


def normalise(image, convention):
    """An RGB image (H, W, 3), uint8 (or floating point 0..255), as the network's input: float32 (3, H, W), contiguous.

    0 is the mean of the convention, so padding the result with 0 pads with the mean, as the published code pads.
    Raises InputError for an unknown convention.
    """
    check_convention(convention)
    order, mean, divisor = CONVENTIONS[convention]
    network_input = np.empty((3, *image.shape[:2]), np.float32)
    for i, channel in enumerate(order):
        plane = image[:, :, "RGB".index(channel)]  # (H, W)
        np.subtract(plane, np.float32(mean[i]), out=network_input[i])
        network_input[i] /= np.float32(divisor[i])
    return network_input
