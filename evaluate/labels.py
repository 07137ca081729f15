"""Score a folder of predictions, labels or class maps against the ground truth (paper 4.2).

Prints the scores in percent and writes them to <out>/scores.json, and the scores of each image to <out>/images.jsonl.
Works on every folder from CAM to final prediction, so that each step of the method can be scored. Pixels that are 255
in either image are left out of the mIoU; in the score of a single image, a pixel that only the prediction ignores
counts as missed. Simple images (one class) and complex ones (two or more; paper, section 1) are also scored separately
if the list has classes.

Class maps become labels by a threshold. With --map-thresholds the reported scores are at the best of these, which is
chosen on the same ground truth. They stand beside the scores at a fixed threshold, of --threshold or of another split's
scores (--threshold-from), which did not see this ground truth. The scores at every threshold are written.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.files.dataset import DataSet, Item, reads
from common.files.maps import normalise, read_maps, require_maps
from evaluate.scores import confusion_matrix, image_iou, percentages, read_scores, scores, to_percent
from stages import distributed
from stages.arguments import fraction
from stages.command import main, stage_parser
from stages.files import InputError, write_json, write_lines
from stages.parallel import add_workers_argument, map_each

# Of its maps' range: --background-threshold of pseudo.pom, --score-threshold of pseudo.background.
METHOD_THRESHOLD = 0.3


def parser() -> ArgumentParser:
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
        "range; the one of these thresholds with the best mIoU is reported",
    )
    fixed = parser.add_mutually_exclusive_group()
    fixed.add_argument(
        "--threshold",
        type=fraction,
        metavar="SHARE",
        help="for class maps: a fixed threshold, reported beside the best of --map-thresholds, or alone without these "
        f"(default beside --map-thresholds: {METHOD_THRESHOLD}, as in POM and background extraction)",
    )
    fixed.add_argument(
        "--threshold-from",
        type=Path,
        metavar="FILE",
        help="instead of --threshold: take the threshold from the scores.json of such maps on another split",
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


class Counts(NamedTuple):
    """Counts of one image, at T thresholds, or T = 1 without thresholds."""

    matrices: np.ndarray  # int64 (T, C + 1, C + 2), confusion matrices
    classes: np.ndarray  # int64 (P,), the classes in its truth, 0 background
    iou: np.ndarray  # float32 (T, P), the image's IoU of these, see image_iou
    ignored: np.ndarray  # float32 (T,), the share of its pixels that the prediction ignores


def compare(args: Namespace, dataset: DataSet, thresholds: Sequence[float], item: Item) -> Counts:
    """Count one image; `thresholds` is empty for labels."""
    truth = dataset.ground_truth(item.id)
    if thresholds:
        maps = read_maps(args.pred, item, truth.shape)
        predictions = [label_from_maps(maps, truth.shape, threshold) for threshold in thresholds]
    else:
        predictions = [dataset.checked_label(args.pred / f"{item.id}.png", item.id)]
    matrices = np.stack([confusion_matrix(truth, prediction, len(dataset.classes)) for prediction in predictions])
    present = matrices[0].sum(1).nonzero()[0]
    iou = np.stack([image_iou(matrix)[present] for matrix in matrices])
    ignored = matrices[:, :, -1].sum(1) / max(1, matrices[0].sum())
    return Counts(matrices, present, iou.astype(np.float32), ignored.astype(np.float32))


def count_pixels(
    args: Namespace, dataset: DataSet, items: Sequence[Item], thresholds: Sequence[float]
) -> tuple[dict[str | None, np.ndarray], dict[str, Counts]]:
    """Count all images over all processes.

    Returns the sums of their confusion matrices, {kind of image: int64 (T, C + 1, C + 2)}, and {id: Counts}, whose
    matrices are empty.
    """
    totals, counted = {}, {}
    share = distributed.shard(items)
    work = partial(compare, args, dataset, thresholds)
    for item, counts in zip(share, map_each(work, share, args.workers, args.out.name)):
        totals[kind_of(item)] = totals.get(kind_of(item), 0) + counts.matrices
        counted[item.id] = counts._replace(matrices=np.empty(0, np.int64))
    shares = distributed.gather((totals, counted))
    kinds = set().union(*(share for share, _ in shares))
    sums = {kind: sum(share.get(kind, 0) for share, _ in shares) for kind in kinds}
    return sums, {id: counts for _, share in shares for id, counts in share.items()}


def kind_of(item: Item) -> str | None:
    """Kind of an image, "simple" or "complex"; None if the list has no classes for it."""
    return ("simple" if len(item.classes) == 1 else "complex") if item.classes else None


def fixed_threshold(args: Namespace) -> float | None:
    """The threshold of --threshold or --threshold-from, else METHOD_THRESHOLD beside --map-thresholds; None for labels.

    Raises InputError unless the file holds scores of maps, and of another split than --split.
    """
    path = args.threshold_from
    if path is None:
        return METHOD_THRESHOLD if args.threshold is None and args.map_thresholds else args.threshold
    found = read_scores(path)
    if not 0 <= found.get("threshold", -1) <= 1:
        raise InputError(f"{path}: expected scores of class maps, with their threshold")
    if found.get("split") == args.split:
        raise InputError(f"{path}: expected scores of another split than {args.split}: its threshold was chosen there")
    return found["threshold"]


def report_of(
    dataset: DataSet, items: Sequence[Item], totals: dict[str | None, np.ndarray], index: int
) -> dict[str, Any]:
    """Scores of all, of simple and of complex images, at one of T thresholds; totals: {kind: (T, C + 1, C + 2)}."""
    report = percentages(sum(totals.values())[index], dataset.classes)
    for kind in ("simple", "complex"):
        if kind in totals:
            count = sum(kind_of(item) == kind for item in items)
            report[kind] = {"images": count} | percentages(totals[kind][index], dataset.classes)
    return report


def image_line(id: str, counts: Counts, index: int, classes: Sequence[str]) -> str:
    """A line of images.jsonl: an image's own scores in percent at one of the thresholds."""
    names = ["background", *classes]
    iou = counts.iou[index]
    line = {
        "id": id,
        "mean_iou": to_percent(iou.mean() if iou.size else np.nan),
        "ignored": to_percent(counts.ignored[index]),
        "class_iou": {names[cls]: to_percent(value) for cls, value in zip(counts.classes, iou, strict=True)},
    }
    return json.dumps(line)


