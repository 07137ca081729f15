"""A part of PASCAL VOC 2012 with few classes, the others being background, for studies that take minutes.

Its classes, lists and image-level labels lie in data/subsets/<name>. So a whole devkit and one that holds no other
images give the same data set.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from common.files.dataset import DataSet, Item
from common.files.images import is_complete, read_grey, read_indexed, write_grey, write_indexed
from common.files.photographs import fitted
from common.files.voc import CLASSES
from data.conversion import copy, write_photograph
from data.linked import check_pngs, image_sizes, link
from stages.parallel import for_each

FOLDER = Path(__file__).parent / "subsets"
NAMES = sorted(path.name for path in FOLDER.iterdir())
SPLITS = ("train", "train_aug", "val")  # train_aug holds train, too


class Sources(NamedTuple):
    """Where a subset's images come from, and how large they may become."""

    devkit: Path
    saliency: Path | None  # folder of maps
    longest: int | None  # longer side of an image in pixels; with None photographs and maps are linked


def read_lists(name: str) -> dict[str, list[Item]]:
    """The images of each split of a subset."""
    lines = {split: (FOLDER / name / f"{split}.txt").read_text().splitlines() for split in SPLITS}
    rows = {split: [line.split() for line in each] for split, each in lines.items()}
    return {split: [Item(id, tuple(map(int, classes))) for id, *classes in each] for split, each in rows.items()}


def check(lists: dict[str, list[Item]], sources: Sources) -> None:
    """Raises InputError unless there are all images, masks of train and val, and any saliency maps of train_aug.

    Sizes and kinds are read from the headers.
    """
    ids = {split: [item.id for item in items] for split, items in lists.items()}
    sizes = image_sizes(sources.devkit / "JPEGImages", ids["train_aug"] + ids["val"])
    check_pngs(sources.devkit / "SegmentationClass", ids["train"] + ids["val"], sizes, "P")
    if sources.saliency:
        check_pngs(sources.saliency, ids["train_aug"], sizes, "L")


def split_mask(label: np.ndarray, classes: list[str], item: Item) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth of a subset's `classes` and the context, both uint8 (H, W), of VOC's mask `label`, uint8 (H, W).

    The context is VOC's other classes. Its value is the first of the image's own classes, because a context mask says
    of which class each pixel is the context (common.files.dataset).
    """
    values = np.zeros(256, np.uint8)
    values[255] = 255
    for value, name in enumerate(classes, start=1):
        values[CLASSES.index(name) + 1] = value
    truth = values[label]
    return truth, np.where((label > 0) & (truth == 0), np.uint8(item.classes[0] + 1), np.uint8(0))


def write_masks(sources: Sources, data: DataSet, item: Item) -> None:
    """Write context and ground truth of an image, shrunk to the nearest pixels."""
    label = read_indexed(sources.devkit / "SegmentationClass" / f"{item.id}.png")
    height, width = fitted(label.shape, sources.longest)
    label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    truth, context = split_mask(label, data.classes, item)
    write_indexed(data.context_path(item.id), context)
    write_indexed(data.ground_truth_path(item.id), truth)  # last: where it is complete, both are


def write_saliency(sources: Sources, data: DataSet, item: Item) -> None:
    """Write the saliency map of an image, shrunk to the means of areas."""
    map_ = read_grey(sources.saliency / f"{item.id}.png")
    height, width = fitted(map_.shape, sources.longest)
    write_grey(data.saliency_path(item.id), cv2.resize(map_, (width, height), interpolation=cv2.INTER_AREA))


def write_shrunk(sources: Sources, data: DataSet, item: Item) -> None:
    """Write the photograph of an image, shrunk."""
    photograph = sources.devkit / "JPEGImages" / f"{item.id}.jpg"
    write_photograph(data.image_path(item.id), photograph, sources.longest)


def write_subset(name: str, sources: Sources, workers: int, out: Path) -> str:
    """Write the data set, or what an interrupted run left of it; returns a summary.

    Raises InputError, before anything is written, if a file is missing or unusable.
    """
    lists = read_lists(name)
    check(lists, sources)
    copy(FOLDER / name / "classes.txt", out / "classes.txt")
    data = DataSet(out)

    def write_missing(write, path_of, items):
        path_of("any").parent.mkdir(exist_ok=True)
        todo = [item for item in items if not is_complete(path_of(item.id))]
        for_each(partial(write, sources, data), todo, workers, path_of("any").parent.name)

    (out / "context").mkdir(exist_ok=True)
    write_missing(write_masks, data.ground_truth_path, lists["train"] + lists["val"])
    if sources.longest:
        write_missing(write_shrunk, data.image_path, lists["train_aug"] + lists["val"])
    else:
        link(out / "JPEGImages", (sources.devkit / "JPEGImages").resolve())
    if sources.saliency and sources.longest:
        write_missing(write_saliency, data.saliency_path, lists["train_aug"])
    elif sources.saliency:
        link(out / "saliency", sources.saliency.resolve())
    (out / "lists").mkdir(exist_ok=True)
    for split in SPLITS:
        copy(FOLDER / name / f"{split}.txt", out / "lists" / f"{split}.txt")
    return ", ".join(f"{split} {len(items)}" for split, items in lists.items()) + " images"
