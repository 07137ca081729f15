"""Scores a folder of predictions, labels or class maps against the ground truth (paper 4.2).

Prints the scores and writes them to <out>/scores.json, in percent. Works on every folder from CAM to final prediction,
so that one sees where quality is won or lost. Pixels that are 255 in either image do not count for the mIoU. Simple images
(one class) and complex ones (two or more; paper, section 1) are also scored apart, where the list has classes.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np

from common import distributed
from common.arguments import fraction
from common.cli import main, stage_parser
from common.files import InputError, write_json
from common.maps import normalise, read_maps, require_maps
from common.parallel import add_workers_argument, for_each
from data.layout import DataSet
from seg.scores import confusion_matrix, scores


def parser():
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--pred", type=Path, required=True, help="folder of <id>.png, or of maps <id>_<class>.png with --map-thresholds"
    )
    shares = "--pred holds class maps: a pixel gets the strongest if it exceeds this share of its range; the best is reported"
    parser.add_argument("--map-thresholds", type=fraction, nargs="+", metavar="SHARE", help=shares)
    add_workers_argument(parser)
    return parser


def label_from_maps(maps, size, threshold):
    """The class of the strongest map where it exceeds the threshold, 0 elsewhere.

    maps: {0-based class: uint8 (H, W)}, each taken over its own range; threshold: 0 to 1. Returns uint8 (H, W) = `size`.
    """
    label, strongest = np.zeros(size, np.uint8), np.full(size, threshold)
    for cls, map_ in maps.items():
        attention = normalise(map_)
        label[attention > strongest] = cls + 1
        strongest = np.maximum(strongest, attention)
    return label


def compare(args, dataset, item):
    """The confusion matrices of one image, int64 (thresholds, C + 1, C + 2); one where there are no thresholds."""
    truth = dataset.ground_truth(item.id)
    if args.map_thresholds:
        maps = read_maps(args.pred, item, truth.shape)
        predictions = [label_from_maps(maps, truth.shape, threshold) for threshold in args.map_thresholds]
    else:
        predictions = [dataset.checked_label(args.pred / f"{item.id}.png", item.id)]
    return np.stack([confusion_matrix(truth, prediction, len(dataset.classes)) for prediction in predictions])


def percent(value):
    """Percent to two places; None, JSON's null, for NaN."""
    return None if np.isnan(value) else round(100 * float(value), 2)


def count_pixels(args, dataset, items):
    """The confusion matrices of all images, {kind of image: int64 (thresholds, C + 1, C + 2)}, over all processes."""
    totals = {}
    share = distributed.shard(items)
    for item, matrices in zip(share, for_each(partial(compare, args, dataset), share, args.workers, args.out.name)):
        totals[kind_of(item)] = totals.get(kind_of(item), 0) + matrices
    shares = distributed.gather(totals)
    return {kind: sum(share.get(kind, 0) for share in shares) for kind in set().union(*shares)}


def percentages(matrix, classes):
    """The scores of a confusion matrix in percent, as they stand in scores.json."""
    result = scores(matrix)
    per_class = {name: percent(value) for name, value in zip(["background", *classes], result.pop("class_iou"))}
    return {name: percent(value) for name, value in result.items()} | {"class_iou": per_class}


def kind_of(item):
    """ "simple", "complex", or None for an image whose classes the list does not give."""
    return ("simple" if len(item.classes) == 1 else "complex") if item.classes else None


def run(args):
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
    main(parser(), run)
