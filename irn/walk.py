"""Spread class maps by a random walk that boundaries hold back: labels without saliency (IRN, CVPR 2019, section 4.2).

Reads <maps>/<id>_<class>.png and the network of irn.train, writes <out>/<id>.png: 0 background, 1..C.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.files.dataset import reads
from common.files.images import write_indexed
from irn.network import read_scores, shares_of_largest, walk_parser, write_walked
from stages.arguments import positive_float
from stages.command import main

if TYPE_CHECKING:
    import torch

    from irn.network import Found, Walked


def parser() -> ArgumentParser:
    parser = walk_parser(__doc__)
    parser.add_argument(
        "--power",
        type=positive_float,
        default=1.3,
        help="exponent of the maps before the walk (from AMN; IRN has 1)",
    )
    return parser


def label_from_scores(
    scores: np.ndarray, size: tuple[int, int], classes: tuple[int, ...], background: float
) -> np.ndarray:
    """Label uint8 (H, W) = `size` by the strongest class, 0 where its share is not above `background`.

    scores: float32 (C', h, w), of the image's 0-based `classes`, at stride 4; shares are those of the largest score.
    """
    large = shares_of_largest(scores, size)  # (C', H, W)
    label = np.array(classes, np.uint8)[large.argmax(0)] + np.uint8(1)  # the lowest class wins ties
    label[large.max(0) <= background] = 0
    return label


def maps_of(args: Namespace, found: Found) -> list[torch.Tensor]:
    """The maps of each image's classes to the power --power: float32 (C', h, w), at stride 4."""
    import torch

    sizes = zip(found.items, found.sizes, strict=True)
    return [torch.from_numpy(read_scores(args.maps, item, size)) ** args.power for item, size in sizes]


def write(out: Path, background: float, found: Walked) -> None:
    """Write the label of an image after the walk."""
    item, size, scores = found
    write_indexed(out / f"{item.id}.png", label_from_scores(scores, size, item.classes, background))


def run(args: Namespace) -> str:
    """Write the labels that are missing; returns a summary."""
    return f"{write_walked(args, maps_of, write)} labels"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
