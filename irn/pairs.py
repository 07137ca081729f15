"""Pairs of near pixels and the paths between them, for IRN's training and its random walk.

IRN: Ahn, Cho, Kwak, Weakly Supervised Learning of Instance Segmentation with Inter-Pixel Relations, CVPR 2019,
section 3. The pairs of a radius r are a pixel and each other one less than r away, every pair once: the other one lies
below it, or right of it in its row.
"""

from functools import cache

import torch
from torch import Tensor


def path(offset: tuple[int, int]) -> list[tuple[int, int]]:
    """The cells (row, column) between (0, 0) and `offset` that are less than 1 from their line, both ends included."""
    rows, columns = (range(min(0, end), max(0, end) + 1) for end in offset)
    dy, dx = offset
    length = dy * dy + dx * dx
    return [(y, x) for y in rows for x in columns if (dy * x - dx * y) ** 2 < length]


@cache
def offsets(radius: int) -> list[tuple[int, int]]:
    """The P offsets (rows down, columns right) from a pixel to the others of its pairs, the shortest paths first."""
    half = [(0, x) for x in range(1, radius)]
    half += [(y, x) for y in range(1, radius) for x in range(1 - radius, radius) if y * y + x * x < radius * radius]
    return sorted(half, key=lambda offset: len(path(offset)))


def sources(map_: Tensor, radius: int) -> Tensor:
    """Part of a map (..., h, w) whose pixels have all their pairs within it: (..., h - r, w - 2r), r = radius - 1."""
    margin = radius - 1
    return map_[..., : map_.shape[-2] - margin, margin : map_.shape[-1] - margin]


def destinations(map_: Tensor, radius: int) -> Tensor:
    """The values at each of the P offsets from the `sources` of a map (..., h, w): (..., P, h - r, w - 2r)."""
    margin = radius - 1
    height, width = map_.shape[-2] - margin, map_.shape[-1] - 2 * margin
    return torch.stack([map_[..., y : y + height, margin + x : margin + x + width] for y, x in offsets(radius)], dim=-3)


def pair_affinity(boundary: Tensor, radius: int) -> Tensor:
    """Affinity of each pixel with the others of its pairs: 1 - the largest boundary on the path between them (Eq. 5).

    boundary: float (B, h, w) in [0, 1]. Returns float (B, P, h - r, w - 2r) in [0, 1], r = radius - 1, of the `sources`
    with the pixels at the `offsets`. The gradient goes to the one cell of a path where the boundary is largest.
    """
    flat = boundary.flatten(1)  # (B, hw)
    origin = torch.arange(flat.shape[1], device=flat.device).view(boundary.shape[1:])
    origin = sources(origin, radius)  # (h - r, w - 2r)
    largest = []
    for cells in paths(radius, boundary.shape[2], flat.device):  # (P', L): the offsets of one length of path
        cells = cells[:, :, None, None] + origin  # (P', L, h - r, w - 2r)
        with torch.no_grad():
            place = flat[:, cells].argmax(2)  # (B, P', h - r, w - 2r)
            largest.append(cells.expand(len(flat), *cells.shape).gather(2, place[:, :, None])[:, :, 0])
    largest = torch.cat(largest, 1)
    return 1 - flat.gather(1, largest.flatten(1)).view(largest.shape)


@cache  # a copy to the device at every step would make a GPU wait
def ways(radius: int, device: torch.device) -> Tensor:
    """The `offsets` as int64 (2, P), rows and columns, on a device."""
    return torch.tensor(offsets(radius), device=device).T.contiguous()


@cache
def paths(radius: int, width: int, device: torch.device) -> list[Tensor]:
    """The paths to `offsets`, int64 (P', L) for each length L, as places in a flattened map relative to the source."""
    lengths = {}
    for offset in offsets(radius):
        cells = [y * width + x for y, x in path(offset)]
        lengths.setdefault(len(cells), []).append(cells)
    return [torch.tensor(cells, device=device) for cells in lengths.values()]
