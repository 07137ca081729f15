"""Turn labels into class maps: 255 where the label is the class, 0 elsewhere, also where it is 255.

Reads <labels>/<id>.png, writes <out>/<id>_<class>.png for each class that the image has in the list, 8-bit grey, of the
image's size. With the ground truth as labels, irn.walk and irn.instances then give an upper bound of IRN.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

import numpy as np

from common.files.dataset import DataSet, Item, reads
from common.files.images import is_complete, write_grey
from common.files.maps import map_path
from stages import distributed
from stages.command import main, stage_parser
from stages.parallel import add_workers_argument, for_each


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder of labels, such as SegmentationClass")
    add_workers_argument(parser)
    return parser


def write_maps(args: Namespace, dataset: DataSet, item: Item) -> None:
    """Write the maps of one image. Raises InputError if its label is missing or unusable."""
    label = dataset.checked_label(args.labels / f"{item.id}.png", item.id)
    for cls in item.classes:
        write_grey(map_path(args.out, item.id, cls), np.where(label == cls + 1, np.uint8(255), np.uint8(0)))


def run(args: Namespace) -> str:
    """Write the maps of the images that lack some; returns a summary."""
    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    todo = [
        item
        for item in distributed.shard(items)
        if not all(is_complete(map_path(args.out, item.id, cls)) for cls in item.classes)
    ]
    for _ in for_each(partial(write_maps, args, dataset), todo, args.workers, args.out.name):
        pass
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
