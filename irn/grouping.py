"""Group pixels into instances: by the centre that the displacements lead to, then by connected components.

IRN: Ahn, Cho, Kwak, Weakly Supervised Learning of Instance Segmentation with Inter-Pixel Relations, CVPR 2019; the
rules and their numbers are the published code's. Components are of 4 neighbours, in the order of their first pixels,
row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from torch import Tensor


def centroids(displacement: Tensor, sizes: Sequence[tuple[int, int]] | None = None, steps: int = 300) -> Tensor:
    """The places where the pixels end if each moves `steps` times by the displacement at its current place.

    displacement: float (B, 2, h, w), pixels down and right, of which the training's mean has been subtracted. It is
    interpolated bilinearly, and no pixel leaves its map, (height, width) of `sizes` at the top left (or the whole).
    Returns int64 (B, 2, h, w), row and column, on the same device; values outside a map are meaningless.
    """
    import torch  # here, because the processes that call only the others start much faster without it
    from torch.nn.functional import grid_sample

    displacement = displacement.double()  # single precision would round some places to another pixel
    height, width = displacement.shape[2:]
    ends = torch.tensor(sizes or [(height, width)] * len(displacement), dtype=torch.float64)
    ends = (ends - 1).to(displacement.device, non_blocking=True)[:, :, None, None]  # (B, 2, 1, 1), of each map
    scale = torch.tensor([2 / max(1, height - 1), 2 / max(1, width - 1)], dtype=torch.float64)
    scale = scale.to(displacement.device, non_blocking=True)[:, None, None]
    sides = (torch.arange(side, device=displacement.device) for side in (height, width))
    places = torch.stack(torch.meshgrid(*sides, indexing="ij"))  # (2, h, w)
    places = torch.minimum(places.to(displacement), ends)  # (B, 2, h, w)
    for _ in range(steps):
        grid = (places * scale - 1).flip(1).permute(0, 2, 3, 1)  # (B, h, w, 2): column and row from -1 to 1
        moves = grid_sample(displacement, grid, mode="bilinear", padding_mode="border", align_corners=True)
        places = torch.minimum((places + moves).clamp(min=0), ends)
    return places.round().long()


def groups(centroids: np.ndarray, displacement: np.ndarray, threshold: float = 2.5) -> np.ndarray:
    """Masks of the pixels whose centroids share a component of displacements shorter than `threshold`: bool (G, h, w).

    centroids: int (2, h, w); displacement: float (2, h, w), as for `centroids`. Each pixel is in one group. The pixels
    whose centroid lies in no component form the first group; a component without centroids forms none.
    """
    weak = components(np.linalg.norm(displacement, axis=0) < threshold)
    owner = weak[tuple(centroids)]  # (h, w)
    return owner == np.unique(owner)[:, None, None]


def detections(
    masks: np.ndarray, activity: np.ndarray, classes: np.ndarray, least: float = 0.01
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The components of each mask as detections: masks bool (D, H, W), classes int64 (D,), scores float64 (D,).

    masks: bool (N, H, W); activity: float (N, H, W), 0 or above; classes: int (N,). The score of a detection is its
    largest activity, but 0 if it has less than the share `least` of the image's pixels. They come in the order of the
    masks; an empty mask has none.
    """
    parts, part_classes, scores = [], [], []
    for mask, active, cls in zip(masks, activity, classes, strict=True):
        labels = components(mask)
        for number in range(1, labels.max(initial=0) + 1):
            part = labels == number
            parts.append(part)
            part_classes.append(cls)
            scores.append(active[part].max() if part.sum() >= least * part.size else 0)
    parts = np.array(parts, bool).reshape(-1, *masks.shape[1:])
    return parts, np.array(part_classes, np.int64), np.array(scores, np.float64)


def components(mask: np.ndarray) -> np.ndarray:
    """The mask's components, numbered from 1 by their first pixels, 0 outside: bool (h, w) -> int64 (h, w)."""
    labels, count = ndimage.label(mask)
    numbers, first = np.unique(labels[mask], return_index=True)
    ordered = np.zeros(count + 1, np.int64)
    ordered[numbers[np.argsort(first)]] = np.arange(1, count + 1)
    return ordered[labels]
