"""Score a folder of predictions, labels or class maps against the ground truth (paper 4.2).

Prints the scores in percent and writes them to <out>/scores.json. Works on each folder from CAM to final prediction, so
that every step of the method can be scored. Pixels that are 255 in either image are left out of the mIoU. Simple images
(one class) and complex ones (two or more; paper, section 1) are also scored apart if the list has classes.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset import DataSet, Item, reads
from common.maps import normalise, read_maps, require_maps
from common.scores import confusion_matrix, scores
from stages import distributed
from stages.arguments import fraction
from stages.command import main, stage_parser
from stages.files import InputError, write_json
from stages.parallel import add_workers_argument, for_each


def parser() -> ArgumentParser:
    """Parser of the command's arguments."""
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--pred", type=Path, required=True, help="folder of <id>.png, or of maps <id>_<class>.png with --map-thresholds"
    )
    parser.add_argument(
        "--map-thresholds",
        type=fraction,
        nargs="+",
        metavar="SHARE",
        help="--pred holds class maps: a pixel gets the class of the strongest one if that exceeds this share of its "
        "range; the threshold of the best mIoU is reported",
    )
    add_workers_argument(parser)
    return parser


def label_from_maps(maps: dict[int, np.ndarray], size: tuple[int, int], threshold: float) -> np.ndarray:
    """Label of each pixel by the strongest map if it exceeds the threshold, 0 (background) elsewhere.

    maps: {0-based class: uint8 (H, W)}, each normalised to [0, 1] by its own range; threshold: 0 to 1. Returns uint8
    (H, W) = `size`, 0 to C.
    """
    label, strongest = np.zeros(size, np.uint8), np.full(size, threshold)
    for cls, map_ in maps.items():
        attention = normalise(map_)
        label[attention > strongest] = cls + 1
        strongest = np.maximum(strongest, attention)
    return label


def compare(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """Confusion matrices of one image, int64 (T, C + 1, C + 2), for T thresholds, or T = 1 without thresholds."""
    truth = dataset.ground_truth(item.id)
    if args.map_thresholds:
        maps = read_maps(args.pred, item, truth.shape)
        predictions = [label_from_maps(maps, truth.shape, threshold) for threshold in args.map_thresholds]
    else:
        predictions = [dataset.checked_label(args.pred / f"{item.id}.png", item.id)]
    return np.stack([confusion_matrix(truth, prediction, len(dataset.classes)) for prediction in predictions])


def to_percent(value: float) -> float | None:
    """Percent to two places; None, JSON's null, for NaN."""
    return None if np.isnan(value) else round(100 * float(value), 2)


def count_pixels(args: Namespace, dataset: DataSet, items: Sequence[Item]) -> dict[str | None, np.ndarray]:
    """Sum up the images' confusion matrices over all processes: {kind of image: int64 (T, C + 1, C + 2)}."""
    totals = {}
    share = distributed.shard(items)
    for item, matrices in zip(share, for_each(partial(compare, args, dataset), share, args.workers, args.out.name)):
        totals[kind_of(item)] = totals.get(kind_of(item), 0) + matrices
    shares = distributed.gather(totals)
    return {kind: sum(share.get(kind, 0) for share in shares) for kind in set().union(*shares)}


def percentages(matrix: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Scores of a confusion matrix (C + 1, C + 2) in percent, as in scores.json."""
    result = scores(matrix)
    per_class = {name: to_percent(value) for name, value in zip(["background", *classes], result.pop("class_iou"))}
    return {name: to_percent(value) for name, value in result.items()} | {"class_iou": per_class}


def kind_of(item: Item) -> str | None:
    """Kind of an image, "simple" or "complex"; None if the list has no classes for it."""
    return ("simple" if len(item.classes) == 1 else "complex") if item.classes else None


def run(args: Namespace) -> str:
    """Write <out>/scores.json and print it; returns a summary. Raises InputError if there is nothing to score."""
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    if args.map_thresholds:
        require_maps(args.pred, items)
    totals = count_pixels(args, dataset, items)
    total = sum(totals.values())
    if not total.sum():
        raise InputError(
            f"{dataset.root / 'SegmentationClass'}: expected ground truth with at least one pixel that is not 255"
        )
    best = max(range(len(total)), key=lambda i: scores(total[i])["mean_iou"])
    report = {"images": len(items)}
    if args.map_thresholds:
        report["threshold"] = args.map_thresholds[best]
    report |= percentages(total[best], dataset.classes)
    for kind in ("simple", "complex"):
        if kind in totals:
            count = sum(kind_of(item) == kind for item in items)
            report[kind] = {"images": count} | percentages(totals[kind][best], dataset.classes)
    if distributed.IS_FIRST:
        write_json(args.out / "scores.json", report)
        print(json.dumps(report, indent=2))
    return f"{args.pred}, {len(items)} images: mIoU {report['mean_iou']} %"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images", "ground_truth"))
