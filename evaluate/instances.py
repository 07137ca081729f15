"""Score a folder of instances against the ground truth: average precision (AP) at thresholds of the IoU of masks.

Prints AP in percent, for each class and as the mean over the classes that the ground truth shows, and writes it to
<out>/scores.json. The rule is PASCAL VOC's for boxes, applied to masks as in ChainerCV: the detections of a class in an
image, by descending score, each go to the object of the class with the largest IoU if that reaches the threshold; an
object's first one is right. Over all images by descending score, AP is the area under precision over recall, with
precision made monotone (not its mean at 11 points). Objects that VOC calls 'difficult' are not told apart: its masks do
not mark them.

Two things differ from ChainerCV, whose AP is the published one. Pixels that are 255 in SegmentationClass or
InstanceMasks, such as the outlines of VOC's objects, do not count, and detections and objects without other pixels are
dropped; ChainerCV treats these pixels as background, so its AP is lower: --void background. Detections of equal score
(many have 1, as the best of every image has) keep the order of list and file; ChainerCV's unstable sort orders them
differently on different processors.

COCO's rule gives a detection whose best object is taken the next best that reaches the threshold; here such a detection
is wrong. Both rules agree if no detection overlaps two objects of its class, except that COCO's AP takes precision at
fixed recalls.
"""

import json
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.dataset import DataSet, Item, reads
from common.files.images import IGNORE_INDEX
from common.files.instances import classes_beneath, read_instances
from evaluate.scores import to_percent
from stages import distributed
from stages.arguments import checked
from stages.command import main, stage_parser
from stages.files import InputError, write_json
from stages.parallel import add_workers_argument, map_each

iou_threshold = checked(float, lambda value: 0 < value <= 1, "a number above 0, at most 1")


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--pred", type=Path, required=True, help="folder of <id>.png and <id>.json (irn.instances)")
    parser.add_argument(
        "--iou",
        type=iou_threshold,
        nargs="+",
        default=[0.25, 0.5, 0.7, 0.75],
        metavar="IOU",
        help="smallest IoU of a right detection",
    )
    parser.add_argument(
        "--void",
        choices=["ignore", "background"],
        default="ignore",
        help="pixels that are 255 in the ground truth: ignored, or background as in published numbers",
    )
    add_workers_argument(parser)
    return parser


class Detections(NamedTuple):
    """Detections and numbers of objects of one image, or of several."""

    classes: np.ndarray  # int64 (N,), 0-based
    scores: np.ndarray  # float64 (N,)
    places: np.ndarray  # int64 (N,), of the image in the list; those of an image stay in the order of its file
    right: np.ndarray  # bool (N, T), at T thresholds
    objects: np.ndarray  # int64 (C,), objects of each class in the ground truth


def mask_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of each number in one array with each in another, uint8 (pixels,) both: float64 (256, 256), 0 if absent."""
    both = np.bincount(first.astype(np.int64) * 256 + second, minlength=256 * 256).reshape(256, 256)
    union = both.sum(1)[:, None] + both.sum(0) - both
    return both / np.maximum(union, 1)


def match(iou: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Find the right detections of a class in an image, at each of T thresholds (VOC's rule, see above).

    iou: float (N, M), of N detections by descending score with M objects. Returns bool (N, T).
    """
    right = np.zeros((len(iou), len(thresholds)), bool)
    if iou.size:
        best = iou.argmax(1)
        for column, threshold in enumerate(thresholds):
            hits = np.flatnonzero(iou.max(1) >= threshold)
            right[hits[np.unique(best[hits], return_index=True)[1]], column] = True  # an object's first one alone
    return right


def average_precision(right: np.ndarray, objects: int) -> float:
    """Area under the monotone envelope of precision over recall, 0 to 1; NaN without objects.

    right: bool (N,), whether each detection is, by descending score; objects: the number of objects.
    """
    if not objects:
        return math.nan
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[right].sum() / objects)  # recall grows by 1 / objects at each right one


