"""A part of PASCAL VOC 2012 in which a few classes are objects and all others background, for studies in minutes.

Lists and image-level labels are those in data/subsets/<name>, so that a whole devkit and one that holds no more than
these images give the same data set.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from common.files.dataset import DataSet, Item
from common.files.images import image_size, is_complete, read_grey, read_indexed, write_grey, write_indexed
from common.files.photographs import fitted
from common.files.voc import CLASSES
from data.conversion import write_photograph
from data.linked import check_header, check_saliency, for_all, link, write_lines
from stages.parallel import for_each

FOLDER = Path(__file__).parent / "subsets"
NAMES = sorted(path.name for path in FOLDER.iterdir())


class Subset(NamedTuple):
    """`classes`, and the images of each split."""

    classes: list[str]
    splits: dict[str, list[Item]]


def read_subset(name: str) -> Subset:
    data = DataSet.__new__(DataSet)  # its lists without its images
    classes = (FOLDER / name / "classes.txt").read_text().split()
    data.classes = classes
    lists = {path.stem: path for path in sorted((FOLDER / name).glob("*.txt")) if path.stem != "classes"}
    parse = lambda path: [data.parse_line(line, str(path)) for line in path.read_text().splitlines()]  # noqa: E731
    return Subset(classes, {split: parse(path) for split, path in lists.items()})


def masks_of(label: np.ndarray, classes: list[str], item: Item) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth with the subset's classes alone, and the context, both uint8 (H, W), of a mask of VOC.

    Context is the other classes' pixels. It belongs to the first of the image's own classes, as a context mask says of
    which class each pixel is the context (see common.files.dataset).
    """
    values = np.zeros(256, np.uint8)
    values[255] = 255
    for value, name in enumerate(classes, start=1):
        values[CLASSES.index(name) + 1] = value
    truth = values[label]
    return truth, np.where((label > 0) & (truth == 0), np.uint8(item.classes[0] + 1), np.uint8(0))


def write_image(devkit: Path, saliency: Path | None, longest: int | None, data: DataSet, item: Item) -> None:
    """Write the photograph, the masks and the saliency map of an image, those that there are."""
    photograph = devkit / "JPEGImages" / f"{item.id}.jpg"
    height, width = fitted(image_size(photograph), longest)
    if (mask := devkit / "SegmentationClass" / f"{item.id}.png").exists():
        label = cv2.resize(read_indexed(mask), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        truth, context = masks_of(label, data.classes, item)
        write_indexed(data.context_path(item.id), context)
        write_indexed(data.ground_truth_path(item.id), truth)
    if saliency and (map_ := saliency / f"{item.id}.png").exists():
        grey = cv2.resize(read_grey(map_), (width, height), interpolation=cv2.INTER_AREA)
        write_grey(data.saliency_path(item.id), grey)
    if longest:
        write_photograph(data.image_path(item.id), photograph, longest)


def write_subset(name: str, devkit: Path, saliency: Path | None, longest: int | None, workers: int, out: Path) -> str:
    """Write the data set; returns a summary. Raises InputError, before anything is written, for unusable files.

    With `longest`, photographs, masks (nearest neighbour) and saliency maps (area) are shrunk to that many pixels on
    their longer side; without, the photographs are a link.
    """
    subset = read_subset(name)
    items = {item.id: item for split in subset.splits.values() for item in split}
    sizes = dict(zip(items, for_all(lambda id: image_size(devkit / "JPEGImages" / f"{id}.jpg"), [*items], "images")))
    scored = [item.id for split in ("train", "val") for item in subset.splits[split]]
    masks = devkit / "SegmentationClass"
    for_all(lambda id: check_header(masks / f"{id}.png", "P", sizes[id]), scored, "ground truth")
    if saliency:
        check_saliency(saliency, [item.id for item in subset.splits["train_aug"]], sizes)
    write_lines(out / "classes.txt", subset.classes)
    folders = ["lists", "SegmentationClass", "context"] + ["saliency"] * bool(saliency)
    for folder in folders + ["JPEGImages"] * bool(longest):
        (out / folder).mkdir(exist_ok=True)
    if not longest:
        link(out / "JPEGImages", devkit / "JPEGImages")
    data = DataSet(out)
    last = data.image_path if longest else data.ground_truth_path  # what write_image writes last
    todo = [item for item in items.values() if not is_complete(last(item.id))]
    for _ in for_each(partial(write_image, devkit, saliency, longest, data), todo, workers, "writing"):
        pass
    for split, its_items in subset.splits.items():
        write_lines(
            out / "lists" / f"{split}.txt", (" ".join([item.id, *map(str, item.classes)]) for item in its_items)
        )
    return ", ".join(f"{split} {len(its_items)}" for split, its_items in subset.splits.items()) + " images"
