"""What an image becomes before it enters a network; it has to fit the weights the network started from.

torchvision's weights want RGB in 0..1, normalised with ImageNet's mean and standard deviation; weights that come from
Caffe (the published DeepLab-v2 and its COCO weights) want BGR in 0..255 minus a mean.
Loaders hand over bytes, a quarter of the size; the network's device normalises them.
"""

from functools import cache

from common.files import InputError

CONVENTIONS = {  # order of the channels, mean, divisor, both in 0..255 and in that order
    "torchvision": ("RGB", (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
    "caffe": ("BGR", (104.008, 116.669, 122.675), (1.0, 1.0, 1.0)),
}


def check_convention(convention):
    """Raises InputError for a convention that is not in CONVENTIONS."""
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r}: expected {' or '.join(CONVENTIONS)}")


def normalise(images, convention, rectangles=None):
    """RGB images, a uint8 tensor (B, H, W, 3), as the network's input: float32 (B, 3, H, W), channels-last, on their device.

    `rectangles`, int64 (B, 4): top, left, bottom, right of what is image in each; what lies outside becomes 0, the mean
    of the convention, as the published code pads. Raises InputError for an unknown convention.
    """
    check_convention(convention)
    mean, divisor = _constants(convention, images.device)  # (3,)
    if CONVENTIONS[convention][0] == "BGR":
        images = images.flip(3)
    images = (images.float() - mean) / divisor
    if rectangles is not None:
        images = images.where(_inside(rectangles, *images.shape[1:3])[..., None], 0)
    return images.permute(0, 3, 1, 2)


def _inside(rectangles, height, width):
    """Which pixels lie in the rectangles: int64 (B, 4) -> bool (B, height, width)."""
    import torch

    top, left, bottom, right = rectangles[:, :, None].unbind(1)  # (B, 1) each
    rows = torch.arange(height, device=rectangles.device)
    columns = torch.arange(width, device=rectangles.device)
    inside_rows = (top <= rows) & (rows < bottom)  # (B, height)
    inside_columns = (left <= columns) & (columns < right)  # (B, width)
    return inside_rows[:, :, None] & inside_columns[:, None, :]


@cache  # copied to a device once: a copy at every step would make a GPU wait
def _constants(convention, device):
    import torch

    return tuple(torch.tensor(numbers, dtype=torch.float32, device=device) for numbers in CONVENTIONS[convention][1:])
