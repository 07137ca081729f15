"""Turn labels into class maps: 255 where the label is the class, 0 elsewhere, also where it is 255.

Reads <labels>/<id>.png, writes <out>/<id>_<class>.png for each class that the image has in the list, 8-bit grey, of the
image's size. With the ground truth as labels, irn.walk and irn.instances then give an upper bound of IRN.
"""

from argparse import ArgumentParser, Namespace
from functools import partial

import numpy as np

from common.files.dataset import DataSet, Item
from common.files.images import write_grey
from common.files.label_rules import label_parser, main, write_maps
from common.files.maps import map_path


def parser() -> ArgumentParser:
    return label_parser(__doc__, labels="folder of labels, such as SegmentationClass")


def write_item(args: Namespace, dataset: DataSet, item: Item) -> None:
    """Write the maps of one image. Raises InputError if its label is missing or unusable."""
    label = dataset.checked_label(args.labels / f"{item.id}.png", item.id)
    for cls in item.classes:
        write_grey(map_path(args.out, item.id, cls), np.where(label == cls + 1, np.uint8(255), np.uint8(0)))


run = partial(write_maps, write_item, [])


if __name__ == "__main__":
    main(parser(), run, reads=["images"])
