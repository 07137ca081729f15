"""Measure how much of the background that comes with a class its maps call object: rails under trains (FBR).

Where data/<set>/context says which background is the context of a class, this is counted beside the objects found: at
each of 19 thresholds, where 60 % of the object pixels are found, and as the area under the ROC curve of object against
context. A pixel's score is its strongest map, as in seg.evaluate --map-thresholds. Writes <out>/scores.json, in
percent. Pixels of ground truth 255 and images without classes are left out.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset import DataSet, Item, reads
from common.images import IGNORE_INDEX
from common.maps import normalise, read_maps, require_maps
from common.scores import confusion_matrix, scores
from seg.evaluate import label_from_maps, to_percent
from stages import distributed
from stages.command import main, stage_parser
from stages.files import InputError, write_json
from stages.parallel import add_workers_argument, for_each

THRESHOLDS = [step / 20 for step in range(1, 20)]
FIXED = 0.5
RECALL = 0.6  # of object pixels, at which contexts are compared: the best threshold jumps from run to run
BINS = 1024  # of the histograms of scores

Counts = dict[str, np.ndarray]


def parser() -> ArgumentParser:
    """Parser of the command's arguments."""
    parser = stage_parser(__doc__)
    parser.add_argument("--maps", type=Path, required=True, help="folder of class maps (cls.infer, cls.refine)")
    add_workers_argument(parser)
    return parser


def context_counts(truth: np.ndarray, maps: dict[int, np.ndarray], own: np.ndarray, classes: int) -> Counts:
    """Count the pixels of one image.

    truth: uint8 (H, W), 0 to C = `classes`, 255 ignore; maps: {0-based class: uint8 (H, W)}; own: bool (H, W), the
    context of the image's own classes. Returns int64 arrays: `matrices` (19, C + 1, C + 2), the confusion matrices at
    THRESHOLDS; `context` (19,), own-context pixels above each; `histograms` (2, 1024), the scores of object pixels and
    of own-context pixels, in equal bins of 0 to 1.
    """
    score = np.maximum.reduce([np.zeros(truth.shape), *map(normalise, maps.values())])
    strongest = label_from_maps(maps, truth.shape, 0.0)
    predictions = [np.where(score > threshold, strongest, 0) for threshold in THRESHOLDS]
    bins = (score * BINS).astype(np.int64).clip(max=BINS - 1)
    objects = (truth > 0) & (truth != IGNORE_INDEX)
    return {
        "matrices": np.stack([confusion_matrix(truth, prediction, classes) for prediction in predictions]),
        "context": np.array([np.count_nonzero(score[own] > threshold) for threshold in THRESHOLDS]),
        "histograms": np.stack([np.bincount(bins[mask], minlength=BINS) for mask in (objects, own)]),
    }


def own_context(dataset: DataSet, item: Item, truth: np.ndarray) -> np.ndarray:
    """Background pixels that are the context of one of the image's own classes, bool (H, W); none without the folder.

    Raises InputError if the folder lacks the image's mask, or if that is no mask of the image's size.
    """
    if not dataset.context_path(item.id).parent.is_dir():
        return np.zeros(truth.shape, bool)
    return (truth == 0) & np.isin(dataset.context(item.id), [cls + 1 for cls in item.classes])


def count_item(args: Namespace, dataset: DataSet, item: Item) -> Counts:
    """Count the pixels of an image of the data set: see context_counts."""
    truth = dataset.ground_truth(item.id)
    maps = read_maps(args.maps, item, truth.shape)
    return context_counts(truth, maps, own_context(dataset, item, truth), len(dataset.classes))


def count_pixels(args: Namespace, dataset: DataSet, items: Sequence[Item]) -> Counts:
    """Sum up the images' counts over all processes."""
    totals = {}
    share = distributed.shard(items)
    for counts in for_each(partial(count_item, args, dataset), share, args.workers, args.out.name):
        totals = {name: totals.get(name, 0) + count for name, count in counts.items()}
    shares = [found for found in distributed.gather(totals) if found]
    return {name: sum(found[name] for found in shares) for name in shares[0]}


def roc(histograms: np.ndarray) -> tuple[float, float]:
    """Share of context called object where 60 % of the object pixels are found, and area under the ROC curve.

    histograms: int64 (2, bins), of objects and context by ascending score. Both are shares from 0 to 1, and NaN without
    pixels of both kinds. Pixels of one bin count as ties: half in the area, in equal parts for the 60 %.
    """
    total = histograms.sum(1, keepdims=True)
    if not total.all():
        return float("nan"), float("nan")
    above = np.cumsum(histograms[:, ::-1], axis=1) / total  # shares above a threshold that falls from bin to bin
    found, called = np.concatenate([np.zeros((2, 1)), above], axis=1)
    area = np.sum(np.diff(called) * (found[1:] + found[:-1])) / 2
    return float(np.interp(RECALL, found, called)), float(area)


def at_thresholds(totals: Counts) -> list[dict[str, float | None]]:
    """The scores at each of THRESHOLDS, in percent; None for a share of no pixels."""
    context = int(totals["histograms"][1].sum())
    rows = []
    for threshold, matrix, called in zip(THRESHOLDS, totals["matrices"], totals["context"]):
        result = scores(matrix)
        rows.append(
            {
                "threshold": threshold,
                "mean_iou": to_percent(result["mean_iou"]),
                "objects_found": to_percent(1 - result["false_negative"]),
                "context_called_object": to_percent(called / context) if context else None,
            }
        )
    return rows


def summarise(totals: Counts, images: int) -> dict[str, Any]:
    """The content of scores.json: see `run`. `best` is the first threshold of the best mIoU."""
    rows = at_thresholds(totals)
    means = [scores(matrix)["mean_iou"] for matrix in totals["matrices"]]
    at_recall, area = roc(totals["histograms"])
    objects, context = totals["histograms"].sum(1).tolist()
    return {
        "images": images,
        "best": rows[int(np.argmax(means))],
        "fixed": rows[THRESHOLDS.index(FIXED)],
        "context_at_60": to_percent(at_recall),
        "auc": to_percent(area),
        "pixels": {"all": int(totals["matrices"][0].sum()), "object": objects, "own_context": context},
        "thresholds": rows,
    }


def run(args: Namespace) -> str:
    """Write <out>/scores.json and print it but for the thresholds; returns a summary.

    It has `best` and `fixed` (0.5), each with the threshold, `mean_iou`, `objects_found` and `context_called_object`;
    `context_at_60`, `auc`, the numbers of `pixels`, and the same four for all `thresholds`. null: no such pixels.
    Raises InputError if there is nothing to score.
    """
    dataset = DataSet(args.data)
    items = [item for item in dataset.split(args.split) if item.classes]
    require_maps(args.maps, items)
    totals = count_pixels(args, dataset, items)
    if not totals["histograms"][0].any():
        raise InputError(f"{dataset.root / 'SegmentationClass'}: expected ground truth with at least one object pixel")
    report = summarise(totals, len(items))
    if distributed.IS_FIRST:
        write_json(args.out / "scores.json", report)
        print(json.dumps({name: value for name, value in report.items() if name != "thresholds"}, indent=2))
    best, context = report["best"], "no context of the images' own classes"
    if report["pixels"]["own_context"]:
        context = f"context at 60 % of the objects {report['context_at_60']} %, AUC {report['auc']} %"
    return f"{args.maps}, {len(items)} images: mIoU {best['mean_iou']} % at {best['threshold']}, {context}"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images", "ground_truth", "context"))