def run(args: Namespace) -> str:
    """Write <out>/scores.json and <out>/images.jsonl, print the scores; returns a summary.

    Raises InputError if there is nothing to score.
    """
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    fixed, candidates = fixed_threshold(args), list(dict.fromkeys(args.map_thresholds or []))
    thresholds = list(dict.fromkeys([*candidates, *([] if fixed is None else [fixed])]))
    if thresholds:
        require_maps(args.pred, items)
    totals, counted = count_pixels(args, dataset, items, thresholds)
    total = sum(totals.values())
    if not total.sum():
        raise InputError(
            f"{dataset.root / 'SegmentationClass'}: expected ground truth with at least one pixel that is not 255"
        )
    best = max(range(len(candidates) or 1), key=lambda i: scores(total[i])["mean_iou"])
    report = {"images": len(items), "split": args.split}
    if thresholds:
        report["threshold"] = thresholds[best]
        report["chosen"] = "best on this ground truth" if candidates else "fixed"
    report |= report_of(dataset, items, totals, best)
    if fixed is not None:
        given = args.threshold_from or ("the method" if args.threshold is None else "--threshold")
        origin = {"threshold": fixed, "from": str(given)}
        report["fixed"] = origin | report_of(dataset, items, totals, thresholds.index(fixed))
    shown = dict(report)
    if thresholds:
        ascending = sorted(range(len(thresholds)), key=thresholds.__getitem__)
        report["thresholds"] = [{"threshold": thresholds[i]} | report_of(dataset, items, totals, i) for i in ascending]
    if distributed.IS_FIRST:
        lines = (image_line(item.id, counted[item.id], best, dataset.classes) for item in items)
        write_lines(args.out / "images.jsonl", lines, sync=True)
        write_json(args.out / "scores.json", report)
        print(json.dumps(shown, indent=2))
    at = f" at the threshold {report['threshold']:g}, {report['chosen']}" if thresholds else ""
    return f"{args.pred}, {len(items)} images: mIoU {report['mean_iou']} %{at}"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images", "ground_truth"))
