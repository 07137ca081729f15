"""Make saliency maps as weaker detectors give them, to measure what saliency is worth: <out>/<id>.png, 8-bit grey.

First objects are lost: of a map's connected parts above one half, those smaller than --lost times the largest, with the
pixels that are nearest to them. Then the map is blurred by a Gaussian of --blur times the longer side.
--rectangle gives every image one rectangle instead, which knows nothing of it: the middle 70 % of its height and width.
"""

from argparse import ArgumentParser, Namespace
from functools import partial

import cv2
import numpy as np
from scipy import ndimage

from common.files.dataset import DataSet, Item, reads
from common.files.images import is_complete, write_grey
from stages import distributed
from stages.arguments import non_negative_float
from stages.command import main, stage_parser
from stages.parallel import add_workers_argument, for_each

MARGIN = 0.15  # of a side, outside the rectangle


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    add = parser.add_argument
    add("--lost", type=non_negative_float, default=0, metavar="SHARE", help="1 keeps the largest part alone")
    add("--blur", type=non_negative_float, default=0, metavar="SHARE", help="standard deviation of the Gaussian")
    add("--rectangle", action="store_true", help="one rectangle for all images")
    add_workers_argument(parser)
    return parser


def degraded(saliency: np.ndarray, lost: float, blur: float) -> np.ndarray:
    """A map uint8 (H, W) without its smaller parts, then blurred; both as shares, see above. Returns uint8 (H, W)."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(np.uint8(saliency > 127))
    if count > 2:  # part 0 is the rest
        areas = stats[:, cv2.CC_STAT_AREA]
        small = areas < lost * areas[1:].max()
        nearest = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
        saliency = np.where(small[parts[tuple(nearest)]], np.uint8(0), saliency)
    return cv2.GaussianBlur(saliency, (0, 0), blur * max(saliency.shape)) if blur else saliency


def rectangle(height: int, width: int) -> np.ndarray:
    """The map uint8 (H, W) that is 255 in the middle and 0 elsewhere."""
    saliency = np.zeros((height, width), np.uint8)
    top, left = round(MARGIN * height), round(MARGIN * width)
    saliency[top : height - top, left : width - left] = 255
    return saliency


def write_map(args: Namespace, dataset: DataSet, item: Item) -> None:
    """Write the map of an image."""
    if args.rectangle:
        saliency = rectangle(*dataset.image_size(item.id))
    else:
        saliency = degraded(dataset.saliency(item.id), args.lost, args.blur)
    write_grey(args.out / f"{item.id}.png", saliency)


def run(args: Namespace) -> str:
    """Write the maps of the images that lack one; returns a summary."""
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    todo = [item for item in distributed.shard(items) if not is_complete(args.out / f"{item.id}.png")]
    for_each(partial(write_map, args, dataset), todo, args.workers, args.out.name)
    return f"{len(items)} maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images", "saliency"))
