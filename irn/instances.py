"""Tell a class's objects apart by displacements that point at their centres: instances (IRN, CVPR 2019, section 4.1).

Reads <maps>/<id>_<class>.png and the network of irn.train, writes <out>/<id>.png, an indexed PNG of instance numbers
from 1, 0 elsewhere, and <out>/<id>.json, their numbers, 0-based classes and scores. Each class's map is cut along the
groups of pixels that share a centre, and each piece walks as in irn.walk; where it is the strongest is an instance.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.dataset import reads
from common.instances import write_instances
from irn.network import enlarged, map_size, read_scores, walk_parser, write_walked
from stages.arguments import positive_float
from stages.command import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from irn.network import Found, Walked


def parser() -> ArgumentParser:
    """Parser of the command's arguments."""
    parser = walk_parser(__doc__)
    parser.add_argument(
        "--centre", type=positive_float, default=2.5, help="pixels with a shorter displacement are the centres"
    )
    return parser


def cut(maps: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Cut maps (C', h, w) along groups, bool (G, h, w): (C' G, h, w), the pieces of the first map first."""
    return (maps[:, None] * groups[None]).reshape(-1, *maps.shape[1:])


def walked(args: Namespace, outputs: Iterator[Found]) -> Iterator[Walked]:
    """Yield (item, (H, W), scores float32 (C' G, h, w) at stride 4) of each image that the network has seen."""
    import torch

    from common import device as devices
    from irn.grouping import centroids, groups
    from irn.random_walk import walk

    def images():
        for items, sizes, boundary, displacement in outputs:
            ends = centroids(displacement, [map_size(size) for size in sizes])
            batch = zip(items, sizes, boundary, displacement.cpu().numpy(), ends.cpu().numpy(), strict=True)
            for item, size, own_boundary, own, own_ends in batch:
                height, width = map_size(size)
                own, own_ends = own[:, :height, :width], own_ends[:, :height, :width]
                pieces = cut(read_scores(args.maps, item, size), groups(own_ends, own, args.centre))
                pieces = torch.from_numpy(pieces)[None].to(boundary.device)
                own_boundary = own_boundary[None, :height, :width]
                yield (item, size), walk(pieces, own_boundary, args.radius, args.beta, args.exponent)[0]

    for (item, size), scores in devices.pipelined(images()):
        yield item, size, scores.numpy()


def write(out: Path, background: float, found: Walked) -> None:
    """Write the instances of an item of `walked`."""
    from irn.grouping import detections

    item, size, scores = found
    large = enlarged(scores, size)  # (C' G, H, W)
    strongest = np.where(large.max(0) > background, large.argmax(0), -1)
    masks = strongest == np.arange(len(large))[:, None, None]
    classes = np.repeat(item.classes, len(large) // len(item.classes))
    write_instances(out, item.id, *detections(masks, large, classes))


def run(args: Namespace) -> str:
    """Write the instances of the images that lack them; returns a summary."""
    return f"{write_walked(args, walked, write)} images"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
