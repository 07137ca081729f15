"""MS COCO's annotations, read by pycocotools, and the two masks of an image painted from them.

Objects are painted from the largest annotated area to the smallest, so that smaller ones lie on top, as in coco2voc;
of equal areas, the one with the larger annotation id lies below.
"""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from common.files.dataset import SAFE_ID, DataSet
from common.files.images import IGNORE_INDEX, is_complete, write_indexed
from common.files.instances import MOST
from stages.files import InputError


class CocoObject(NamedTuple):
    """One annotation of an image."""

    id: int
    cls: int  # 0-based
    area: float  # in pixels, as annotated
    is_crowd: bool
    runs: dict | None  # run lengths in pycocotools' form; None without a polygon of three points


class CocoImage(NamedTuple):
    """One image of a split."""

    id: str  # the file name without .jpg
    height: int
    width: int
    objects: list[CocoObject]

    @property
    def classes(self) -> list[int]:
        """0-based, ascending: those of all annotations, including crowds and objects too small for a pixel."""
        return sorted({each.cls for each in self.objects})


def read_images(path: Path) -> tuple[list[str], list[CocoImage]]:
    """Read instances_<split>2014.json: the class names by category id, and the images by image id.

    Raises InputError if the file is missing or damaged, or has a file name that leads out of the images' folder.
    """
    try:
        with redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
        numbers = {category: number for number, category in enumerate(sorted(coco.cats))}
        images = [_image(coco, id, numbers) for id in sorted(coco.imgs)]
        if unknown := coco.imgToAnns.keys() - coco.imgs.keys():
            raise ValueError(f"an annotation of image {min(unknown)}, which is not listed")
        return [coco.cats[category]["name"] for category in numbers], images
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # pycocotools raises almost any
        raise InputError(f"{path}: expected COCO's annotations ({type(error).__name__}: {error!s:.100})") from None


def _image(coco, id, numbers):
    """The image of one id with its objects; `numbers` maps category ids to classes."""
    entry = coco.imgs[id]
    name, height, width = entry["file_name"], entry["height"], entry["width"]
    if not (name.endswith(".jpg") and SAFE_ID.fullmatch(name[:-4])):
        raise ValueError(f"a file_name such as COCO_train2014_000000000009.jpg is needed, found {name!r:.40}")
    objects = []
    for annotation in coco.imgToAnns.get(id, ()):
        cls, runs = numbers[annotation["category_id"]], _runs(annotation["segmentation"], height, width)
        area, is_crowd = float(annotation["area"]), bool(annotation["iscrowd"])
        objects.append(CocoObject(annotation["id"], cls, area, is_crowd, runs))
    return CocoImage(name[:-4], height, width, objects)


def _runs(segmentation, height, width):
    """Run lengths, as pycocotools' COCO.annToRLE makes them, but None if no polygon has three points."""
    if isinstance(segmentation, dict):
        if segmentation["size"] != [height, width]:
            raise ValueError(f"run lengths of size {segmentation['size']} in an image of size {[height, width]}")
        is_list = isinstance(segmentation["counts"], list)
        return coco_mask.frPyObjects(segmentation, height, width) if is_list else segmentation
    polygons = [points for points in segmentation if len(points) >= 6]  # fewer cover nothing, or are taken for a box
    return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)) if polygons else None


def paint(image: CocoImage, ignore_crowds: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Paint an image's masks, uint8 (H, W) both: of classes, from 1, and of objects, 1 to 254 from the largest on.

    A crowd is painted as its class, or below all objects as 255 if `ignore_crowds`; it is no single object, so it is
    255 in the mask of objects where it lies on top. So are the smallest objects of an image with more than 254.
    """
    classes = np.zeros((image.height, image.width), np.uint8)
    objects, number = classes.copy(), 0
    order = sorted(image.objects, key=lambda each: (-each.area, -each.id))
    if ignore_crowds:
        order.sort(key=lambda each: not each.is_crowd)
    for each in order:
        number += not each.is_crowd
        if each.runs is not None:
            mask = coco_mask.decode(each.runs).astype(bool)
            classes[mask] = IGNORE_INDEX if each.is_crowd and ignore_crowds else each.cls + 1
            objects[mask] = IGNORE_INDEX if each.is_crowd or number > MOST else number
    return classes, objects


def write_masks(data: DataSet, ignore_crowds: bool, image: CocoImage) -> None:
    """Paint and write the two masks of an image unless both are there."""
    paths = data.ground_truth_path(image.id), data.instances_path(image.id)
    if not all(map(is_complete, paths)):
        for path, mask in zip(paths, paint(image, ignore_crowds)):
            write_indexed(path, mask)
