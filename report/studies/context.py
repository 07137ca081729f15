"""Measure how much of the background that comes with a class its maps call object: rails under trains (FBR).

data/<set>/context says which background is the context of a class. Counted is the context of the image's own classes
where 60 % of the object pixels are found, and the area under the ROC curve of object against context. A pixel's score
is its strongest map, as in evaluate.labels --map-thresholds. Writes <out>/scores.json, in percent. Pixels of ground
truth 255 and images without classes are left out.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

import numpy as np

from common.files.dataset import DataSet, Item, reads
from common.files.images import IGNORE_INDEX
from common.files.maps import normalise, read_maps, require_maps
from evaluate.labels import to_percent
from stages import distributed
from stages.command import main, stage_parser
from stages.files import InputError, write_json
from stages.parallel import add_workers_argument, map_each

RECALL = 0.6  # of object pixels, at which contexts are compared: the best threshold jumps from run to run
BINS = 1024  # of the histograms of scores


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--maps", type=Path, required=True, help="folder of class maps (cls.infer, fbr.refine)")
    add_workers_argument(parser)
    return parser


def strongest(folder: Path, item: Item, size: tuple[int, int]) -> np.ndarray:
    """The strongest of an image's maps at each pixel, each normalised by its own range: float (H, W) = `size`, 0..1."""
    return np.maximum.reduce([np.zeros(size), *map(normalise, read_maps(folder, item, size).values())])


def own_context(dataset: DataSet, item: Item, truth: np.ndarray) -> np.ndarray:
    """Background pixels that are the context of one of the image's own classes, bool (H, W); none without the folder.

    Raises InputError if the folder lacks the image's mask, or that is unusable.
    """
    if not dataset.context_path(item.id).parent.is_dir():
        return np.zeros(truth.shape, bool)
    return (truth == 0) & np.isin(dataset.context(item.id), [cls + 1 for cls in item.classes])


def histograms(maps: Path, dataset: DataSet, item: Item) -> np.ndarray:
    """The scores of an image's object pixels and of its own context, in equal bins of 0 to 1: int64 (2, BINS)."""
    truth = dataset.ground_truth(item.id)
    bins = (strongest(maps, item, truth.shape) * BINS).astype(np.int64).clip(max=BINS - 1)
    masks = (truth > 0) & (truth != IGNORE_INDEX), own_context(dataset, item, truth)
    return np.stack([np.bincount(bins[mask], minlength=BINS) for mask in masks])


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
    return float(np.interp(RECALL, found, called)), float(np.trapezoid(found, called))


def run(args: Namespace) -> str:
    """Write <out>/scores.json: `context_at_60`, `auc`, null without context, and the numbers of `pixels`."""
    dataset = DataSet(args.data)
    items = [item for item in dataset.split(args.split) if item.classes]
    require_maps(args.maps, items)
    counts = map_each(partial(histograms, args.maps, dataset), distributed.shard(items), args.workers, args.out.name)
    total = sum(distributed.gather(sum(counts, np.zeros((2, BINS), np.int64))))
    objects, context = total.sum(1).tolist()
    if not objects:
        raise InputError(f"{dataset.root / 'SegmentationClass'}: expected ground truth with at least one object pixel")
    at_recall, area = map(to_percent, roc(total))
    if distributed.IS_FIRST:
        pixels = {"object": objects, "own_context": context}
        write_json(args.out / "scores.json", {"context_at_60": at_recall, "auc": area, "pixels": pixels})
    return f"{args.maps}, {len(items)} images: context at 60 % of the objects {at_recall} %, AUC {area} %"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images", "ground_truth", "context"))
