"""Export instances as COCO JSON, on which Mask R-CNN and other detectors are trained (docs/irn.md).

Reads <instances>/<id>.png and <id>.json of irn.instances, writes <out>/instances_<split>.json: "categories" 1 to C, in
the order of classes.txt; "images" numbered from 1 in the order of the list, with their sizes and their files' names in
<data>/JPEGImages, those without an instance, too; and "annotations" numbered from 1 over all images: category, box,
area, mask and score.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from common.files.dataset import DataSet, Item, reads
from common.files.instances import read_instances
from stages.arguments import non_negative_float
from stages.command import main, stage_parser
from stages.files import InputError, atomic
from stages.parallel import add_workers_argument, map_each


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--instances", type=Path, required=True, help="folder of <id>.png and <id>.json (irn.instances)"
    )
    parser.add_argument(
        "--min-score",
        type=non_negative_float,
        default=1e-5,
        help="leave out instances of a lower score; the default, IRN's, leaves out those below 1 %% of the image",
    )
    parser.add_argument(
        "--segmentation",
        choices=("rle", "polygon"),
        default="rle",
        help="masks as compressed run lengths, or as polygons, which fill holes",
    )
    add_workers_argument(parser)
    return parser


def polygons(mask: np.ndarray) -> list[list[int]]:
    """Outlines of the mask's parts along the edges of their pixels, [x, y, x, y, …] each; holes are filled.

    mask: bool (H, W). Coordinates go from 0 to W and to H: pixel (row, column) covers column to column + 1.
    """
    doubled = np.kron(mask, np.ones((2, 2), np.uint8))  # of the two places of a pixel, one lies at each of its edges
    outlines, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [(outline[:, 0] + 1) // 2 for outline in outlines]  # (P, 2), x and y
    return [points[(points != np.roll(points, 1, axis=0)).any(1)].flatten().tolist() for points in corners]


def annotation(mask: np.ndarray, cls: int, score: float, as_polygons: bool) -> dict[str, Any]:
    """COCO's entry for an instance, without its own number and its image's; mask: bool (H, W), cls 0-based."""
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    box = coco_mask.toBbox(rle).tolist()  # left, top, width, height
    segmentation = polygons(mask) if as_polygons else rle | {"counts": rle["counts"].decode()}
    entry = {"category_id": cls + 1, "bbox": box, "area": int(mask.sum()), "segmentation": segmentation}
    return entry | {"iscrowd": 0, "score": score}


def annotations(args: Namespace, dataset: DataSet, item: Item) -> list[dict[str, Any]]:
    """Entries for the instances of an image whose score reaches --min-score."""
    numbers, entries = read_instances(dataset, args.instances, item.id)
    return [
        annotation(numbers == entry["number"], entry["class"], entry["score"], args.segmentation == "polygon")
        for entry in entries
        if entry["score"] >= args.min_score
    ]


def coco(dataset: DataSet, items: Sequence[Item], of_items: Sequence[list[dict[str, Any]]]) -> dict[str, Any]:
    """COCO's JSON of the images `items`, and of the entries for the instances of each of them."""
    images, entries = [], []
    for number, (item, of_item) in enumerate(zip(items, of_items, strict=True), start=1):
        height, width = dataset.image_size(item.id)
        images.append({"id": number, "file_name": f"{item.id}.jpg", "height": height, "width": width})
        entries += [{"image_id": number, **entry} for entry in of_item]
    return {
        "info": {"description": "instances from image-level labels"},  # loadRes of some pycocotools fails without it
        "categories": [{"id": number, "name": name} for number, name in enumerate(dataset.classes, start=1)],
        "images": images,
        "annotations": [{"id": number, **entry} for number, entry in enumerate(entries, start=1)],
    }


def run(args: Namespace) -> str:
    """Write the JSON; returns a summary. Raises InputError if no instance reaches --min-score."""
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    content = coco(dataset, items, list(map_each(partial(annotations, args, dataset), items, args.workers, "export")))
    if not content["annotations"]:
        raise InputError(f"{args.instances}: expected instances of score {args.min_score:g} or more, found none")
    with atomic(args.out / f"instances_{args.split}.json") as temporary:
        temporary.write_text(json.dumps(content))  # in one line, as COCO's: a polygon has many numbers
    return f"{len(content['annotations'])} instances in {len(items)} images"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"), one_process=True)
