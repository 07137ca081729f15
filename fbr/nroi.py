"""NROIs of FBR (Yin et al., TCSVT 2024): an image's background as a few points in feature space, and their bank."""

from collections.abc import Iterable

import torch
from torch import nn


def extract_nrois(
    features: torch.Tensor, background: torch.Tensor, centres: int, seeds: Iterable[int], iterations: int = 20
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cluster each image's background features by k-means; the centres are its NROIs (online clustering of FBR).

    features (B, D, h, w) float32, background (B, h, w) bool, seeds: a whole number for each image, of its k-means++
    start -> NROIs (B, K, D) without gradient, valid (B, K) bool; K = `centres`, or h w if that is less. An image of at
    most K background pixels gives these themselves, so an image without background gives none. A cluster that loses all
    its pixels stays where it was. The device does not wait.
    """
    points, background = _flat(features, background)  # (B, N, D), (B, N)
    centres = min(centres, points.shape[1])
    few, valid = _take(points, background.float(), centres)
    found = _spread_start(points, background, _exponential(seeds, centres, points))
    numbers = torch.arange(centres, device=points.device)[:, None]
    counted = torch.cat([points, torch.ones_like(points[..., :1])], 2) * background[..., None]  # sums have their size
    for _ in range(iterations):
        nearest = _squared_distances(points, found).min(1, keepdim=True).indices  # (B, 1, N)
        sums = (nearest == numbers).to(points.dtype) @ counted  # (B, K, D + 1)
        found = (sums[..., :-1] / sums[..., -1:]).where(sums[..., -1:] > 0, found)
    has_more = background.sum(1) > centres
    return found.where(has_more[:, None, None], few), valid


def random_pixels(
    features: torch.Tensor, background: torch.Tensor, count: int, seeds: Iterable[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of `count` random background pixels of each image: a control of `extract_nrois`, with its shapes."""
    points, background = _flat(features, background)
    chances = background / _exponential(seeds, 1, points)[:, 0]
    return _take(points, chances, min(count, points.shape[1]))


def _flat(features, background):
    """(B, D, h, w) and (B, h, w) -> (B, N, D) without gradient and (B, N)."""
    return features.detach().float().flatten(2).transpose(1, 2).contiguous(), background.flatten(1)


def _exponential(seeds, rows, points):
    """Exponential deviates (B, rows, N), of an image's own generator: arrival times, of which the first is chosen."""
    size, device = (rows, points.shape[1]), points.device
    generators = (torch.Generator(device).manual_seed(seed) for seed in seeds)
    times = [torch.empty(size, device=device).exponential_(generator=generator) for generator in generators]
    return torch.stack(times) if times else points.new_zeros(0, *size)


def _take(points, scores, count):
    """Points of the highest scores, (B, count, D), and whether these are above 0, (B, count)."""
    scores, index = scores.topk(count, dim=1)
    return points.gather(1, index[:, :, None].expand(-1, -1, points.shape[2])), scores > 0


def _spread_start(points, background, times):
    """k-means++: each centre is a pixel, drawn in proportion to its squared distance from those before: (B, K, D)."""
    chances, chosen = background.to(points.dtype), []
    lengths, images = points.square().sum(2), torch.arange(len(points), device=points.device)
    for each in times.unbind(1):  # (B, N)
        index = (chances.clamp(min=1e-30) * background / each).argmax(1)
        chosen.append(points[images, index])
        distance = (lengths + _squared_distances(points, chosen[-1][:, None])[:, 0]).clamp(min=0)
        chances = distance if len(chosen) == 1 else chances.minimum(distance)
    return torch.stack(chosen, 1)


def _squared_distances(points, centres):
    """(B, N, D), (B, K, D) -> (B, K, N), less the squared length of each point."""
    lengths = centres.square().sum(2, keepdim=True)
    return torch.baddbmm(lengths, centres, points.transpose(1, 2), alpha=-2)


class NROIBank(nn.Module):
    """Bank of the last `size` NROIs, of `dim` numbers each: a ring buffer in float32, on the network's device.

    `rows` (size + 1, dim): the last row takes what is not to be stored. `position` is where the next one goes, `filled`
    how many there are; both are tensors, so that a GPU does not wait for the CPU.
    """

    def __init__(self, dim: int, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("rows", torch.zeros(size + 1, dim))
        self.register_buffer("position", torch.zeros((), dtype=torch.long))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, nrois: torch.Tensor, valid: torch.Tensor | None = None) -> None:
        """Store NROIs (M, dim) in their order, those that are `valid` (M,) bool, in place of the oldest."""
        valid = torch.ones(len(nrois), dtype=torch.bool, device=nrois.device) if valid is None else valid
        order, count = valid.cumsum(0) - 1, valid.sum()
        stays = valid & (count - order <= self.size)  # of more than `size`, the first are lost
        self.rows[((self.position + order) % self.size).where(stays, self.size)] = nrois.to(self.rows.dtype)
        self.position = (self.position + count) % self.size
        self.filled = (self.filled + count).clamp(max=self.size)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw stored NROIs uniformly with replacement: (*shape, dim). An empty bank gives zeros."""
        chance = torch.rand(shape, generator=generator, device=self.rows.device)
        index = (chance * self.filled).long().minimum(self.filled - 1).clamp(min=0)
        return self.rows.index_select(0, index.flatten()).view(*shape, self.rows.shape[1])