def objects_of(dataset: DataSet, id: str) -> tuple[np.ndarray, np.ndarray, dict[int, int]]:
    """The objects in the ground truth of an image: numbers, uint8 (H, W), void pixels, bool (H, W), and classes.

    The classes are {number: 0-based class}. Raises InputError if InstanceMasks and SegmentationClass contradict.
    """
    truth, instances = dataset.ground_truth(id), dataset.instances(id)
    classes = {}
    for number, values in classes_beneath(instances, truth).items():
        if len(values) > 1 or 0 in values:
            expected = f"expected one class of SegmentationClass below number {number}"
            raise InputError(f"{dataset.instances_path(id)}: {expected}, found {' '.join(map(str, values))}")
        if values:
            classes[number] = values[0] - 1
    return instances, (truth == IGNORE_INDEX) | (instances == IGNORE_INDEX), classes


def compare(args: Namespace, dataset: DataSet, place_and_item: tuple[int, Item]) -> Detections:
    """Detections of one image, and how many objects it has."""
    place, (id, _) = place_and_item
    instances, void, classes = objects_of(dataset, id)
    counts = ~void if args.void == "ignore" else np.ones_like(void)
    numbers, entries = read_instances(dataset, args.pred, id)
    visible = set(np.unique(numbers[counts]).tolist())
    entries = [entry for entry in entries if entry["number"] in visible]
    entries.sort(key=lambda entry: -entry["score"])  # stable: equal ones stay in the file's order
    iou = mask_iou(numbers[counts], instances[counts])
    detected = np.array([entry["class"] for entry in entries], np.int64)
    right = np.zeros((len(entries), len(args.iou)), bool)
    for cls in set(detected.tolist()):
        rows = [entry["number"] for entry in entries if entry["class"] == cls]
        right[detected == cls] = match(iou[rows][:, [number for number in classes if classes[number] == cls]], args.iou)
    return Detections(
        detected,
        np.array([entry["score"] for entry in entries], np.float64),
        np.full(len(entries), place),
        right,
        np.bincount(np.array([*classes.values()], np.int64), minlength=len(dataset.classes)),
    )


def together(parts: Sequence[Detections]) -> Detections:
    """Detections of several images as one."""
    *columns, objects = zip(*parts)
    return Detections(*map(np.concatenate, columns), sum(objects))


def collect(args: Namespace, dataset: DataSet, items: Sequence[Item]) -> Detections:
    """Detections of all images over all processes, by descending score, equal ones in the order of list and file."""
    share = distributed.shard(list(enumerate(items)))
    nothing = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, len(args.iou)), bool)
    parts = [Detections(*nothing, np.zeros(len(dataset.classes), np.int64))]  # a process may have no image
    parts += map_each(partial(compare, args, dataset), share, args.workers, args.out.name)
    *columns, objects = together(distributed.gather(together(parts)))
    order = np.lexsort((columns[2], -columns[1]))  # stable, as the detections of an image have one place
    return Detections(*(column[order] for column in columns), objects)


def class_ap(found: Detections) -> np.ndarray:
    """AP of each class at each threshold, float64 (C, T), 0 to 1; NaN where a class has no object."""
    return np.array([
        [average_precision(column, count) for column in found.right[found.classes == cls].T]
        for cls, count in enumerate(found.objects)
    ])  # fmt: skip


def run(args: Namespace) -> str:
    """Write <out>/scores.json and print it; returns a summary. Raises InputError if there is nothing to score."""
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    found = collect(args, dataset, items)
    if not found.objects.any():
        raise InputError(f"{dataset.root / 'InstanceMasks'}: expected ground truth with at least one object")
    ap = class_ap(found)
    names = [f"{threshold:g}" for threshold in args.iou]
    percentages = [dict(zip(names, map(to_percent, row))) for row in (np.nanmean(ap, axis=0), *ap)]
    report = {"images": len(items), "objects": int(found.objects.sum()), "detections": len(found.scores)}
    report |= {"mean_ap": percentages[0], "class_ap": dict(zip(dataset.classes, percentages[1:]))}
    if distributed.IS_FIRST:
        write_json(args.out / "scores.json", report)
        print(json.dumps(report, indent=2))
    means = ", ".join(f"{value} % at {name}" for name, value in percentages[0].items())
    return f"{args.pred}, {len(items)} images: AP {means}"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images", "ground_truth", "instances"))
