"""A random walk spreads class maps over the image, and stops at class boundaries.

IRN: Ahn, Cho, Kwak, Weakly Supervised Learning of Instance Segmentation with Inter-Pixel Relations, CVPR 2019. The
published code squares a dense matrix of all pairs of pixels; most of it is 0, and here it only multiplies the maps.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from irn.pairs import offsets, pair_affinity


@torch.no_grad()
def walk(maps: Tensor, boundary: Tensor, radius: int = 5, beta: float = 10, exponent: int = 8) -> Tensor:
    """Walk 2**exponent steps from maps × (1 - boundary): in each, a pixel takes the mean of itself and those near it.

    maps: float (B, C, h, w); boundary: float (B, h, w) in [0, 1], on the same device. Returns float32 (B, C, h, w),
    without gradient. In its mean a pixel has weight 1, a pixel less than `radius` away their `pair_affinity` to the
    power `beta`; the radius is at least 2. Outside the map the boundary counts as 1, so an image padded with boundary 1
    to the size of its batch walks as if alone.
    """
    width = maps.shape[3]
    boundary, reach = boundary.float(), radius - 1
    outside = pad(boundary, (reach, reach, 0, reach), value=1.0)  # so that every pixel of the map is a source
    weights = pair_affinity(outside, radius).pow_(beta).flatten(2)  # (B, P, hw)
    # An offset in the image is one in the flattened map. Outside the image it reaches another row, with weight 0.
    shifts = [row * width + column for row, column in offsets(radius)]
    margin = reach * width + reach
    start = pad((maps.float() * (1 - boundary)[:, None]).flatten(2), (margin, margin))  # (B, C, margin + hw + margin)
    buffers = start, torch.empty_like(start)
    ones = torch.ones_like(start[:, :1])
    total = spread(*additions(ones, torch.empty_like(ones), weights, shifts))  # of the weights, added as in each step
    there, back = (additions(*way, weights, shifts) for way in (buffers, buffers[::-1]))
    for step in range(2**exponent):
        spread(*(back if step % 2 else there)).div_(total)
    return buffers[2**exponent % 2][:, :, margin:-margin].reshape(maps.shape)


def additions(maps: Tensor, out: Tensor, weights: Tensor, shifts: list[int]) -> tuple[Tensor, Tensor, list]:
    """The additions of one step, for `spread`: (maps, out, views of them), made once: a view costs more than its sum.

    maps, out: float32 (B, C, margin + hw + margin), flattened, with a margin that no shift leaves; weights: float32
    (B, P, hw) of each pixel with the one `shifts` further (P), 0 if that is outside the map. A view is (pixels of out,
    weight, the other pixels of the pairs in maps), (B, C, hw), (B, 1, hw), (B, C, hw).
    """
    pixels = weights.shape[2]
    margin = (maps.shape[2] - pixels) // 2
    views = []
    for pair in reversed(range(len(shifts))):  # the far ones first: they weigh least, so that less is rounded
        shift, weight = shifts[pair], weights[:, pair, None]
        here, there = slice(margin, margin + pixels), slice(margin + shift, margin + shift + pixels)
        views.append((out[:, :, here], weight, maps[:, :, there]))
        views.append((out[:, :, there], weight, maps[:, :, here]))
    return maps, out, views


def spread(maps: Tensor, out: Tensor, views: list) -> Tensor:
    """Write each pixel of `maps` plus the weighted sum of its pairs' other pixels to `out`, and return it."""
    out.zero_()
    for pixels, weight, others in views:
        pixels.addcmul_(weight, others)
    return out.add_(maps)
