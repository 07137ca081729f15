"""Tell a class's objects apart by displacements that point at their centres: instances (IRN, CVPR 2019, section 4.1).

Reads <maps>/<id>_<class>.png and the network of irn.train, writes <out>/<id>.png, an indexed PNG of instance numbers
from 1, 0 elsewhere, and <out>/<id>.json, their numbers, 0-based classes and scores. Each class's map is cut along the
groups of pixels that share a centre. Each piece walks as in irn.walk and becomes an instance where it is strongest.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.files.dataset import reads
from common.files.instances import write_instances
from irn.network import map_size, read_scores, shares_of_largest, walk_parser, write_walked
from stages.arguments import positive_float
from stages.command import main

if TYPE_CHECKING:
    import torch

    from irn.network import Found, Walked


def parser() -> ArgumentParser:
    parser = walk_parser(__doc__)
    parser.add_argument(
        "--centre", type=positive_float, default=2.5, help="displacements shorter than this many pixels mark centres"
    )
    return parser


def cut(maps: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Cut maps (C', h, w) along groups, bool (G, h, w): (C' G, h, w), the pieces of the first map first."""
    return (maps[:, None] * groups[None]).reshape(-1, *maps.shape[1:])


def maps_of(args: Namespace, found: Found) -> list[torch.Tensor]:
    """The pieces of each image's maps: float32 (C' G, h, w), at stride 4, for G groups of pixels in the image."""
    import torch

    from irn.grouping import centroids, groups

    ends = centroids(found.displacement, [map_size(size) for size in found.sizes]).cpu().numpy()
    pieces = []
    displacements = found.displacement.cpu().numpy()
    for item, size, displacement, end in zip(found.items, found.sizes, displacements, ends, strict=True):
        height, width = map_size(size)
        masks = groups(end[:, :height, :width], displacement[:, :height, :width], args.centre)
        pieces.append(torch.from_numpy(cut(read_scores(args.maps, item, size), masks)))
    return pieces


def write(out: Path, background: float, found: Walked) -> None:
    """Write the instances of an image after the walk."""
    from irn.grouping import detections

    item, size, scores = found
    large = shares_of_largest(scores, size)  # (C' G, H, W)
    strongest = np.where(large.max(0) > background, large.argmax(0), -1)
    masks = strongest == np.arange(len(large))[:, None, None]
    classes = np.repeat(item.classes, len(large) // len(item.classes))
    write_instances(out, item.id, *detections(masks, large, classes))


def run(args: Namespace) -> str:
    """Write the instances of the images that lack them; returns a summary."""
    return f"{write_walked(args, maps_of, write)} images"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
