"""Normalisation of a network's input, by the convention of the weights that it started from.

torchvision's weights expect RGB in 0..1, normalised with ImageNet's mean and standard deviation; weights from Caffe
(the published DeepLab-v2 and its COCO weights) expect BGR in 0..255 minus a mean. Loaders pass uint8 images, a quarter
of float32's size, which are normalised on the network's device.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CONVENTIONS = {  # order of the channels; mean and divisor of each, for values from 0 to 255
    "torchvision": ("RGB", (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
    "caffe": ("BGR", (104.008, 116.669, 122.675), (1.0, 1.0, 1.0)),
}


def normalise(images: torch.Tensor, convention: str, rectangles: torch.Tensor | None = None) -> torch.Tensor:
    """Normalise RGB images, uint8 (B, H, W, 3), to a network's input, float32 (B, 3, H, W), channels-last.

    `rectangles`, int64 (B, 4), give top, left, bottom, right of the image in each; the padding outside becomes 0, the
    convention's mean, as in the published code.
    """
    mean, divisor = _constants(convention, images.device)  # (3,)
    if CONVENTIONS[convention][0] == "BGR":
        images = images.flip(3)
    images = (images.float() - mean) / divisor
    if rectangles is not None:
        images = images.where(_inside(rectangles, *images.shape[1:3])[..., None], 0)
    return images.permute(0, 3, 1, 2)


def _inside(rectangles, height, width):
    """Mask of the pixels in the rectangles: int64 (B, 4) -> bool (B, height, width)."""
    import torch

    top, left, bottom, right = rectangles[:, :, None].unbind(1)  # (B, 1) each
    rows = torch.arange(height, device=rectangles.device)
    columns = torch.arange(width, device=rectangles.device)
    inside_rows = (top <= rows) & (rows < bottom)  # (B, height)
    inside_columns = (left <= columns) & (columns < right)  # (B, width)
    return inside_rows[:, :, None] & inside_columns[:, None, :]


@cache  # a copy to the device at every step would make a GPU wait
def _constants(convention, device):
    import torch

    return tuple(torch.tensor(numbers, dtype=torch.float32, device=device) for numbers in CONVENTIONS[convention][1:])
