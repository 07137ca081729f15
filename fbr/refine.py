"""Refine a folder of class maps by the images' colours: each pixel takes the mean of its neighbours of similar colour.

Reads <maps>/<id>_<class>.png of every class that an image has, writes <out>/<id>_<class>.png of the same size, 8-bit
grey. The rule (fbr/refinement.py) is ours; fbr.train --labels refined uses it for its pseudo labels.
"""

from argparse import ArgumentParser, Namespace
from functools import partial

import cv2
import numpy as np

from common.files.dataset import DataSet, Item
from common.files.images import write_grey
from common.files.label_rules import label_parser, main, write_maps
from common.files.maps import map_path, stored_map


def parser() -> ArgumentParser:
    return label_parser(__doc__, maps="folder of class maps written by cls.infer")


def refine_map(map_: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Refine one map uint8 (h, w) by its image uint8 (H, W, 3), RGB, which is resized to the map by averaging areas.

    Returns uint8 (h, w); the maximum is 255, unless the map is 0 everywhere.
    """
    import torch

    from cls.map_files import to_uint8
    from fbr.refinement import refine

    colours = cv2.resize(image, map_.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    maps = torch.from_numpy(map_.astype(np.float32) / 255)[None, None]  # (1, 1, h, w)
    return to_uint8(refine(maps, torch.from_numpy(colours)[None])[0, 0])


def refine_item(args: Namespace, dataset: DataSet, item: Item) -> None:
    """Write the refined maps of one image. Raises InputError if a map of one of its classes is missing."""
    image = dataset.image(item.id)
    for cls in item.classes:
        map_ = stored_map(args.maps, item, cls)
        write_grey(map_path(args.out, item.id, cls), refine_map(map_, image))


run = partial(write_maps, refine_item, ["maps"])


if __name__ == "__main__":
    main(parser(), run, reads=["images"])
