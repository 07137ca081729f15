"""Paints the objects of a COCO image into the two masks of a data set: of classes, and of single objects.

Objects are painted from the largest annotated area to the smallest, so that smaller ones lie on top, as in coco2voc;
of equal areas, the one with the larger annotation id lies below.
"""

import numpy as np
from pycocotools import mask as coco_mask

from common.files.dataset import DataSet
from common.files.images import IGNORE_INDEX, is_complete, write_indexed
from common.files.instances import MOST
from data.coco import CocoImage, CocoObject


def decode(thing: CocoObject, height: int, width: int) -> np.ndarray:
    """The pixels of an object in an image: bool (H, W). Polygons are clipped to the image, their parts joined."""
    if thing.runs is not None:
        runs = {"counts": thing.runs, "size": [height, width]}
        return coco_mask.decode(coco_mask.frPyObjects(runs, height, width)).astype(bool)
    if not thing.polygons:
        return np.zeros((height, width), bool)
    parts = coco_mask.frPyObjects(list(thing.polygons), height, width)
    return coco_mask.decode(coco_mask.merge(parts)).astype(bool)


def paint(image: CocoImage, ignore_crowds: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Paint an image's masks, uint8 (H, W) both: of classes, 1 to 80, and of objects, 1 to 254 from the largest on.

    A crowd is painted as its class, or below all objects as 255 if `ignore_crowds`; it is no single object, so 255 in
    the mask of objects where it lies on top. The same have the smallest objects of an image with more than 254.
    """
    classes = np.zeros((image.height, image.width), np.uint8)
    numbers, number = classes.copy(), 0
    order = sorted(image.objects, key=lambda each: (-each.area, -each.id))
    if ignore_crowds:
        order.sort(key=lambda each: not each.is_crowd)
    for each in order:
        mask = decode(each, image.height, image.width)
        number += not each.is_crowd
        classes[mask] = IGNORE_INDEX if each.is_crowd and ignore_crowds else each.cls + 1
        numbers[mask] = IGNORE_INDEX if each.is_crowd or number > MOST else number
    return classes, numbers


def write_masks(data: DataSet, ignore_crowds: bool, image: CocoImage) -> None:
    """Paint and write the two masks of an image unless both are there."""
    paths = data.ground_truth_path(image.id), data.instances_path(image.id)
    if not all(map(is_complete, paths)):
        for path, mask in zip(paths, paint(image, ignore_crowds)):
            write_indexed(path, mask)
