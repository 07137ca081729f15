"""Refine class maps by an image's colours: each pixel takes the mean of its neighbours of similar colour.

FBR's setting I trains on refined seeds instead of raw CAMs; this is a light stand-in for its refinement, and ours.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

DISTANCES = (1, 2, 4)  # of the neighbours, in 8 directions: 24 of them
DIRECTIONS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column]
OFFSETS = [(row * distance, column * distance) for distance in DISTANCES for row, column in DIRECTIONS]
REACH = max(DISTANCES)


@torch.no_grad()
def refine(maps: Tensor, images: Tensor, sigma: float = 0.03, steps: int = 10) -> Tensor:
    """Average each map `steps` times with its 24 neighbours, weighted by colour, and scale its maximum to 1.

    maps: float (B, C, h, w), 0 or above; images: float (B, h, w, 3), RGB in [0, 1], on the same device. Returns float32
    (B, C, h, w) in [0, 1], without gradient; a map that is 0 everywhere stays so. `sigma`: standard deviation of a
    colour's difference, above 0. The rule is ours. Raises ValueError if the images do not have the maps' size.
    """
    batch, _, height, width = maps.shape
    if images.shape != (batch, height, width, 3):
        raise ValueError(f"images: expected {(batch, height, width, 3)} as the maps, found {tuple(images.shape)}")
    own, others = colour_weights(images.float(), sigma)
    own, others = own.flatten(2), others.flatten(2)  # (B, 1, hw), (B, 24, hw)
    # A shift of the image is one of the flattened map. Beside the image it reads another row's pixels, at weight 0.
    margin, pixels = REACH * width + REACH, height * width
    refined = maps.float().flatten(2)  # (B, C, hw)
    for _ in range(steps):
        padded = pad(refined, (margin, margin))
        refined = own * refined
        for place, (row, column) in enumerate(OFFSETS):
            start = margin + row * width + column
            refined.addcmul_(others[:, place, None], padded[:, :, start : start + pixels])
    refined = refined / (refined.amax(2, keepdim=True) + 1e-5)
    return refined.view(maps.shape)


def colour_weights(images: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Weights of each pixel itself, float32 (B, 1, h, w), and of its neighbours by OFFSETS, float32 (B, 24, h, w).

    images: float32 (B, h, w, 3). A neighbour has exp(-|difference|² / 2 sigma²), the pixel itself 1, one outside the
    image 0; all are divided by their sum.
    """
    height, width = images.shape[1:3]
    colours = images.permute(0, 3, 1, 2) / sigma  # (B, 3, h, w)
    padded = pad(colours, (REACH,) * 4, value=float("inf"))  # outside: infinitely far, so that the weight is 0
    weights = torch.stack(
        [
            (padded[:, :, REACH + row :, REACH + column :][:, :, :height, :width] - colours).square().sum(1)
            for row, column in OFFSETS
        ],
        1,
    )
    weights = weights.mul_(-0.5).exp_()  # (B, 24, h, w)
    total = 1 + weights.sum(1, keepdim=True)
    return 1 / total, weights / total
