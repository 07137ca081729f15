"""The two losses of IRN (CVPR 2019, section 3.3), over pairs of near pixels that both have a seed.

Their means are taken later (see common.training.losses).
"""

from typing import NamedTuple

from torch import Tensor

from common.files.images import IGNORE_INDEX
from common.training.losses import Loss
from irn.pairs import destinations, pair_affinity, sources, ways

EPSILON = 1e-5


class Pairs(NamedTuple):
    """Masks of three kinds of pairs, bool (B, P, h - r, w - 2r), r = radius - 1 (irn.pairs). Others are ignored."""

    background: Tensor  # both pixels are background
    foreground: Tensor  # both are of the same object class
    negative: Tensor  # they are of different classes, of which one may be background


def pairs_of(labels: Tensor, radius: int) -> Pairs:
    """The pairs of seeds uint8 (B, h, w), 0 background, 1 to C, 255 ignore."""
    here, there = sources(labels, radius)[:, None], destinations(labels, radius)
    known = (here != IGNORE_INDEX) & (there != IGNORE_INDEX)
    same = known & (here == there)
    return Pairs(same & (here == 0), same & (here > 0), known & (here != there))


def affinity_loss(boundary: Tensor, pairs: Pairs, radius: int) -> list[Loss]:
    """Binary cross entropy of the pairs' affinity (Eq. 6).

    boundary: float (B, h, w) in [0, 1]. Pairs of different classes weigh half, pairs of one object class and pairs of
    background a quarter each.
    """
    affinity = pair_affinity(boundary, radius)  # (B, P, h - r, w - 2r)
    alike, different = -(affinity + EPSILON).log(), -(1 + EPSILON - affinity).log()
    return [
        Loss(alike / 4, pairs.background),
        Loss(alike / 4, pairs.foreground),
        Loss(different / 2, pairs.negative),
    ]


def displacement_loss(displacement: Tensor, pairs: Pairs, radius: int) -> list[Loss]:
    """L1 loss of the pairs' difference of displacements (Eq. 7 and 8).

    displacement: float (B, 2, h, w), rows and columns from a pixel to the centre of its object, in pixels of this map.
    For pairs of one object class the difference should be the way between the pixels, as both point at one centre; for
    pairs of background 0.
    """
    difference = sources(displacement, radius)[:, :, None] - destinations(displacement, radius)  # (B, 2, P, h', w')
    way = ways(radius, displacement.device)[:, :, None, None]  # (2, P, 1, 1)
    return [
        Loss((difference - way).abs().mean(1) / 2, pairs.foreground),
        Loss(difference.abs().mean(1) / 2, pairs.background),
    ]
